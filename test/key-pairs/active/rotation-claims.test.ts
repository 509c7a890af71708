import { afterEach, describe, expect, it, vi } from "vitest";
import type { KeyPairStore } from "../../../src/index.js";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import type { VouchedKeyPair } from "../../../src/key-pairs/trust.js";
import { nextRotation } from "../../../src/key-pairs/active/schedule.js";
import { invented, noSuchKeyArn } from "../inventions.js";
import { configuration, day, homeRegion, organizationId, pointAsWriter, putAsWriter, turns, world } from "../world.js";

const scheduled = true;
const latest = Number.MAX_SAFE_INTEGER - 1;
afterEach(() => void vi.restoreAllMocks());

type World = ReturnType<typeof world>;
type Forgery = (parts: World & { pair: VouchedKeyPair }) => Promise<unknown>;

const aheadOf = (pair: VouchedKeyPair, birth: Parameters<typeof invented>[0] = {}) =>
  invented({
    kmsKeyArn: pair.wrapping.kmsKeyArn,
    ...birth,
    birth: { sequence: 2, previousDigest: pair.digest, ...birth.birth },
  });

async function writeHead(store: KeyPairStore, document: Uint8Array): Promise<void> {
  await store.swapHead(organizationId, (await store.readHead(organizationId))?.revision, document);
}

/** What a store writer can make of the head. */
const forgeries: readonly [what: string, forge: Forgery][] = [
  ["is a pair ahead", ({ pair, plant }) => plant(aheadOf(pair))],
  [
    "has settings of the forger's",
    ({ pair, plant }) => plant(aheadOf(pair, { birth: { periodicKeyChange: "never", keyPairId: "forged" } })),
  ],
  ["has the last sequence there is", ({ pair, plant }) => plant(aheadOf(pair, { birth: { sequence: latest } }))],
  [
    "has a schedule that is never due",
    ({ pair, plant }) => plant(aheadOf(pair, { birth: { scheduleAnchor: 8.64e15 } })),
  ],
  ["is under a key that KMS refuses", ({ pair, plant }) => plant(aheadOf(pair, { kmsKeyArn: noSuchKeyArn }))],
  [
    "is under a key of a Region that there is not",
    ({ pair, plant }) => plant(aheadOf(pair, { kmsKeyArn: noSuchKeyArn.replace(homeRegion, "xx-nowhere-1") })),
  ],
  ["has another context key name", ({ pair, plant }) => plant(aheadOf(pair, { birth: { contextKeyName: "other" } }))],
  ["names what is not stored", ({ pair, store }) => pointAsWriter(store, aheadOf(pair))],
  [
    "names the genuine pair under another digest",
    ({ pair, store }) => pointAsWriter(store, { ...pair, digest: Buffer.alloc(32) }),
  ],
  ["is damaged", ({ store }) => writeHead(store, Buffer.from("torn"))],
  ["is of a later version", ({ store, pair }) => writeHead(store, later(pair))],
  ["names what no store takes for an id", ({ store, pair }) => pointAsWriter(store, { ...pair, birth: odd(pair) })],
];
const odd = ({ birth }: VouchedKeyPair) => ({ ...birth, keyPairId: "../pair" });
const later = ({ birth, digest }: VouchedKeyPair) => {
  const { keyPairId, sequence } = birth;
  const head = encodeDocument("head", { organizationId, keyPairId, sequence, digest });
  return Buffer.from(head.toString().replace('"version":1', '"version":2'));
};

