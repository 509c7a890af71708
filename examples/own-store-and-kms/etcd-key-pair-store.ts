import {
  checkDocument,
  checkKeyPair,
  checkListQuery,
  checkOrganizationId,
  checkRecordId,
  checkWrapping,
  type KeyPairListQuery,
  type KeyPairStore,
  type StoreCallOptions,
  type StoredHead,
  type StoredKeyPair,
  type StoredWrapping,
} from "recording-keystore/stores";
import { EtcdClient, type EtcdItem } from "./etcd-client.js";

/** Most items asked for in one request, so that an answer stays within some MiB. */
const pageLength = 100;

/**
 * Key pairs in etcd. What each method promises is in `KeyPairStore`; here is how etcd keeps it: every read asks the quorum, every
 * write is on the disks of a quorum before it is answered, and a transaction compares before it changes.
 */
export class EtcdKeyPairStore implements KeyPairStore {
  readonly #etcd: EtcdClient;

  readonly #prefix: string;

  /**
   * @param options.prefix - what all its keys begin with; `/recording-keys` by default
   * @param options.timeout - longest time of one request, in ms; 4,000 by default, below the key store's `storeTimeout`
   */
  constructor({
    url,
    prefix = "/recording-keys",
    timeout = 4_000,
  }: {
    url: string;
    prefix?: string;
    timeout?: number;
  }) {
    this.#etcd = new EtcdClient(url, timeout);
    this.#prefix = prefix;
  }

  async readHead(organizationId: string, { signal }: StoreCallOptions = {}): Promise<StoredHead | undefined> {
    checkOrganizationId(organizationId);
    const item = await this.#read("readHead", this.#places(organizationId).head, signal);
    return item && { revision: item.revision, document: bytes(item.value) };
  }

