import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError, type KeyPairStore } from "../../src/index.js";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import type { ClaimedHead, KeyPairRecords } from "../../src/key-pairs/records.js";
import type { VouchedKeyPair } from "../../src/key-pairs/trust.js";
import { overridden } from "../support/setup.js";
import { organizationId, turns, world } from "./world.js";

type Records = KeyPairRecords;
type Methods = Parameters<typeof overridden>[1];

/** Long enough that no test meets it but those with a clock of their own, ms. */
const storeTimeout = 30_000;
const unavailable = { code: "ERR_STORE_UNAVAILABLE", retryable: true };
const corrupt = (message: string | RegExp) => ({
  code: "ERR_STORE_CORRUPT",
  message: typeof message === "string" ? message : (expect.stringMatching(message) as string),
});

/** An organization with one pair, and its records in a store some of whose methods are a test's own. */
async function recorded(methods: Methods = {}) {
  const parts = world();
  const { pair } = await parts.configured();
  const store = overridden(parts.store, methods);
  const { records, rotation } = parts.worker({ store, storeTimeout });
  return { ...parts, pair, records, rotation };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const wrapping = { wrappingId: "w", document: Buffer.from("{}") };

/** Every call of the store, each by the method of records that makes it. */
const calls: readonly [
  method: keyof KeyPairStore,
  call: (records: Records, pair: VouchedKeyPair, signal?: AbortSignal) => Promise<unknown>,
][] = [
  ["readHead", (records, _, signal) => records.readHead(signal)],
  ["readHead", (records, _, signal) => records.readRawHead(signal)],
  ["readKeyPair", (records, { birth }, signal) => records.readPair(birth.keyPairId, signal)],
  ["readKeyPair", (records, pair, signal) => records.readHeadPair(headOf(pair), signal)],
  ["listKeyPairs", (records, _, signal) => all(records.list(undefined, () => 5, signal))],
  ["listKeyPairs", (records, { digest }, signal) => all(records.chain({ digest }, () => 5, signal))],
  ["createKeyPair", (records, pair, signal) => records.putPair(pair, signal)],
  ["listWrappings", (records, { birth }, signal) => records.listWrappings(birth.keyPairId, signal)],
  ["createWrapping", (records, { birth }, signal) => records.createWrapping(birth.keyPairId, wrapping, signal)],
  ["removeKeyPair", (records, { birth }, signal) => records.remove(birth.keyPairId, signal)],
  ["readStatus", (records, _, signal) => records.readStatus(signal)],
];
/** Those that are not left half-way. */
const finalCalls: typeof calls = [
  ["swapHead", (records, pair) => records.swapHead(pair, "1")],
  ["writeStatus", (records) => records.writeStatus(Buffer.from("{}"))],
];

const headOf = ({ birth, digest }: ClaimedKeyPair): ClaimedHead => ({
  organizationId,
  keyPairId: birth.keyPairId,
  sequence: birth.sequence,
  digest,
  revision: "1",
});

describe.each([...calls, ...finalCalls])("a store whose %s()", (method, call) => {
  const failing = async (answer: () => unknown) => {
    const { records, pair } = await recorded({ [method]: answer });
    return call(records, pair);
  };

  it("rejects is away, and the types of its error the cause", async () => {
    const error = Object.assign(new Error("no route to store"), { code: "EHOSTUNREACH" });
    const cause = { name: "Error", message: "", code: "EHOSTUNREACH" };
    const rejected = { ...unavailable, message: "the key pair store failed", cause };
    await expect(failing(() => Promise.reject(error))).rejects.toMatchObject(rejected);
  });

  it("throws instead of rejecting is away as well", async () => {
    const thrown = () => {
      throw new TypeError("a bug of the store's");
    };
    await expect(failing(thrown)).rejects.toMatchObject({ ...unavailable, cause: { name: "TypeError", message: "" } });
  });

  it("rejects with no error is away as well", async () => {
    await expect(failing(() => Promise.reject("no"))).rejects.toMatchObject({ ...unavailable, cause: undefined });
  });

  it("rejects with an error of this library is taken at its word", async () => {
    const error = new RecordingKeyStoreError("ERR_STORE_CORRUPT", "torn");
    await expect(failing(() => Promise.reject(error))).rejects.toBe(error);
  });

  describe("hangs", () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
    afterEach(() => void vi.useRealTimers());

    it("is away after storeTimeout, is told to stop, and may answer or fail later", async () => {
      const failures: ((error: Error) => void)[] = [];
      const given: AbortSignal[] = [];
      const hang = (...args: unknown[]) => {
        given.push((args.at(-1) as { signal: AbortSignal }).signal);
        return new Promise((_, reject) => failures.push(reject));
      };
      const { records, pair } = await recorded({ [method]: hang });
      const settled = vi.fn();
      const asked = call(records, pair);
      asked.then(settled, settled);
      await vi.advanceTimersByTimeAsync(storeTimeout - 1);
      expect(settled).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(1);
      const message = `the key pair store did not answer within ${storeTimeout} ms`;
      const cause = expect.objectContaining({ name: "TimeoutError" }) as unknown;
      await expect(asked).rejects.toMatchObject({ ...unavailable, message, cause });
      expect({ stopped: given[0]?.aborted, timers: vi.getTimerCount() }).toEqual({ stopped: true, timers: 0 });
      for (const fail of failures) fail(new Error("late"));
      await turns();
    });

    it("leaves no timer behind once it has answered", async () => {
      const { records, pair } = await recorded();
      await call(records, pair);
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});

describe.each(calls)("a caller of %s() who leaves", (method, call) => {
  it("is told their own reason at once, and so is the store", async () => {
    const given: AbortSignal[] = [];
    const hang = (...args: unknown[]) => {
      given.push((args.at(-1) as { signal: AbortSignal }).signal);
      return new Promise(() => undefined);
    };
    const { records, pair } = await recorded({ [method]: hang });
    const [leaving, left] = [new AbortController(), new Error("left")];
    const asked = call(records, pair, leaving.signal);
    asked.catch(() => undefined);
    await turns();
    leaving.abort(left);
    await expect(asked).rejects.toBe(left);
    expect(given.map(({ reason }) => reason as unknown)).toEqual([left]);
  });

  it("is told their own reason too where the store fails because of it", async () => {
    const failing = (...args: unknown[]) =>
      new Promise((_, reject) => {
        const { signal } = args.at(-1) as { signal: AbortSignal };
        signal.addEventListener("abort", () => reject(new RecordingKeyStoreError("ERR_STORE_CORRUPT", "torn")));
      });
    const { records, pair } = await recorded({ [method]: failing });
    const [leaving, left] = [new AbortController(), new Error("left")];
    const asked = call(records, pair, leaving.signal);
    asked.catch(() => undefined);
    await turns();
    leaving.abort(left);
    await expect(asked).rejects.toBe(left);
  });

  it("who had left before leaves the store alone", async () => {
    const asked = vi.fn();
    const { records, pair } = await recorded({ [method]: asked });
    const left = new Error("left");
    await expect(call(records, pair, AbortSignal.abort(left))).rejects.toBe(left);
    expect(asked).not.toHaveBeenCalled();
  });
});

describe("a malformed answer", () => {
  const bytes = Buffer.from("x");
  const noRevision = "the store gave a head without a revision";
  const noPair = "the store lists something that is no key pair";
  const noWrappings = "the store gave no list of wrappings";
  const read = (method: keyof KeyPairStore) => calls.find(([name]) => name === method)![1];
  const place = { keyPairId: "pair", sequence: 1 };

  it.each<[method: keyof KeyPairStore, answer: unknown, message: string | RegExp]>([
    ["readHead", null, noRevision],
    ["readHead", "head", noRevision],
    ["readHead", { document: bytes }, noRevision],
    ["readHead", { revision: 1, document: bytes }, noRevision],
    ["readHead", { revision: "1" }, "head: the store gave no bytes"],
    ["readHead", { revision: "1", document: "{}" }, "head: the store gave no bytes"],
    ["readHead", { revision: "1", document: bytes }, "head: is not JSON"],
    ["readKeyPair", null, /^key pair \S+: the store gave no bytes$/],
    ["readKeyPair", "pair", /^key pair \S+: the store gave no bytes$/],
    ["readKeyPair", { ...place, document: "{}" }, /^key pair \S+: the store gave no bytes$/],
    ["readKeyPair", { ...place, document: [1, 2] }, /^key pair \S+: the store gave no bytes$/],
    ["readKeyPair", { ...place, document: bytes }, /^key pair \S+: is not JSON$/],
    ["listKeyPairs", undefined, "the store gave no list of key pairs"],
    ["listKeyPairs", null, "the store gave no list of key pairs"],
    ["listKeyPairs", { length: 1, 0: place }, "the store gave no list of key pairs"],
    ["listKeyPairs", [null], noPair],
    ["listKeyPairs", [undefined], noPair],
    ["listKeyPairs", [{ sequence: 1 }], noPair],
    ["listKeyPairs", [{ keyPairId: "pair" }], noPair],
    ["listKeyPairs", [{ keyPairId: "pair", sequence: "1" }], noPair],
    ["listKeyPairs", [{ keyPairId: "pair", sequence: NaN }], noPair],
    ["listKeyPairs", [{ keyPairId: 1, sequence: 1 }], noPair],
    ["listWrappings", undefined, noWrappings],
    ["listWrappings", null, noWrappings],
    ["listWrappings", {}, noWrappings],
    ["listWrappings", [null], noWrappings],
    ["listWrappings", [undefined], noWrappings],
    ["listWrappings", [wrapping, { wrappingId: "w", document: "{}" }], noWrappings],
    ["listWrappings", [wrapping, { document: bytes }], noWrappings],
    ["readStatus", null, "status item: the store gave no bytes"],
    ["readStatus", "{}", "status item: the store gave no bytes"],
  ])("of %s is the store's damage: %j", async (method, answer, message) => {
    const { records, pair } = await recorded({ [method]: () => Promise.resolve(answer) });
    await expect(read(method)(records, pair)).rejects.toMatchObject(corrupt(message));
  });

  it.each([null, {}, true, { revision: 2 }])("of swapHead is no success: %j", async (answer) => {
    const { records, pair } = await recorded({ swapHead: () => Promise.resolve(answer as never) });
    await expect(records.swapHead(pair, "1")).rejects.toMatchObject(corrupt(noRevision));
  });

  it("of a store that does not return a promise is an answer all the same", async () => {
    const { records, pair } = await recorded({ readKeyPair: () => undefined as never });
    expect(await records.readPair(pair.birth.keyPairId)).toBeUndefined();
  });
});
