import { describe, expect, it } from "vitest";
import { birthRecordDigest } from "../../src/format/birth-record.js";
import { decodeDocument, encodeDocument } from "../../src/key-pairs/documents.js";
import type { StoreWriter } from "./store-writer.js";
import { markFalsely } from "./toolbox.js";
import { audio, everyPair, opens, world, type Host, type World } from "./world.js";

/** The mark that KMS has sealed for one pair, beside another. */
async function markWithAnothersSeal(writer: StoreWriter, from: string, keyPairId: string): Promise<void> {
  const [found] = await writer.store.listWrappings(writer.organizationId, from);
  const { mark } = decodeDocument("fate", found!.document, "fate");
  const digest = birthRecordDigest((await writer.copyOf(keyPairId)).birthRecord);
  await writer.beside(keyPairId, "fate", encodeDocument("fate", { digest, mark }));
}

const hosts = {
  "a host that remembers": async ({ host, hostMemory }: World) => host({ lastConfirmed: await hostMemory() }),
  "a fresh host": async ({ host }: World) => host(),
} as const;

/** What an attacker shows the janitor. */
const shown = {
  "a forged head": async ({ writer }: World) => writer.plant(await writer.forge()),
  "a forged head that begins anew": async ({ writer, keyArn }: World) => {
    const { birth } = await writer.active();
    const { previousDigest: _, ...first } = birth;
    await writer.plant(writer.invent({ ...first, keyPairId: "first", sequence: 1 }, keyArn));
  },
  "an old head": async ({ writer, heads }: World) => writer.point(heads[0]!),
  "a genuine pair that never was active, as head": async ({ writer, unmarkedOrphan }: World) =>
    writer.pointAt(await writer.copyOf(unmarkedOrphan)),
  "the genuine head": async () => undefined,
} as const;

/** How an attacker marks pairs. */
const marks = {
  "forged marks": async ({ writer, keyPairIds, unmarkedOrphan }: World) => {
    for (const keyPairId of [...keyPairIds, unmarkedOrphan]) await markFalsely(writer, keyPairId);
  },
  "another pair's mark": async ({ writer, keyPairIds, unmarkedOrphan, markedOrphan }: World) => {
    const others = [...keyPairIds, unmarkedOrphan];
    for (const keyPairId of others) await markWithAnothersSeal(writer, markedOrphan, keyPairId);
  },
} as const;

const report = (janitor: Host, dryRun: boolean) =>
  janitor.removeOrphanedKeyPairs({ dryRun }).catch(() => ({ removed: [], kept: [] }));

describe.each(Object.keys(hosts) as (keyof typeof hosts)[])("the janitor on %s", (which) => {
  for (const [head, show] of Object.entries(shown)) {
    for (const [marked, mark] of Object.entries(marks)) {
      it(`removes and lists nothing genuine: ${head}, ${marked}`, async () => {
        const parts = await world();
        await mark(parts);
        await show(parts);
        const { genuine, store, markedOrphan, past } = parts;
        const janitor = await hosts[which](parts);
        for (const dryRun of [true, false]) {
          const { removed } = await report(janitor, dryRun);
          expect(removed.map(({ keyPairId }) => keyPairId).filter((id) => id !== markedOrphan)).toEqual([]);
        }
        const left = await everyPair(store);
        expect([...genuine.keys()].filter((id) => !left.has(id) && id !== markedOrphan)).toEqual([]);
        for (const [index, { body }] of past.entries()) {
          expect(await opens(parts.host(), body, audio, `past-${index}`)).toBe(true);
        }
      });
    }
  }
});

describe("the janitor, where a genuine pair that never was active is no further than the head", () => {
  for (const [marked, mark] of Object.entries(marks)) {
    it(`keeps it in spite of ${marked}`, async () => {
      const parts = await world();
      const { host, hostMemory, unmarkedOrphan, markedOrphan } = parts;
      const owner = host({ lastConfirmed: await hostMemory() });
      await mark(parts);
      await owner.rotate();
      const { removed, kept } = await owner.removeOrphanedKeyPairs();
      expect({ removed, kept }).toMatchObject({
        removed: [{ keyPairId: markedOrphan }],
        kept: [{ keyPairId: unmarkedOrphan }],
      });
    });
  }

  it("keeps one that was active until the store was turned aside, in spite of forged marks", async () => {
    const parts = await world();
    const { host, hostMemory, writer, unmarkedOrphan } = parts;
    const owner = host({ lastConfirmed: await hostMemory() });
    await owner.rotate();
    const made = await owner.encryptRecording(audio, { recordingId: "r" });
    await writer.pointAt(await writer.copyOf(unmarkedOrphan));
    await markFalsely(writer, made.keyPairId);
    const operator = host();
    await operator.rotate();
    await operator.removeOrphanedKeyPairs();
    expect(await opens(host(), made.body, audio)).toBe(true);
  });
});

describe("the janitor, with a forged head", () => {
  it.each([true, false])("refuses to look at all (dryRun: %s)", async (dryRun) => {
    const { writer, host, hostMemory } = await world();
    await writer.plant(await writer.forge());
    const owner = host({ lastConfirmed: await hostMemory() });
    await expect(owner.removeOrphanedKeyPairs({ dryRun })).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });
});
