import type { KeyPairStore } from "../stores/key-pair-store.js";
import { checkEveryCall } from "./key-pair-store-conformance/every-call.js";
import type { Check } from "./key-pair-store-conformance/fixtures.js";
import { checkHead, checkStatus } from "./key-pair-store-conformance/head-and-status.js";
import { checkKeyPairs, checkWrappings } from "./key-pair-store-conformance/records.js";
import { checkRemoval } from "./key-pair-store-conformance/removal.js";

/** The part of a test runner that a suite needs. Vitest, Jest, Mocha and `node:test` have it. */
export interface ConformanceRunner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
}

/** An empty store, made anew for each test. */
export interface KeyPairStoreUnderTest {
  readonly store: KeyPairStore;
  /** A second, independent handle on the same data, such as another worker's. Default: `store`. */
  readonly other?: KeyPairStore;
  /** Called at the end of each test. */
  close?(): Promise<void>;
}

/**
 * Declares the tests of everything that `KeyPairStore` promises, under any test runner.
 *
 * @example
 * ```ts
 * keyPairStoreConformance({ describe, it }, async () => ({ store: new MyStore(await emptyDatabase()) }));
 * ```
 * @param open - makes an empty store for one test
 */
export function keyPairStoreConformance(
  { describe, it }: ConformanceRunner,
  open: () => Promise<KeyPairStoreUnderTest>,
): void {
  const check: Check = (name, body) => {
    it(name, async () => {
      const opened = await open();
      try {
        await body(opened.store, opened.other ?? opened.store);
      } finally {
        await opened.close?.();
      }
    });
  };
  describe("key pair store", () => {
    describe("head", () => checkHead(check));
    describe("key pairs", () => checkKeyPairs(check));
    describe("wrappings", () => checkWrappings(check));
    describe("status", () => checkStatus(check));
    describe("removal", () => checkRemoval(check));
    describe("every call", () => checkEveryCall(check));
  });
}
