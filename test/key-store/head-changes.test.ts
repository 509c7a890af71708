import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KeyPairStore, RecordingKeyStore } from "../../src/index.js";
import type { HeadChanges } from "../../src/stores/index.js";
import { MemoryKeyPairStore } from "../../src/testing/index.js";
import { effort } from "../support/effort.js";
import { kmsKeyAliasArn, overridden, setup } from "../support/setup.js";

/* A store's feed of changes, as key stores use it that are processes of their own: each over its own handle on the store. */

const audio = randomBytes(100);
const recording = { recordingId: "r" };
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

type Looks = NonNullable<KeyPairStore["headChanges"]>;
type Methods = Parameters<typeof overridden>[1];

/** Workers on one store, each of which sees it through its own handle. */
async function fleet(size: number) {
  const parts = setup({ background: false });
  const { store, keyStoreWith } = parts;
  const workers = Array.from({ length: size }, () => {
    const calls = { readHead: 0, headChanges: 0 };
    const changed: Methods = {};
    const counted: Methods = {
      readHead: (...args) => ((calls.readHead += 1), store.readHead(...args)),
      headChanges: async (...args) => (
        (calls.headChanges += 1),
        (changed.headChanges ?? store.headChanges.bind(store))(...args)
      ),
      swapHead: async (...args) => (changed.swapHead ?? store.swapHead.bind(store))(...args),
    };
    return { keyStore: keyStoreWith({ store: overridden(store, counted) }), calls, changed };
  });
  const [first] = workers as [(typeof workers)[number]];
  await first.keyStore.configure({ kmsKeyAliasArn });
  const records = async (worker: { keyStore: RecordingKeyStore }) =>
    (await worker.keyStore.encryptRecording(audio, recording)).keyPairId;
  return { ...parts, workers, records };
}

/** The same, a recording a minute in each for long enough that the feed stands for the head. */
async function settledFleet(size: number) {
  const parts = await fleet(size);
  for (let passed = 0; passed < 4; passed += 1) {
    for (const worker of parts.workers) await parts.records(worker);
    parts.clock.advance(minute);
  }
  for (const worker of parts.workers) await parts.records(worker);
  for (const { calls } of parts.workers) calls.readHead = calls.headChanges = 0;
  return parts;
}

