import { describe, expect, it } from "vitest";
import { overridden } from "../support/setup.js";
import { heal, typicalStates } from "./hosts.js";
import { audio, minute, opens, second, world } from "./world.js";

const recording = { recordingId: "r" };

describe("a forged pair that a fresh host took for want of any verdict", () => {
  it.each([
    [30 * second, true],
    [30 * second, false],
    [minute, true],
    [minute, false],
    [120 * minute, true],
    [120 * minute, false],
  ])("is asked about before the next use, %i ms later (background: %s)", async (later, background) => {
    const { writer, kms, clock, host } = await world();
    await writer.plant(await writer.forge());
    kms.faults.outage();
    const fresh = host({ background });
    expect(await fresh.encryptRecording(audio, recording)).toMatchObject({ confirmation: "unconfirmed" });
    kms.faults.heal();
    clock.advance(later);
    const made = await fresh.encryptRecording(audio, recording);
    const found = { confirmation: made.confirmation, opensForAttacker: writer.canOpen(made.body) };
    expect(found).toEqual({ confirmation: "confirmed", opensForAttacker: false });
  });
});

describe("a genuine pair that never was active, shown to a fresh host for a while", () => {
  for (const state of typicalStates) {
    it.each(["markedOrphan", "unmarkedOrphan"] as const)(
      `is not removed with recordings made meanwhile (%s, KMS ${state.name})`,
      async (which) => {
        const parts = await world();
        const { writer, host, hostMemory } = parts;
        await writer.pointAt(await writer.copyOf(parts[which]));
        state.begin(parts);
        const made = await host()
          .encryptRecording(audio, recording)
          .catch(() => undefined);
        heal(parts);
        await writer.point(parts.heads.at(-1)!);
        const owner = host({ lastConfirmed: await hostMemory() });
        await owner.rotate();
        await owner.removeOrphanedKeyPairs();
        // To refuse is as good: what is made must open.
        if (made) expect(await opens(host(), made.body, audio)).toBe(true);
      },
    );
  }

  it("is not marked by its maker once it is in use", async () => {
    const { store, writer, host, hostMemory, unmarkedOrphan } = await world();
    let made: { readonly body: Uint8Array } | undefined;
    const unreachable = { decrypt: () => Promise.reject(new Error("KMS is away from here")) };
    const cutOff = host({ kms: { ...unreachable, describeKey: never, encrypt: never, generateDataKeyPair: never } });
    const watched = overridden(store, {
      createKeyPair: async (pair) => {
        const answer = await store.createKeyPair(pair);
        // A worker that KMS does not answer is shown the pair on its way; then its maker loses against another.
        await writer.pointAt(await writer.copyOf(pair.keyPairId));
        made = await cutOff.encryptRecording(audio, recording).catch(() => undefined);
        await writer.pointAt(await writer.copyOf(unmarkedOrphan));
        return answer;
      },
    });
    const owner = host({ store: watched, lastConfirmed: await hostMemory() });
    await owner.rotate().catch(() => undefined);
    await host().removeOrphanedKeyPairs();
    if (made) expect(await opens(host(), made.body, audio)).toBe(true);
  });
});

const never = () => Promise.reject(new Error("KMS is away from here"));
