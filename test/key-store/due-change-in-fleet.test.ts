import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { describe, expect, it } from "vitest";
import type { RecordingKeyStore, RecordingKeyStoreOptions } from "../../src/index.js";
import { effort } from "../support/effort.js";
import { kmsKeyAliasArn, organizationId, overridden, setup } from "../support/setup.js";
import { backgroundWork } from "../support/turns.js";

const audio = randomBytes(100);
const recording = { recordingId: "r" };
const day = 86_400_000;
const hour = 3_600_000;
const size = 8;
const generations = effort(9, 3);

/** Workers of one organization that change its key daily, each with its own way to KMS. */
async function fleet(options: Partial<RecordingKeyStoreOptions>) {
  const parts = setup(options);
  const { kms, keyStoreWith, keyStore, clock, store, provider: providerOf } = parts;
  await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
  const asked = new Map<RecordingKeyStore, number>();
  const worker = (more: Partial<RecordingKeyStoreOptions> = {}) => {
    const provider = providerOf();
    const counted =
      <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
      async (...args: A) => {
        asked.set(made, (asked.get(made) ?? 0) + 1);
        return call(...args);
      };
    const made: RecordingKeyStore = keyStoreWith({
      kms: {
        describeKey: counted((...args) => provider.describeKey(...args)),
        encrypt: counted((...args) => provider.encrypt(...args)),
        decrypt: counted((...args) => provider.decrypt(...args)),
        generateDataKeyPair: counted((...args) => provider.generateDataKeyPair(...args)),
      },
      ...more,
    });
    return made;
  };
  const workers = Array.from({ length: size }, () => worker());
  for (const one of workers) await one.confirm();
  /** Who reaches KMS while something happens, how many calls that takes, and how many pairs are made. */
  const watched = async (happens: () => Promise<unknown>) => {
    asked.clear();
    kms.journal.clear();
    const before = (await store.listKeyPairs(organizationId, { limit: 1_000 })).length;
    await happens();
    const made = (await store.listKeyPairs(organizationId, { limit: 1_000 })).length - before;
    return { reached: asked.size, calls: kms.journal.count(), made };
  };
  return { ...parts, workers, worker, watched, clock };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

const untilChanged = async (workers: readonly RecordingKeyStore[], sequence: number) => {
  for (;;) {
    const active = await Promise.all(workers.map((one) => one.status()));
    if (active.some(({ activeKeyPair }) => activeKeyPair?.sequence === sequence)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe("a due change that eight workers meet at once", () => {
  it("is made by one that reaches KMS, by rotateIfDue() with a fleetSecret, and leaves no orphans", async () => {
    const { workers, clock, watched } = await fleet({ background: false, fleetSecret: randomBytes(32) });
    const seen: Awaited<ReturnType<typeof watched>>[] = [];
    for (let generation = 2; generation <= 1 + generations; generation += 1) {
      clock.advance(day + hour);
      const results: { keyPair: { keyPairId: string; sequence: number } }[] = [];
      seen.push(
        await watched(async () => results.push(...(await Promise.all(workers.map((one) => one.rotateIfDue()))))),
      );
      expect(results.map(({ keyPair }) => keyPair.sequence)).toEqual(Array(size).fill(generation));
      expect(new Set(results.map(({ keyPair }) => keyPair.keyPairId)).size).toBe(1);
    }
    expect(median(seen.map(({ reached }) => reached))).toBeLessThanOrEqual(2);
    expect(median(seen.map(({ made }) => made))).toBe(1);
    expect(median(seen.map(({ calls }) => calls))).toBeLessThanOrEqual(6);
  });

  it("is made by one without a fleetSecret too; each other asks KMS once about the new pair", async () => {
    const { workers, clock, watched } = await fleet({ background: false });
    const seen: Awaited<ReturnType<typeof watched>>[] = [];
    for (let generation = 2; generation <= 1 + generations; generation += 1) {
      clock.advance(day + hour);
      seen.push(await watched(() => Promise.all(workers.map((one) => one.rotateIfDue()))));
    }
    expect(median(seen.map(({ made }) => made))).toBe(1);
    expect(median(seen.map(({ calls }) => calls))).toBeLessThanOrEqual(3 + (size - 1));
  });

  it("is made by one in the background, and followed by the others on the fleet's word", async () => {
    const { workers, clock, watched } = await fleet({ fleetSecret: randomBytes(32), confirmEvery: 30 * day });
    const seen: Awaited<ReturnType<typeof watched>>[] = [];
    for (let generation = 2; generation <= 1 + generations; generation += 1) {
      clock.advance(day + hour);
      seen.push(
        await watched(async () => {
          await Promise.all(workers.map((one) => one.encryptRecording(audio, recording)));
          await untilChanged(workers, generation);
          clock.advance(61_000);
          for (const one of workers) await one.encryptRecording(audio, recording);
          await untilChanged([workers.at(-1)!], generation);
        }),
      );
    }
    expect(median(seen.map(({ reached }) => reached))).toBeLessThanOrEqual(2);
    expect(median(seen.map(({ made }) => made))).toBe(1);
  });
});

describe("a due change that one worker makes in the background", () => {
  it("is made once, where rotateIfDue() meets it while the store is slow", async () => {
    const { store, clock, keyStoreWith, keyStore } = setup({});
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    const signals = new EventEmitter();
    const [swapping, asking, changed] = ["swapping", "asking", "changed"].map((name) => once(signals, name));
    const slow = overridden(store, {
      swapHead: async (...args) => {
        signals.emit("swapping");
        await asking;
        return store.swapHead(...args);
      },
      createWrapping: async (...args) => {
        const created = await store.createWrapping(...args);
        // The claim of the same worker is there already.
        if (created === "exists") {
          signals.emit("asking");
          await changed;
        }
        return created;
      },
    });
    const worker = keyStoreWith({ store: slow });
    worker.on("keyPairChanged", () => setImmediate(() => signals.emit("changed")));
    await worker.confirm();
    clock.advance(day + hour);
    await worker.encryptRecording(audio, recording);
    await swapping;
    await worker.rotateIfDue();
    expect((await worker.keyPairs()).items.map(({ sequence, reason }) => [sequence, reason])).toEqual([
      [2, "schedule"],
      [1, "configure"],
    ]);
  });
});

describe("a worker that is killed with its claim", () => {
  it("delays the change by 30 seconds, and the next one makes it", async () => {
    const { workers, worker, provider, clock, store } = await fleet({ background: false });
    clock.advance(day + hour);
    const encrypt = () => new Promise<never>(() => undefined);
    const killed = worker({ kms: Object.assign(provider(), { encrypt }) });
    const kill = new AbortController();
    const rotating = killed.rotateIfDue({ signal: kill.signal }).catch(() => undefined);
    await expect.poll(async () => claimsOf(store)).toEqual(["claim-0"]);
    const waiting = Promise.all(workers.map((one) => one.rotateIfDue()));
    await backgroundWork();
    expect(await claimsOf(store)).toEqual(["claim-0"]);
    clock.advance(30_000);
    expect((await waiting).map(({ keyPair }) => keyPair.sequence)).toEqual(Array(size).fill(2));
    expect(await claimsOf(store)).toEqual(["claim-0", "claim-1"]);
    kill.abort();
    await rotating;
  });

  /** Claims beside the first pair. */
  async function claimsOf(store: Awaited<ReturnType<typeof fleet>>["store"]): Promise<string[]> {
    const first = (await store.listKeyPairs(organizationId, { limit: 10 })).at(-1)!;
    const beside = await store.listWrappings(organizationId, first.keyPairId);
    return beside.map(({ wrappingId }) => wrappingId).filter((id) => id.startsWith("claim"));
  }
});

describe("a daily job", () => {
  const minute = 60_000;
  it.each([0, 0.1, -1, 1, -10, 10, 5 * 60, 12 * 60])(
    "at the minute of the configuration and %d minutes more changes the key every day",
    async (offset) => {
      const { keyStore, clock } = setup({ background: false });
      const start = clock.now();
      await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
      const rotated: boolean[] = [];
      for (let number = 1; number <= 12; number += 1) {
        clock.set(start + number * day + offset * minute + (number % 2 ? 0 : 40_000));
        rotated.push((await keyStore.rotateIfDue()).rotated);
        expect((await keyStore.rotateIfDue()).rotated).toBe(false);
      }
      expect(rotated.slice(1)).toEqual(Array(11).fill(true));
    },
  );

  it("makes no second change beside workers that change the key in the background", async () => {
    const { keyStore, keyStoreWith, clock } = setup();
    const start = clock.now();
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
    const job = keyStoreWith({ background: false });
    for (let number = 1; number <= 5; number += 1) {
      clock.set(start + number * day - minute);
      await job.rotateIfDue();
      clock.advance(30 * minute);
      await keyStore.encryptRecording(audio, recording);
      await backgroundWork();
    }
    expect((await keyStore.status()).activeKeyPair?.sequence).toBe(6);
  });

  it("once a month changes the key every month", async () => {
    const { keyStore, clock } = setup({ background: false });
    clock.set(Date.UTC(2026, 0, 1, 2));
    await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "monthly" });
    const rotated: boolean[] = [];
    for (let month = 1; month <= 12; month += 1) {
      clock.set(Date.UTC(2026, month, 1, 2));
      rotated.push((await keyStore.rotateIfDue()).rotated);
    }
    expect(rotated).toEqual(Array(12).fill(true));
  });
});