describe("a worker of a store with a feed of changes", () => {
  it("reads the head once an hour, and the feed every headTtl", async () => {
    const { workers, clock, records } = await settledFleet(1);
    const [worker] = workers as [(typeof workers)[number]];
    for (let passed = 0; passed < 120; passed += 1) {
      clock.advance(minute);
      await records(worker);
    }
    expect(worker.calls).toEqual({ readHead: 2, headChanges: 120 - 2 });
  });

  it("shares one look with all organizations of its process", async () => {
    const store = new MemoryKeyPairStore();
    const parts = setup({ background: false, store });
    const keyStores = ["org-1", "org-2", "org-3"].map((organizationId) => parts.keyStoreWith({ organizationId }));
    for (const keyStore of keyStores) await keyStore.configure({ kmsKeyAliasArn });
    let [looks, reads] = [0, 0];
    const [headChanges, readHead] = [store.headChanges.bind(store), store.readHead.bind(store)];
    Object.assign(store, {
      headChanges: (...args: Parameters<typeof headChanges>) => ((looks += 1), headChanges(...args)),
      readHead: (...args: Parameters<typeof readHead>) => ((reads += 1), readHead(...args)),
    });
    const work = async (minutes: number) => {
      for (let passed = 0; passed < minutes; passed += 1) {
        parts.clock.advance(minute);
        for (const keyStore of keyStores) await keyStore.encryptRecording(audio, recording);
      }
    };
    await work(4);
    [looks, reads] = [0, 0];
    await work(30);
    expect({ looks, reads }).toEqual({ looks: 30, reads: 0 });
  });

  it("follows a change within headTtl", async () => {
    const { workers, clock, records } = await settledFleet(2);
    const [one, other] = workers as [(typeof workers)[number], (typeof workers)[number]];
    const { keyPairId } = await one.keyStore.rotate();
    clock.advance(minute - 1);
    await records(other);
    clock.advance(1);
    expect(await records(other)).toBe(keyPairId);
  });

  it("follows within headTtl a change that comes half a minute after it was announced", async () => {
    const { workers, clock, records, store } = await settledFleet(2);
    const [one, other] = workers as [(typeof workers)[number], (typeof workers)[number]];
    const log: string[] = [];
    let slow: (() => void) | undefined;
    const look: Looks = async ({ after }): Promise<HeadChanges> => ({
      cursor: String(log.length),
      organizationIds: after === undefined || !/^\d+$/.test(after) ? undefined : log.slice(Number(after)),
    });
    other.changed.headChanges = look;
    one.changed.swapHead = async (id, ...rest) => {
      log.push(id);
      await new Promise<void>((resolve) => (slow = resolve));
      return store.swapHead(id, ...rest);
    };
    for (let passed = 0; passed < 4; passed += 1) {
      clock.advance(minute);
      await records(other);
    }
    const before = await records(other);
    const rotating = one.keyStore.rotate();
    while (!slow) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(minute); // the look and the read behind it are before the change
    expect(await records(other)).toBe(before);
    clock.advance(29 * second);
    slow();
    const { keyPairId } = await rotating;
    clock.advance(31 * second);
    expect(await records(other)).toBe(keyPairId);
  });

  it("follows within an hour where somebody keeps the announcement from it", async () => {
    const { workers, clock, records } = await settledFleet(2);
    const [one, other] = workers as [(typeof workers)[number], (typeof workers)[number]];
    other.changed.headChanges = async () => ({ cursor: "c", organizationIds: [] });
    const before = await records(other);
    const { keyPairId } = await one.keyStore.rotate();
    clock.advance(10 * minute);
    expect(await records(other)).toBe(before);
    clock.advance(50 * minute);
    expect(await records(other)).toBe(keyPairId);
  });

  it.each<[name: string, looks: Looks]>([
    ["hangs", () => new Promise(() => undefined)],
    ["rejects", () => Promise.reject(new Error("no route to store"))],
    ["gives nonsense", async () => ({ surprise: 7 }) as never],
  ])("follows within headTtl, and encrypts all the same, while the feed %s", async (_name, looks) => {
    const { workers, clock, records } = await settledFleet(2);
    const [one, other] = workers as [(typeof workers)[number], (typeof workers)[number]];
    other.changed.headChanges = looks;
    for (let change = 0; change < 3; change += 1) {
      const { keyPairId } = await one.keyStore.rotate();
      clock.advance(minute);
      expect(await records(other)).toBe(keyPairId);
    }
    expect(other.calls.readHead).toBeGreaterThanOrEqual(3);
  });

  it("reads the head itself for whoever asks about the newest state", async () => {
    const { workers } = await settledFleet(2);
    const [one, other] = workers as [(typeof workers)[number], (typeof workers)[number]];
    const { keyPairId } = await one.keyStore.rotate();
    expect((await other.keyStore.keyPairs()).items[0]?.keyPairId).toBe(keyPairId);
    const next = await other.keyStore.rotate();
    expect((await one.keyStore.keyPairs()).items.map((item) => item.keyPairId).slice(0, 2)).toEqual([
      next.keyPairId,
      keyPairId,
    ]);
  });

  it("reads the head each headTtl while it does not follow what the head names", async () => {
    const { workers, clock, records, store, kms } = await settledFleet(2);
    const [one, other] = workers as [(typeof workers)[number], (typeof workers)[number]];
    const before = await records(other);
    const { keyPairId } = await one.keyStore.rotate();
    kms.faults.outage();
    for (let passed = 0; passed < 4; passed += 1) {
      clock.advance(minute);
      expect(await records(other)).toBe(before);
    }
    kms.faults.heal();
    clock.advance(minute);
    expect(await records(other)).toBe(keyPairId);
    expect((await store.readHead("org-1"))?.revision).toBe("2");
  });

  it("reads the head each headTtl of a store without a feed", async () => {
    const memory = new MemoryKeyPairStore();
    let reads = 0;
    const store = overridden(memory, {
      headChanges: undefined,
      readHead: (...args) => ((reads += 1), memory.readHead(...args)),
    });
    const { keyStore, clock } = setup({ background: false, store });
    await keyStore.configure({ kmsKeyAliasArn });
    reads = 0;
    for (let passed = 0; passed < 10; passed += 1) {
      clock.advance(minute);
      await keyStore.encryptRecording(audio, recording);
    }
    expect(reads).toBe(10);
  });
});

describe("random work of three workers", () => {
  const which = fc.nat(2);
  const deeds = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.constant("record" as const), which) },
      { weight: 2, arbitrary: fc.tuple(fc.constant("rotate" as const), which) },
      {
        weight: 4,
        arbitrary: fc.tuple(
          fc.constant("pass" as const),
          fc.constantFrom(second, 59 * second, minute, 7 * minute, 2 * hour),
        ),
      },
      { weight: 1, arbitrary: fc.tuple(fc.constant("silence" as const), which) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("garble" as const), which) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("heal" as const), which) },
    ),
    { minLength: 10, maxLength: 40 },
  );

  it("uses no pair that was replaced longer than headTtl ago; an hour, where the feed is silenced", async () => {
    await fc.assert(
      fc.asyncProperty(deeds, async (all) => {
        const { workers, clock, records } = await fleet(3);
        /** When each pair stopped being the active one. */
        const replacedAt = new Map<string, number>();
        let active = (await workers[0]!.keyStore.status()).activeKeyPair!.keyPairId;
        const silenced = new Set<number>();
        for (const [deed, number] of all) {
          const worker = workers[number % 3]!;
          if (deed === "pass") clock.advance(number);
          else if (deed === "silence") {
            silenced.add(number);
            worker.changed.headChanges = async ({ after }) => ({ cursor: after ?? "0", organizationIds: [] });
          } else if (deed === "garble")
            worker.changed.headChanges = async () => ({ cursor: 7, organizationIds: {} }) as never;
          else if (deed === "heal") delete worker.changed.headChanges;
          else if (deed === "rotate") {
            replacedAt.set(active, clock.monotonic());
            active = (await worker.keyStore.rotate()).keyPairId;
          } else {
            const age = clock.monotonic() - (replacedAt.get(await records(worker)) ?? Infinity);
            expect(age).toBeLessThan(silenced.has(number) ? hour : minute);
          }
        }
      }),
      { numRuns: effort(12, 4) },
    );
  });
});
