import type { LastConfirmedStore } from "./last-confirmed-store.js";

/** Options of every store call. */
export interface StoreCallOptions {
  /** Aborts the call, which then rejects with `signal.reason`. */
  signal?: AbortSignal | undefined;
}

/** A key pair in a store. `document` is opaque to the store; the other members are for finding it. */
export interface StoredKeyPair {
  readonly organizationId: string;
  /** Unique within the organization. `[A-Za-z0-9_-]`, at most 64 characters. */
  readonly keyPairId: string;
  /** Position in the history, from 1. Several workers that rotate at once may store several pairs with one sequence. */
  readonly sequence: number;
  /** At most 64 KiB. */
  readonly document: Uint8Array;
}

/** A further record of a pair: its private half under another KMS key, or a mark. Opaque, create-only. */
export interface StoredWrapping {
  /** Unique within the pair. `[A-Za-z0-9_-]`, at most 64 characters. */
  readonly wrappingId: string;
  /** At most 64 KiB. */
  readonly document: Uint8Array;
}

/** Which part of the history to list. */
export interface KeyPairListQuery {
  /**
   * The last pair of the page before; missing for the first page. Named by its id too, since several pairs may have one
   * sequence and a page may end between them.
   */
  readonly after?: Pick<StoredKeyPair, "sequence" | "keyPairId"> | undefined;
  /** Most pairs in the page, from 1. */
  readonly limit: number;
}

/** The one item that moves: it names the pair that is to be active. */
export interface StoredHead {
  /** Changes with every swap. Opaque to everybody but the store. */
  readonly revision: string;
  /** At most 64 KiB. */
  readonly document: Uint8Array;
}

/** What a store tells of changes to heads. */
export interface HeadChanges {
  /** Where the next look goes on: at most 256 characters, opaque to everybody but the store. */
  readonly cursor: string;
  /**
   * The organizations whose heads may have changed since the cursor that was given, in any order, some perhaps more than once, or in vain.
   * `undefined` where that can't be told: without a cursor, from one that is not known (any longer), or of too many changes.
   */
  readonly organizationIds: readonly string[] | undefined;
}

/**
 * A store of key pairs. Records are immutable and create-only; one *head* per organization moves by compare-and-swap. A file
 * system or database needs a conditional write for that, and no transaction.
 *
 * What is stored:
 * - Reads of head, pairs and wrappings, and listings, are strongly consistent: every caller sees what any caller was told is
 *   stored. `readStatus` alone need not be: it may be some seconds old, at half the price in many databases.
 * - A resolved write has survived a crash of the process (and, if the medium can promise it, of the machine).
 * - A rejected write may have happened or not, or may still happen; the caller finds out by reading. So it is after a lost
 *   answer: a store that sends a write again by itself, or whose client does, must not take its own first attempt for
 *   another caller's.
 * - Organizations never see each other's data, whatever characters their ids hold.
 * - Ids of organizations are any well-formed Unicode of 1 to 512 bytes of UTF-8. Bad input rejects with
 *   `InvalidInputError` and stores nothing; no call throws.
 * - Returned records have the members that their types name, and no others, such as those of a database's row.
 * - Returned byte arrays are copies; changing them, or those passed in as soon as the call has returned its promise, changes
 *   nothing stored.
 *
 * How calls end:
 * - The key store gives each call `storeTimeout` (5 s unless set), then drops its answer and counts the store as away. A store
 *   gives up by itself before that, with `ERR_STORE_UNAVAILABLE`, or calls pile up behind a server that hangs.
 * - An aborted signal rejects with `signal.reason`. Before the call has begun, nothing is written; in the middle, the write may
 *   have happened, whole, or not at all. Other calls under way go on.
 * - A failure rejects with a `RecordingKeyStoreError`: `ERR_STORE_UNAVAILABLE` (best as a `StoreError` with its kind; retryable
 *   unless what is behind the store can never do what is asked) or `ERR_STORE_CORRUPT`. A store that is away never answers
 *   that there is nothing, and works again by itself when it is back.
 * - Calls run at the same time, any number of them; a store that must limit them queues the rest.
 *
 * `keyPairStoreConformance` in `recording-keystore/testing` checks all of this.
 */
export interface KeyPairStore {
  /** The head; `undefined` if there is none yet. */
  readHead(organizationId: string, options?: StoreCallOptions): Promise<StoredHead | undefined>;

