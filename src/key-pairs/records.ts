import { recordIdPattern } from "../stores/input.js";
import type {
  KeyPairStore,
  StoreCallOptions,
  StoredHead,
  StoredKeyPair,
  StoredWrapping,
} from "../stores/key-pair-store.js";
import { isBytes } from "../util/bytes.js";
import { member } from "../util/safe-cause.js";
import { decodeDocument, encodeDocument, type HeadDocument } from "./documents.js";
import { untrusted } from "./failures.js";
import { claimedKeyPair, type ClaimedKeyPair, type KmsCiphertext } from "./key-pair.js";
import { bytesOf, corrupt, createdOrExists, itemsOf, memberOf, revisionOf } from "./store-answers.js";
import { callStore } from "./store-call.js";
import type { VouchedKeyPair } from "./trust.js";

/** The pair that is active by the store's word. A claim: whoever can write to the store can say so. */
export interface ClaimedHead extends HeadDocument {
  readonly revision: string;
}

/** A place in a store's listing. */
export type Place = Pick<StoredKeyPair, "sequence" | "keyPairId">;

/** A point in a walk along the history: the digest of the next pair, and the place in the listing behind which it lies. */
export interface Position {
  readonly after?: Place;
  readonly digest: Buffer;
}

/** The records of one organization in the store: its only caller, but for the feed of all organizations. Gives claims. */
export class KeyPairRecords {
  readonly organizationId: string;
  /** Longest time of one call, in ms; later answers are dropped. */
  readonly timeout: number;
  readonly #store: KeyPairStore;

  constructor(organizationId: string, store: KeyPairStore, timeout: number) {
    this.organizationId = organizationId;
    this.#store = store;
    this.timeout = timeout;
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_UNAVAILABLE`, `ERR_STORE_CORRUPT`, `ERR_FORMAT_TOO_NEW`, `ERR_KEY_PAIR_UNTRUSTED` */
  async readHead(signal?: AbortSignal): Promise<ClaimedHead | undefined> {
    const stored = await this.readRawHead(signal);
    if (!stored) return undefined;
    const document = decodeDocument("head", stored.document, "head");
    if (document.organizationId !== this.organizationId)
      throw untrusted("the store's head belongs to another organization");
    return { ...document, revision: stored.revision };
  }

  /** The head as it stands. @throws `ERR_STORE_UNAVAILABLE`, `ERR_STORE_CORRUPT` */
  async readRawHead(signal?: AbortSignal): Promise<StoredHead | undefined> {
    const stored = await this.#call("readHead", signal, (options) =>
      this.#store.readHead(this.organizationId, options),
    );
    if (stored === undefined) return undefined;
    return { revision: revisionOf(stored), document: bytesOf(memberOf(stored, "document"), "head") };
  }

  /** @throws as {@link KeyPairRecords.readHead} */
  async readPair(keyPairId: string, signal?: AbortSignal): Promise<ClaimedKeyPair | undefined> {
    const stored = await this.#call("readKeyPair", signal, (options) =>
      this.#store.readKeyPair(this.organizationId, keyPairId, options),
    );
    return stored === undefined ? undefined : this.#claimOf(this.#copyOf(stored), keyPairId);
  }

  /** The pair that a head names. @throws as {@link KeyPairRecords.readHead} */
  async readHeadPair(head: ClaimedHead, signal?: AbortSignal): Promise<ClaimedKeyPair> {
    const pair = await this.readPair(head.keyPairId, signal);
    if (!pair) throw corrupt(`the store's head names key pair ${head.keyPairId}, which the store does not have`);
    if (!pair.digest.equals(head.digest) || pair.birth.sequence !== head.sequence) {
      throw untrusted(`key pair ${head.keyPairId} is not the one that the store's head names`);
    }
    return pair;
  }

