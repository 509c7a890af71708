import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { diagnoseStoreFailure } from "../../src/stores/index.js";
import type { CheckedKeyPairStore } from "../../src/stores/checked-key-pair-store.js";
import { StoreError, type StoreFailureKind } from "../../src/stores/store-error.js";
import { oddAnswers, oddErrors } from "../injected/odd-values.js";
import { localFailures } from "../kms/aws/aws-errors.js";
import { storeMethods } from "../support/store-methods.js";
import { bytes } from "./records.js";

/** In every document that is written here. */
export const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

type StoreMethod = (typeof storeMethods)[number];
type Send = (command: object, options?: { abortSignal?: AbortSignal }) => Promise<unknown>;
export type StoreCalls = Readonly<
  Record<StoreMethod, (store: CheckedKeyPairStore, signal?: AbortSignal) => Promise<unknown>>
>;

/**
 * One call of each method.
 * @param revision - from which the head is swapped
 * @param keyPairId - of the pair that is read and removed
 */
export const callsWith = (revision: string | undefined, keyPairId: string): StoreCalls => ({
  readHead: (store, signal) => store.readHead("org", { signal }),
  swapHead: (store, signal) => store.swapHead("org", revision, bytes(secret), { signal }),
  createKeyPair: (store, signal) =>
    store.createKeyPair({ organizationId: "org", keyPairId: "p", sequence: 1, document: bytes(secret) }, { signal }),
  readKeyPair: (store, signal) => store.readKeyPair("org", keyPairId, { signal }),
  listKeyPairs: (store, signal) => store.listKeyPairs("org", { limit: 10 }, { signal }),
  createWrapping: (store, signal) =>
    store.createWrapping("org", "p", { wrappingId: "w", document: bytes(secret) }, { signal }),
  listWrappings: (store, signal) => store.listWrappings("org", keyPairId, { signal }),
  removeKeyPair: (store, signal) => store.removeKeyPair("org", keyPairId, { signal }),
  readStatus: (store, signal) => store.readStatus("org", { signal }),
  writeStatus: (store, signal) => store.writeStatus("org", bytes(secret), { signal }),
});

export function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value: unknown) => `resolved with ${inspect(value)}`,
    (error: unknown) => error,
  );
}

/** What a service has answered to a `createKeyPair` of {@link callsWith}. */
export interface RefusedCall {
  readonly kind: StoreFailureKind;
  readonly name: string;
  readonly requestId: string;
  /** Text of the answer, which nobody else is shown. */
  readonly text?: string | undefined;
}

/** Holds an error to what was answered: name and request id, and nothing of the text and the record. */
export function expectRefusal(error: unknown, { kind, name, requestId, text }: RefusedCall): void {
  expect(error).toMatchObject({
    code: "ERR_STORE_UNAVAILABLE",
    kind,
    operation: "createKeyPair",
    serviceErrorName: name,
    requestId,
    message: `createKeyPair failed (${kind}): ${name}`,
    retryable: kind !== "unsupported",
  });
  const shown = inspect(error, { depth: Infinity, showHidden: true }) + JSON.stringify(error);
  for (const hidden of [secret, bytes(secret).join(), Buffer.from(secret).toString("base64"), text])
    if (hidden !== undefined) expect(shown).not.toContain(hidden);
  expect(diagnoseStoreFailure(error as StoreError)).toMatchObject({ kind, serviceErrorName: name, requestId });
}

export interface FailingStores {
  readonly calls: StoreCalls;
  /** A store over a client of the AWS SDK that sends so. */
  readonly storeOver: (send: Send, times?: { deadline?: number }) => CheckedKeyPairStore;
  /** Holds what a call answers, or the error with which it fails, to an answer that is none. */
  readonly expectNoBelief: (result: unknown, method: StoreMethod, answerName: string) => void;
}

/** Failures of every kind in every method of a store over a client of the AWS SDK. */
export function failuresOfClients({ calls, storeOver, expectNoBelief }: FailingStores): void {
  describe("a failure without an answer of the service", () => {
    /** Those that are not about KMS. */
    const kinds: readonly string[] = ["unreachable", "timeout", "credentials", "throttled", "service-error"];
    it.each(localFailures.filter(([kind]) => kinds.includes(kind)))("%s: %s", async (kind, _, make) => {
      const store = storeOver(() => Promise.reject(make()));
      expect(await rejection(store.readHead("org"))).toMatchObject({ code: "ERR_STORE_UNAVAILABLE", kind });
    });
  });

  describe.each(storeMethods)("%s", (method) => {
    const call = calls[method];

    it.each(oddErrors)("is a typed failure when the client throws or rejects with $name", async ({ make }) => {
      const throwing = () => {
        throw make();
      };
      for (const send of [throwing, () => Promise.reject(make())]) {
        const error = await rejection(call(storeOver(send)));
        expect(error).toBeInstanceOf(StoreError);
        expect(Object.getPrototypeOf(error)).toBe(StoreError.prototype);
        expect(error).toMatchObject({ code: "ERR_STORE_UNAVAILABLE", operation: method });
      }
    });

    it.each(oddAnswers)("believes nothing of an answer that is $name", async ({ name, make }) => {
      const result = await call(storeOver(async () => make())).catch((error: unknown) => error);
      expectNoBelief(result, method, name);
    });

    it("ends at its deadline when the client hangs, and tells it to stop", async () => {
      const signals: (AbortSignal | undefined)[] = [];
      const store = storeOver(
        (_, options) => {
          signals.push(options?.abortSignal);
          return new Promise(() => undefined);
        },
        { deadline: 20 },
      );
      expect(await rejection(call(store))).toMatchObject({
        kind: "timeout",
        operation: method,
        message: `${method}: no answer within 20 ms`,
      });
      expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
    });

    it("ends with its caller's signal in the middle", async () => {
      const controller = new AbortController();
      const reason = new Error("the caller has gone");
      let stopped = false;
      const store = storeOver((_, options) => {
        options?.abortSignal?.addEventListener("abort", () => (stopped = true));
        queueMicrotask(() => controller.abort(reason));
        return new Promise(() => undefined);
      });
      expect(await rejection(call(store, controller.signal))).toBe(reason);
      expect(stopped).toBe(true);
    });
  });
}