  /**
   * Replaces the head if its revision is still `expectedRevision` (`undefined`: if there is none yet).
   * Resolves with the new head, or with `undefined` if another caller was first: then nothing has changed.
   */
  swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<StoredHead | undefined>;

  /**
   * The organizations whose heads may have changed since an earlier look, so that a process asks once for all organizations
   * instead of reading the head of each. Optional: without it each head is read every `headTtl`, which is also what happens
   * while this call fails. For that a store that has it announces each swap:
   * - Before a head changes, its organization is among those that a look begun from then on gives, whoever makes the swap, and
   *   whatever becomes of that caller. A swap that can't be announced fails, and changes nothing. One that is announced and not made does
   *   no harm.
   * - The head changes within 30 seconds of its announcement, or not at all, as far as the store can help it.
   * - Strongly consistent, as reads of the head are. It never rejects because of a cursor, be it that of a store that was restored since.
   *
   * `after` is the cursor of the look before, and missing for the first one. Heads are read all the same once an hour, as whoever
   * writes to what is behind the store may leave out the announcement.
   */
  headChanges?(query: { readonly after?: string | undefined }, options?: StoreCallOptions): Promise<HeadChanges>;

  /** Stores a new pair. `"exists"` if the id is taken, be it by the same content: then nothing has changed. Never an update. */
  createKeyPair(pair: StoredKeyPair, options?: StoreCallOptions): Promise<"created" | "exists">;

  /** A pair; `undefined` if there is none of that id. */
  readKeyPair(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<StoredKeyPair | undefined>;

  /**
   * The pairs behind `after`, highest sequence first, then by id in ASCII order. No pair needs to be at `after`. Exactly
   * `limit` of them unless the history ends before: a store whose database gives shorter pages reads on, and makes up for
   * pairs that are removed meanwhile.
   */
  listKeyPairs(
    organizationId: string,
    query: KeyPairListQuery,
    options?: StoreCallOptions,
  ): Promise<readonly StoredKeyPair[]>;

  /**
   * Adds a wrapping to a pair. `"exists"` if the id is taken: then nothing has changed. Does not ask for the pair: a wrapping
   * without one is stored as any other, counts for nobody, and goes with `removeKeyPair`.
   */
  createWrapping(
    organizationId: string,
    keyPairId: string,
    wrapping: StoredWrapping,
    options?: StoreCallOptions,
  ): Promise<"created" | "exists">;

  /**
   * All wrappings of a pair, however many, by id in ASCII order. They stand for one another: a damaged one may be left out if
   * another is whole.
   */
  listWrappings(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<readonly StoredWrapping[]>;

  /**
   * Removes a pair and its wrappings, for good; wrappings without a pair too. Resolves with whether there was a pair: of
   * several callers at once exactly one hears `true`, except in a store that declares otherwise (an object store can't tell
   * who removed something), where at least one does. May be called again, also after a rejection, which may have removed all,
   * nothing, or the pair without its wrappings; never the wrappings alone.
   * Optional: without it no pair is ever removed. Only `removeOrphanedKeyPairs()` calls it, so a database's policy may
   * withhold deletion from everybody else.
   */
  removeKeyPair?(organizationId: string, keyPairId: string, options?: StoreCallOptions): Promise<boolean>;

  /**
   * Rejects where records and head can't be written, as the write itself would, and changes nothing that a call shows.
   * `configure()` calls it before it asks KMS for anything. Optional: for stores whose writes need more than their reads, such
   * as a disk that may be read-only or lack hard links.
   */
  checkWritable?(organizationId: string, options?: StoreCallOptions): Promise<void>;

  /** The status item, shared by all workers: health, not truth. May be some seconds old. */
  readStatus(organizationId: string, options?: StoreCallOptions): Promise<Uint8Array | undefined>;
  /** Replaces the status item, of at most 64 KiB. The last writer wins. */
  writeStatus(organizationId: string, document: Uint8Array, options?: StoreCallOptions): Promise<void>;

  /**
   * The place for last confirmed keys when the key store is given no other, for stores that know one on the host's own disk.
   * It must lie outside what writers of the store can write to, or they could choose the key under which this host records.
   * See {@link LastConfirmedStore}.
   */
  hostLastConfirmed?(): LastConfirmedStore;
}