  /**
   * The pairs that the store lists behind a place, in the history or not, highest sequence first.
   * @param batch - number of pairs to ask the store for
   * @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` where it lists them out of order, which might never end
   */
  async *list(from: Place | undefined, batch: () => number, signal?: AbortSignal): AsyncGenerator<StoredKeyPair> {
    const { organizationId } = this;
    let after = from;
    for (;;) {
      const query = { after, limit: batch() };
      const page = await this.#call("listKeyPairs", signal, (options) =>
        this.#store.listKeyPairs(organizationId, query, options),
      );
      const listed = itemsOf(page, "key pairs");
      if (listed.length === 0) return;
      for (const item of listed) {
        const stored = this.#copyOf(item);
        if (!isPlace(stored)) throw corrupt("the store lists something that is no key pair");
        if (after && !isBehind(stored, after)) {
          throw corrupt(`the store lists key pairs out of order: ${stored.keyPairId} behind ${after.keyPairId}`);
        }
        after = { sequence: stored.sequence, keyPairId: stored.keyPairId };
        yield stored;
      }
    }
  }

  /** Reads a listed pair. @throws as {@link KeyPairRecords.readHead} */
  claimOf(stored: StoredKeyPair): ClaimedKeyPair {
    return this.#claimOf(stored, stored.keyPairId);
  }

  /**
   * The history, newest first, along the digest that each birth record holds of the one before. Birth records are as true as
   * the digest that the walk starts with; everything else of a pair is a claim. Damage beside the chain, where pairs lie
   * that lost a race, is no trouble.
   *
   * @param batch - number of pairs to ask the store for
   * @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` where the store has lost a pair; the failure of the first record
   * that could not be read, where that may be the lost one
   */
  async *chain(
    from: Position,
    batch: () => number,
    signal?: AbortSignal,
  ): AsyncGenerator<{ pair: ClaimedKeyPair; next: Position | undefined }> {
    let { digest } = from;
    let damage: unknown;
    for await (const stored of this.list(from.after, batch, signal)) {
      let pair: ClaimedKeyPair;
      try {
        pair = this.claimOf(stored);
      } catch (error) {
        damage ??= error;
        continue;
      }
      if (!pair.digest.equals(digest)) continue;
      damage = undefined; // all of it lay beside the chain
      const { previousDigest } = pair.birth;
      const after = { sequence: stored.sequence, keyPairId: stored.keyPairId };
      yield { pair, next: previousDigest && { after, digest: previousDigest } };
      if (!previousDigest) return;
      digest = previousDigest;
    }
    throw (
      damage ??
      corrupt("the store has lost a key pair of the history: the chain of birth records ends before the first one")
    );
  }

  /** Stores a vouched pair. @throws `ERR_STORE_UNAVAILABLE` */
  async putPair(pair: VouchedKeyPair, signal?: AbortSignal): Promise<void> {
    const { organizationId, keyPairId, sequence } = pair.birth;
    const document = keyPairDocument(pair);
    createdOrExists(
      await this.#call("createKeyPair", signal, (options) =>
        this.#store.createKeyPair({ organizationId, keyPairId, sequence, document }, options),
      ),
    );
  }

  /**
   * Points the head at a pair. Takes no signal: nobody would know what became of an aborted swap.
   * @returns whether the head still had the expected revision
   */
  async swapHead({ birth, digest }: VouchedKeyPair, expectedRevision: string | undefined): Promise<boolean> {
    const { organizationId, keyPairId, sequence } = birth;
    const document = encodeDocument("head", { organizationId, keyPairId, sequence, digest });
    const swapped = await this.#call("swapHead", undefined, (options) =>
      this.#store.swapHead(organizationId, expectedRevision, document, options),
    );
    if (swapped === undefined) return false;
    revisionOf(swapped);
    return true;
  }

  /** The records beside a pair, by id. @throws `ERR_STORE_UNAVAILABLE`, `ERR_STORE_CORRUPT` */
  async listWrappings(keyPairId: string, signal?: AbortSignal): Promise<readonly StoredWrapping[]> {
    const stored = await this.#call("listWrappings", signal, (options) =>
      this.#store.listWrappings(this.organizationId, keyPairId, options),
    );
    return itemsOf(stored, "wrappings").map((item) => {
      const [wrappingId, document] = [memberOf(item, "wrappingId"), memberOf(item, "document")];
      if (typeof wrappingId !== "string" || !isBytes(document)) throw corrupt("the store gave no list of wrappings");
      return { wrappingId, document: new Uint8Array(document) }; // one that is too long is damage of its own
    });
  }

  async createWrapping(
    keyPairId: string,
    wrapping: StoredWrapping,
    signal?: AbortSignal,
  ): Promise<"created" | "exists"> {
    return createdOrExists(
      await this.#call("createWrapping", signal, (options) =>
        this.#store.createWrapping(this.organizationId, keyPairId, wrapping, options),
      ),
    );
  }

  get canRemove(): boolean {
    return typeof this.#store.removeKeyPair === "function";
  }

  async remove(keyPairId: string, signal?: AbortSignal): Promise<void> {
    await this.#call("removeKeyPair", signal, async (options) =>
      this.#store.removeKeyPair?.(this.organizationId, keyPairId, options),
    );
  }

  /** Lets a store that can tell say whether it takes writes. @throws `ERR_STORE_UNAVAILABLE` */
  async checkWritable(signal?: AbortSignal): Promise<void> {
    if (typeof member(this.#store, "checkWritable") !== "function") return;
    await this.#call("checkWritable", signal, async (options) =>
      this.#store.checkWritable?.(this.organizationId, options),
    );
  }

  async readStatus(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const stored = await this.#call("readStatus", signal, (options) =>
      this.#store.readStatus(this.organizationId, options),
    );
    return stored === undefined ? undefined : bytesOf(stored, "status item");
  }

  async writeStatus(document: Uint8Array): Promise<void> {
    await this.#call("writeStatus", undefined, (options) =>
      this.#store.writeStatus(this.organizationId, document, options),
    );
  }

  #call(
    operation: string,
    signal: AbortSignal | undefined,
    call: (options: StoreCallOptions) => Promise<unknown>,
  ): Promise<unknown> {
    return callStore({ operation, timeout: this.timeout, signal }, call);
  }

  /** A stored pair, each member read once. Nothing of it is checked. */
  #copyOf(stored: unknown): StoredKeyPair {
    const [keyPairId, sequence, document] = ["keyPairId", "sequence", "document"].map((name) => memberOf(stored, name));
    return { organizationId: this.organizationId, keyPairId, sequence, document } as StoredKeyPair;
  }

  #claimOf(stored: StoredKeyPair, keyPairId: string): ClaimedKeyPair {
    const what = `key pair ${keyPairId}`;
    const parts = decodeDocument("keyPair", bytesOf(stored.document, what), what);
    const pair = claimedKeyPair(parts, { organizationId: this.organizationId, what });
    // A genuine birth record under another name is a copy, whose other parts may be spoilt.
    if (pair.birth.keyPairId !== keyPairId || pair.birth.sequence !== stored.sequence)
      throw untrusted(`${what} stands in another pair's place`);
    return pair;
  }
}

/** The record of a pair. */
export function keyPairDocument({ birthRecord, publicKey, attestation, wrapping }: ClaimedKeyPair): Buffer {
  return encodeDocument("keyPair", {
    birthRecord,
    publicKey,
    attestation: plain(attestation),
    wrapping: plain(wrapping),
  });
}

function plain({ kmsKeyArn, ciphertext }: KmsCiphertext): KmsCiphertext {
  return { kmsKeyArn, ciphertext };
}

/** Whether the store would take it again as the place behind which it lists on. */
function isPlace(given: unknown): given is Place {
  const { sequence, keyPairId } = (given ?? {}) as Partial<Place>;
  if (typeof keyPairId !== "string" || !recordIdPattern.test(keyPairId)) return false;
  return Number.isSafeInteger(sequence) && (sequence as number) >= 1;
}

/** Whether a place comes behind another in a listing: highest sequence first, then by id. */
function isBehind(one: Place, other: Place): boolean {
  return one.sequence < other.sequence || (one.sequence === other.sequence && one.keyPairId > other.keyPairId);
}
