import { describe, expect, it } from "vitest";
import { moved } from "./flood.js";
import { audio, opens, world, type World } from "./world.js";

/** The organization moves to another KMS key behind its alias; gives the key that it leaves. */
function moveAlias({ kms, keyArn, kmsKeyAliasArn }: World): string {
  const [, , , region, accountId] = keyArn.split(":") as [string, string, string, string, string];
  kms.pointAlias(kmsKeyAliasArn, kms.createKey({ accountId, region, policy: kms.getKeyPolicy(keyArn) }));
  return keyArn;
}

/** Everything that was recorded opens without the KMS key that the report says is needed no more. */
async function opensWithoutOldKey(parts: World, recordings: readonly { body: Uint8Array; recordingId: string }[]) {
  parts.kms.disableKey(parts.keyArn);
  const owner = parts.host();
  const found: Record<string, boolean> = {};
  for (const { body, recordingId } of recordings) {
    found[recordingId] = await opens(owner, body, audio, recordingId).catch(() => false);
  }
  return found;
}

const pastOf = ({ past }: World) => past.map(({ body }, index) => ({ body, recordingId: `past-${index}` }));
const allOpen = (recordings: readonly { recordingId: string }[]) =>
  Object.fromEntries(recordings.map(({ recordingId }) => [recordingId, true]));

describe("rewrapping on a store that was rolled back", () => {
  it("refuses, on a host that remembers", async () => {
    const { writer, host, hostMemory, heads } = await world();
    const owner = host({ lastConfirmed: await hostMemory() });
    await writer.point(heads[1]!);
    await expect(owner.rewrapKeyPairs()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
  });

  it.each([0, 1])("never says complete of less than recordings need, on a fresh host (head %i)", async (index) => {
    const parts = await world();
    const { writer, host, heads } = parts;
    await writer.point(heads[index]!);
    moveAlias(parts);
    const operator = host();
    await operator.rotate();
    const { complete } = await operator.rewrapKeyPairs();
    const recordings = pastOf(parts);
    if (complete) expect(await opensWithoutOldKey(parts, recordings)).toEqual(allOpen(recordings));
  });

  it("rewraps what lies ahead of the old head too", async () => {
    const { kms, keyArn, writer, host, heads } = await moved();
    await writer.point(heads[0]!);
    kms.enableKey(keyArn);
    expect(await host().rewrapKeyPairs()).toMatchObject({ complete: true, failed: [], already: 5 });
  });
});

describe("rewrapping where a store writer has turned the history aside", () => {
  /** A pair was active and has recordings; then the head shows another genuine pair of its number, which goes on. */
  async function turnedAside() {
    const parts = await world();
    const { host, hostMemory, writer, unmarkedOrphan } = parts;
    const owner = host({ lastConfirmed: await hostMemory() });
    const active = await owner.rotate();
    const made = await owner.encryptRecording(audio, { recordingId: "aside" });
    const orphan = await writer.copyOf(unmarkedOrphan);
    expect({ sequence: orphan.birth.sequence }).toEqual({ sequence: active.sequence });
    await writer.pointAt(orphan);
    return { ...parts, owner, recordings: [...pastOf(parts), { body: made.body, recordingId: "aside" }] };
  }

  it("never says complete of less than recordings need, on a host that the history misses", async () => {
    const parts = await turnedAside();
    moveAlias(parts);
    const operator = parts.host();
    await operator.rotate();
    const { complete } = await operator.rewrapKeyPairs();
    if (complete) expect(await opensWithoutOldKey(parts, parts.recordings)).toEqual(allOpen(parts.recordings));
  });

  it("never says complete of less than recordings need, on the host that made the pair", async () => {
    const parts = await turnedAside();
    const { host, owner, clock } = parts;
    moveAlias(parts);
    await host().rotate();
    clock.advance(120_000);
    const { complete } = await owner.rewrapKeyPairs();
    if (complete) expect(await opensWithoutOldKey(parts, parts.recordings)).toEqual(allOpen(parts.recordings));
  });
});

describe("rewrapping with a forged head", () => {
  it("refuses, on a host that remembers and on a fresh one", async () => {
    const { writer, host, hostMemory } = await world();
    await writer.plant(await writer.forge());
    for (const owner of [host({ lastConfirmed: await hostMemory() }), host()]) {
      await expect(owner.rewrapKeyPairs()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    }
  });

  it("goes on once the head is replaced, whatever is planted ahead", async () => {
    const parts = await world();
    const { writer, host } = parts;
    moveAlias(parts);
    await writer.plant(await writer.forge());
    const operator = host();
    await operator.replaceUntrustedHead();
    await operator.rotate();
    await writer.put(await writer.forge({ sequence: 100 }));
    expect(await operator.rewrapKeyPairs()).toMatchObject({ complete: true, failed: [] });
    const recordings = pastOf(parts);
    expect(await opensWithoutOldKey(parts, recordings)).toEqual(allOpen(recordings));
  });
});
