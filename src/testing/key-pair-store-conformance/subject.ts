import type { KeyPairStore } from "../../stores/key-pair-store.js";
import type { KeyPairStoreProcess } from "../key-pair-store-process.js";

/** The part of a test runner that a suite needs. Vitest, Jest, Mocha and `node:test` have it. */
export interface ConformanceRunner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  /**
   * Declares a test that is left out, such as `it.skip`. Default: a test that passes, under the name of what is not checked.
   */
  readonly skip?: ((name: string, body: () => Promise<void>) => unknown) | undefined;
}

/** A way in which what is behind a store can be away. */
export interface StoreOutage {
  /** Begins it: stops the server, freezes it, cuts the connection, or takes away its rights. */
  begin(): Promise<void>;
  /** Ends it. The store is not opened again: it must find its way back by itself. */
  end(): Promise<void>;
}

/** An empty store, made anew for each test. */
export interface KeyPairStoreUnderTest {
  readonly store: KeyPairStore;
  /** A second, independent handle on the same data, such as another worker's. Default: `store`. */
  readonly other?: KeyPairStore;
  /** Starts a process with the same data: {@link startKeyPairStoreProcess}. For `processes`. */
  readonly startProcess?: () => Promise<KeyPairStoreProcess>;
  /** Ways in which what is behind the store can be away, by name: `stopped`, `frozen`. For `outages`. */
  readonly outages?: Readonly<Record<string, StoreOutage>>;
  /** Called at the end of each test. */
  close?(): Promise<void>;
}

/** Who hears `true` of several callers that remove one pair at once; `none` where a store removes nothing. */
export type RemovalPromise = "exact" | "at-least-one-hears-true" | "none";

/** Which parts are checked, and how. What is left out is named among the tests as not checked. */
export interface KeyPairStoreConformanceOptions {
  /** Races with a second process, which is then killed: needs {@link KeyPairStoreUnderTest.startProcess}. Default `false`. */
  readonly processes?: boolean | undefined;
  /** What is behind the store is away and comes back: needs {@link KeyPairStoreUnderTest.outages}. Default `false`. */
  readonly outages?: boolean | undefined;
  /** Number of pairs in a large history, of wrappings beside one pair, and of swaps; `true`: 2,500. Default `false`. */
  readonly largeHistory?: boolean | number | undefined;
  /** Whether the store has `headChanges`, which is then checked. Default `false`. */
  readonly headChanges?: boolean | undefined;
  /** What the store promises of removals. Default `exact`. */
  readonly removal?: RemovalPromise | undefined;
  /**
   * Longest time of a call that is not counted as one that never ends, in ms. Default 15,000. After an outage the store has twice
   * as long to work again.
   */
  readonly callTimeout?: number | undefined;
}