  async swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    { signal }: StoreCallOptions = {},
  ): Promise<StoredHead | undefined> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    const { head } = this.#places(organizationId);
    const value = bytes(document);
    // A revision of another store, or a spoilt one, is nobody's: etcd would refuse the request, and not the swap.
    if (expectedRevision !== undefined && !/^[1-9]\d{0,17}$/.test(expectedRevision)) return undefined;
    const condition =
      expectedRevision === undefined
        ? ({ key: head, absent: true } as const)
        : { key: head, revision: expectedRevision };
    signal?.throwIfAborted();
    const revision = await this.#etcd.transaction("swapHead", [condition], [{ put: head, value }], signal);
    return revision === undefined ? undefined : { revision, document: bytes(value) };
  }

  async createKeyPair(pair: StoredKeyPair, { signal }: StoreCallOptions = {}): Promise<"created" | "exists"> {
    checkKeyPair(pair);
    const place = this.#places(pair.organizationId);
    const key = place.pair(pair.keyPairId);
    const ordered = place.ordered(pair);
    const value = bytes(pair.document);
    signal?.throwIfAborted();
    // Twice, by id and in the order of the history, in one transaction: neither is ever there without the other.
    const changes = [
      { put: key, value: Buffer.from(ordered) },
      { put: ordered, value },
    ];
    const made = await this.#etcd.transaction("createKeyPair", [{ key, absent: true }], changes, signal);
    return made === undefined ? "exists" : "created";
  }

  async readKeyPair(
    organizationId: string,
    keyPairId: string,
    { signal }: StoreCallOptions = {},
  ): Promise<StoredKeyPair | undefined> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    const entry = await this.#read("readKeyPair", this.#places(organizationId).pair(keyPairId), signal);
    const item = entry && (await this.#read("readKeyPair", entry.value.toString(), signal));
    return item && pairOf(organizationId, item);
  }

  async listKeyPairs(
    organizationId: string,
    query: KeyPairListQuery,
    { signal }: StoreCallOptions = {},
  ): Promise<readonly StoredKeyPair[]> {
    checkOrganizationId(organizationId);
    checkListQuery(query);
    const place = this.#places(organizationId);
    const { limit, after } = query;
    const first = after ? behind(place.ordered(after)) : place.allOrdered;
    return (await this.#readAll("listKeyPairs", first, place.allOrdered, limit, signal)).map((item) =>
      pairOf(organizationId, item),
    );
  }

  async createWrapping(
    organizationId: string,
    keyPairId: string,
    wrapping: StoredWrapping,
    { signal }: StoreCallOptions = {},
  ): Promise<"created" | "exists"> {
    checkWrapping(organizationId, keyPairId, wrapping);
    const key = this.#places(organizationId).wrappings(keyPairId) + wrapping.wrappingId;
    const value = bytes(wrapping.document);
    signal?.throwIfAborted();
    const made = await this.#etcd.transaction("createWrapping", [{ key, absent: true }], [{ put: key, value }], signal);
    return made === undefined ? "exists" : "created";
  }

  async listWrappings(
    organizationId: string,
    keyPairId: string,
    { signal }: StoreCallOptions = {},
  ): Promise<readonly StoredWrapping[]> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    const prefix = this.#places(organizationId).wrappings(keyPairId);
    const items = await this.#readAll("listWrappings", prefix, prefix, Infinity, signal);
    return items.map(({ key, value }) => ({ wrappingId: key.slice(prefix.length), document: bytes(value) }));
  }

  async readStatus(organizationId: string, { signal }: StoreCallOptions = {}): Promise<Uint8Array | undefined> {
    checkOrganizationId(organizationId);
    const item = await this.#read("readStatus", this.#places(organizationId).status, signal);
    return item && bytes(item.value);
  }

  async writeStatus(organizationId: string, document: Uint8Array, { signal }: StoreCallOptions = {}): Promise<void> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    const change = { put: this.#places(organizationId).status, value: bytes(document) };
    signal?.throwIfAborted();
    await this.#etcd.transaction("writeStatus", [], [change], signal);
  }

  /** Keys of an organization, whose id may hold any character, a slash too. */
  #places(organizationId: string) {
    const root = `${this.#prefix}/${Buffer.from(organizationId).toString("hex")}/`;
    const allOrdered = `${root}ordered/`;
    return {
      head: `${root}head`,
      status: `${root}status`,
      pair: (keyPairId: string) => `${root}pair/${keyPairId}`,
      wrappings: (keyPairId: string) => `${root}wrapping/${keyPairId}/`,
      allOrdered,
      /** etcd gives keys in ascending order; the history is wanted from its newest pair. */
      ordered: ({ sequence, keyPairId }: Pick<StoredKeyPair, "sequence" | "keyPairId">) =>
        `${allOrdered}${String(Number.MAX_SAFE_INTEGER - sequence).padStart(16, "0")}/${keyPairId}`,
    };
  }

  async #read(operation: string, key: string, signal: AbortSignal | undefined): Promise<EtcdItem | undefined> {
    signal?.throwIfAborted();
    return (await this.#etcd.range(operation, key, { signal }))[0];
  }

  /** Up to `limit` items from `first` on, as long as their keys begin with `prefix`. */
  async #readAll(
    operation: string,
    first: string,
    prefix: string,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<EtcdItem[]> {
    signal?.throwIfAborted();
    const items: EtcdItem[] = [];
    for (let from = first; items.length < limit; from = behind(items.at(-1)?.key ?? from)) {
      const asked = Math.min(pageLength, limit - items.length);
      const page = await this.#etcd.range(operation, from, { end: endOf(prefix), limit: asked, signal });
      items.push(...page);
      if (page.length < asked) break;
    }
    return items;
  }
}

/** A copy in memory of its own: what is stored and what the caller holds never share any. */
const bytes = (value: Uint8Array) => Uint8Array.from(value);
/** The least key behind a key. */
const behind = (key: string) => `${key}\0`;
/** The least key behind all keys that begin with a prefix, which ends in a slash. */
const endOf = (prefix: string) => `${prefix.slice(0, -1)}0`; // "0" follows "/"

function pairOf(organizationId: string, { key, value }: EtcdItem): StoredKeyPair {
  const [distance, keyPairId = ""] = key.split("/").slice(-2);
  const sequence = Number.MAX_SAFE_INTEGER - Number(distance);
  return { organizationId, keyPairId, sequence, document: bytes(value) };
}
