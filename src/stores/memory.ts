import {
  checkDocument,
  checkKeyPair,
  checkListQuery,
  checkOrganizationId,
  checkRecordId,
  checkWrapping,
  compareIds,
  compareListPositions,
} from "./input.js";
import type {
  HeadChanges,
  KeyPairListQuery,
  KeyPairStore,
  StoreCallOptions,
  StoredHead,
  StoredKeyPair,
  StoredWrapping,
} from "./key-pair-store.js";
import type { LastConfirmedStore } from "./last-confirmed-store.js";

/** Number of changes to heads that are told of at least. */
const changesKept = 10_000;

interface OrganizationRecords {
  head: { revision: number; document: Uint8Array } | undefined;
  status: Uint8Array | undefined;
  readonly pairs: Map<string, StoredKeyPair>;
  /** By key pair id, then by wrapping id. */
  readonly wrappings: Map<string, Map<string, Uint8Array>>;
}

/** Key pairs in the memory of this process, for tests. They are gone with the process: no store for production. */
export class MemoryKeyPairStore implements KeyPairStore {
  readonly #organizations = new Map<string, OrganizationRecords>();
  /** The organizations whose heads have changed, the latest last. */
  #changed: string[] = [];
  /** Number of changes that are forgotten. */
  #forgotten = 0;

  async readHead(organizationId: string, options?: StoreCallOptions): Promise<StoredHead | undefined> {
    checkOrganizationId(organizationId);
    options?.signal?.throwIfAborted();
    const head = this.#organizations.get(organizationId)?.head;
    return head && { revision: String(head.revision), document: copy(head.document) };
  }

  async swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<StoredHead | undefined> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    options?.signal?.throwIfAborted();
    const records = this.#recordsOf(organizationId);
    const current = records.head && String(records.head.revision);
    if (current !== expectedRevision) return undefined;
    this.#announce(organizationId);
    records.head = { revision: (records.head?.revision ?? 0) + 1, document: copy(document) };
    return { revision: String(records.head.revision), document: copy(document) };
  }

  async headChanges(
    { after }: { readonly after?: string | undefined },
    options?: StoreCallOptions,
  ): Promise<HeadChanges> {
    options?.signal?.throwIfAborted();
    const known = after === undefined || !/^\d{1,16}$/.test(after) ? -1 : Number(after) - this.#forgotten;
    const isKnown = known >= 0 && known <= this.#changed.length;
    const cursor = String(this.#forgotten + this.#changed.length);
    return { cursor, organizationIds: isKnown ? this.#changed.slice(known) : undefined };
  }

  async createKeyPair(pair: StoredKeyPair, options?: StoreCallOptions): Promise<"created" | "exists"> {
    checkKeyPair(pair);
    options?.signal?.throwIfAborted();
    const { pairs } = this.#recordsOf(pair.organizationId);
    if (pairs.has(pair.keyPairId)) return "exists";
    pairs.set(pair.keyPairId, copyPair(pair));
    return "created";
  }

  async readKeyPair(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<StoredKeyPair | undefined> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    options?.signal?.throwIfAborted();
    const pair = this.#organizations.get(organizationId)?.pairs.get(keyPairId);
    return pair && copyPair(pair);
  }

  async listKeyPairs(
    organizationId: string,
    query: KeyPairListQuery,
    options?: StoreCallOptions,
  ): Promise<readonly StoredKeyPair[]> {
    checkOrganizationId(organizationId);
    checkListQuery(query);
    options?.signal?.throwIfAborted();
    const { after, limit } = query;
    return [...(this.#organizations.get(organizationId)?.pairs.values() ?? [])]
      .filter((pair) => after === undefined || compareListPositions(pair, after) > 0)
      .sort(compareListPositions)
      .slice(0, limit)
      .map(copyPair);
  }

  async createWrapping(
    organizationId: string,
    keyPairId: string,
    wrapping: StoredWrapping,
    options?: StoreCallOptions,
  ): Promise<"created" | "exists"> {
    checkWrapping(organizationId, keyPairId, wrapping);
    options?.signal?.throwIfAborted();
    const { wrappings } = this.#recordsOf(organizationId);
    const ofPair = wrappings.get(keyPairId) ?? new Map<string, Uint8Array>();
    if (ofPair.has(wrapping.wrappingId)) return "exists";
    wrappings.set(keyPairId, ofPair.set(wrapping.wrappingId, copy(wrapping.document)));
    return "created";
  }

  async listWrappings(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<readonly StoredWrapping[]> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    options?.signal?.throwIfAborted();
    return [...(this.#organizations.get(organizationId)?.wrappings.get(keyPairId) ?? [])]
      .map(([wrappingId, document]) => ({ wrappingId, document: copy(document) }))
      .sort((a, b) => compareIds(a.wrappingId, b.wrappingId));
  }

  async removeKeyPair(organizationId: string, keyPairId: string, options?: StoreCallOptions): Promise<boolean> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    options?.signal?.throwIfAborted();
    const records = this.#organizations.get(organizationId);
    records?.wrappings.delete(keyPairId);
    return records?.pairs.delete(keyPairId) ?? false;
  }

  async readStatus(organizationId: string, options?: StoreCallOptions): Promise<Uint8Array | undefined> {
    checkOrganizationId(organizationId);
    options?.signal?.throwIfAborted();
    const status = this.#organizations.get(organizationId)?.status;
    return status && copy(status);
  }

  async writeStatus(organizationId: string, document: Uint8Array, options?: StoreCallOptions): Promise<void> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    options?.signal?.throwIfAborted();
    this.#recordsOf(organizationId).status = copy(document);
  }

  #announce(organizationId: string): void {
    this.#changed.push(organizationId);
    if (this.#changed.length <= 2 * changesKept) return;
    this.#forgotten += changesKept;
    this.#changed = this.#changed.slice(changesKept);
  }

  #recordsOf(organizationId: string): OrganizationRecords {
    let records = this.#organizations.get(organizationId);
    if (!records) {
      records = { head: undefined, status: undefined, pairs: new Map(), wrappings: new Map() };
      this.#organizations.set(organizationId, records);
    }
    return records;
  }
}

/** Last confirmed keys of a host, in memory, for tests. Two key stores with the same one play a restart of the host. */
export class MemoryLastConfirmedStore implements LastConfirmedStore {
  readonly #documents = new Map<string, Uint8Array>();

  async load(organizationId: string): Promise<Uint8Array | undefined> {
    checkOrganizationId(organizationId);
    const document = this.#documents.get(organizationId);
    return document && copy(document);
  }

  async save(organizationId: string, document: Uint8Array): Promise<void> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    this.#documents.set(organizationId, copy(document));
  }
}

/** Copies without `slice()`, which shares memory on a Buffer. */
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function copyPair({ organizationId, keyPairId, sequence, document }: StoredKeyPair): StoredKeyPair {
  return { organizationId, keyPairId, sequence, document: copy(document) };
}