describe.each(forgeries)("a head that %s", (_, forge) => {
  /** A worker that holds the genuine pair, or one that has just started, after a store writer was there. */
  async function attacked({ warm }: { warm: boolean }) {
    const parts = world();
    const holder = await parts.configured({}, { periodicKeyChange: "weekly" });
    await forge({ ...parts, pair: holder.pair });
    parts.kms.journal.clear();
    return { ...parts, ...(warm ? holder : parts.worker()), pair: holder.pair };
  }
  const made = ({ kms }: Pick<World, "kms">) => kms.journal.count("Encrypt");

  it.each([true, false])("is the base of no rotation, on demand or configured (warm: %s)", async (warm) => {
    const parts = await attacked({ warm });
    for (const request of [{}, { scheduled }, { configuration }]) {
      await expect(parts.rotation.rotate(request)).rejects.toMatchObject({
        code: expect.stringMatching(
          /^ERR_(KEY_PAIR_UNTRUSTED|KEY_UNCONFIRMED|STORE_CORRUPT|STORE_ROLLED_BACK|FORMAT_TOO_NEW)$/,
        ),
      });
    }
    expect(made(parts)).toBe(0);
  });

  it("does not move the schedule", async () => {
    const parts = await attacked({ warm: true });
    const { rotation, active, clock, pair } = parts;
    const due = nextRotation(pair.birth)!;
    await active.refresh();
    clock.set(due - 1);
    expect(rotation.isDue()).toBe(false);
    clock.set(due);
    expect(rotation.isDue()).toBe(true);
  });

  it("is left behind by an operator's word, upon the pair that the process holds", async () => {
    const parts = await attacked({ warm: true });
    const { rotation, pair, records, clock } = parts;
    clock.advance(day);
    const renewed = await rotation.rotate({ configuration, newHistory: true });
    const upon = { sequence: 2, previousDigest: pair.digest, reason: "configure", scheduleAnchor: clock.now() };
    expect(renewed.birth).toMatchObject({ ...upon, periodicKeyChange: configuration.periodicKeyChange });
    expect((await records.readHead())?.digest).toEqual(renewed.digest);
    expect((await rotation.rotate({})).birth).toMatchObject({ sequence: 3, previousDigest: renewed.digest });
  });

  it("is left behind by an operator's word, for the store's pair where none is held", async () => {
    const { rotation, pair, records } = await attacked({ warm: false });
    const renewed = await rotation.rotate({ newHistory: true });
    const upon = { sequence: 2, previousDigest: pair.digest, reason: "on-demand" };
    const { periodicKeyChange, scheduleAnchor } = pair.birth;
    expect(renewed.birth).toMatchObject({ ...upon, periodicKeyChange, scheduleAnchor });
    expect((await records.readHead())?.digest).toEqual(renewed.digest);
  });

  it("is left behind by an operator's word, with a new history where nothing genuine is left", async () => {
    const { rotation, pair, store, records } = await attacked({ warm: false });
    await store.removeKeyPair(organizationId, pair.birth.keyPairId);
    const renewed = await rotation.rotate({ configuration, newHistory: true });
    expect(renewed.birth.sequence).toBe(1);
    expect(renewed.birth).not.toHaveProperty("previousDigest");
    expect((await records.readHead())?.digest).toEqual(renewed.digest);
  });
});

describe("a head that names the genuine pair under another sequence", () => {
  it("is put right by the next rotation of a worker that holds the pair", async () => {
    const { configured, store, worker } = world();
    const { rotation, pair } = await configured();
    await pointAsWriter(store, { ...pair, birth: { ...pair.birth, sequence: latest } });
    await expect(worker().rotation.rotate({})).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    const next = await rotation.rotate({});
    expect(next.birth).toMatchObject({ sequence: 2, previousDigest: pair.digest });
    expect((await worker().active.acquire(false)).pair.digest).toEqual(next.digest);
  });
});

describe("a due change", () => {
  it("of a pair that nobody has vouched for is none", async () => {
    const { configured, worker, kms, clock } = world();
    await configured();
    kms.faults.outage();
    const { active, rotation } = worker();
    expect((await active.acquire(false)).confirmation).toBe("unconfirmed");
    clock.advance(9 * day);
    rotation.startWhenDue();
    expect({ due: rotation.isDue(), in: rotation.rotationIn, running: rotation.isRunning }).toEqual({
      due: false,
      in: Infinity,
      running: false,
    });
  });

  it("fails loudly upon a forged head, and goes on once the operator has replaced that", async () => {
    const { configured, clock, plant, store, kms } = world();
    const { rotation, pair, health, events } = await configured();
    await plant(aheadOf(pair, { birth: { periodicKeyChange: "never" } }));
    clock.advance(2 * day);
    kms.journal.clear();
    rotation.startWhenDue();
    await rotation.settled();
    const error = expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED" }) as unknown;
    expect(events).toContainEqual(["keyChangeFailed", { error }]);
    expect(health.trouble).toMatchObject({ task: "rotate", error: { code: "ERR_KEY_PAIR_UNTRUSTED" } });
    expect(kms.journal.count("Encrypt")).toBe(0);
    await pointAsWriter(store, pair);
    clock.advance(2 * 60_000);
    rotation.startWhenDue();
    await rotation.settled();
    await turns();
    expect(health.trouble).toBeUndefined();
    const [newest] = await store.listKeyPairs(organizationId, { limit: 9 });
    expect(newest?.sequence).toBe(2);
  });

  it("is content with a vouched pair of another worker, and not with a planted one", async () => {
    const { configured, worker, clock, store } = world();
    const { rotation, pair } = await configured();
    clock.advance(2 * day);
    await putAsWriter(store, aheadOf(pair, { birth: { createdAt: clock.now() } }));
    const made = await rotation.rotate({ scheduled });
    expect(made.birth).toMatchObject({ sequence: 2, previousDigest: pair.digest, reason: "schedule" });
    expect((await worker().active.acquire(false)).pair.digest).toEqual(made.digest);
  });
});
