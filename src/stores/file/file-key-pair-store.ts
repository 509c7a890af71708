import { join } from "node:path";
import { InvalidInputError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { errnoOf } from "../../util/file-system.js";
import {
  checkDocument,
  checkKeyPair,
  checkListQuery,
  checkOrganizationId,
  checkRecordId,
  checkWrapping,
  compareIds,
  compareListPositions,
  type ListPosition,
} from "../input.js";
import type {
  KeyPairListQuery,
  KeyPairStore,
  StoreCallOptions,
  StoredHead,
  StoredKeyPair,
  StoredWrapping,
} from "../key-pair-store.js";
import type { LastConfirmedStore } from "../last-confirmed-store.js";
import { corrupt, frame, unframe, type Frame } from "../frame.js";
import { HeadSeries } from "./head-series.js";
import { HostLastConfirmedStore } from "./host-last-confirmed-store.js";
import { Layout, type Place } from "./layout.js";
import { headFileOf, idOf, idOfRecordFile, isHashName } from "./names.js";
import { Presence } from "./presence.js";
import { PrivateFolder } from "./private-folder.js";

/** Options of {@link FileKeyPairStore}. */
export interface FileKeyPairStoreOptions {
  /**
   * Folder that only the user of this process can write to; made if it is missing. Several processes may share it.
   * Several hosts may share it over NFS (mounted with `lookupcache=positive`, or a host may see a new head late; races
   * have one winner in any case), but not over network file systems without hard links, such as most SMB mounts.
   */
  readonly directory: string;
  /**
   * Folder for the records of {@link FileKeyPairStore.hostLastConfirmed}: private, of this host and of this store alone. It
   * must not be `directory` or lie inside it, also by way of links: whoever can write to the store must not
   * be able to write there. `directory` may lie inside it: writers of the store reach nothing above their folder.
   * Name one where the default does not outlive the process, as in most containers, or is shared between hosts.
   *
   * Default: `recording-keystore/<hash of the real path of directory>` inside the first path of `$STATE_DIRECTORY` (set
   * by systemd), else inside `$XDG_STATE_HOME`, else inside `~/.local/state` (macOS: `~/Library/Application Support`,
   * Windows: `%LOCALAPPDATA%`).
   */
  readonly hostDirectory?: string | undefined;
  /**
   * Whether the first write makes a store where there is none. `false` where one must be there: then a process that starts
   * while its disk is not mounted takes the empty folder for what it is, and not for a new store. Default `true`.
   */
  readonly create?: boolean | undefined;
}

/** Most files that a listing reads at once: enough to keep a disk busy, too few to run out of file handles. */
const readsAtOnce = 16;
const maxListedOrganizations = 1_000;

/**
 * Key pairs in plain files, for one process or several at once, without locks and without a dependency.
 *
 * Every record is a file of its own, written under a temporary name, synced, and then linked to its final name, which
 * succeeds for one writer only; so a crash at any moment leaves either the whole record or none. What a call has
 * acknowledged is synced to the disk. A file cut short or changed by hand is recognized by its checksum and rejects
 * with `ERR_STORE_CORRUPT`. Files can be read and written by their owner alone; a folder to which others could write is
 * refused. A folder that vanishes while it is in use, such as by an unmount, is not made anew, empty: calls reject with
 * `ERR_STORE_UNAVAILABLE` until it is back.
 */
export class FileKeyPairStore implements KeyPairStore {
  readonly #folder: PrivateFolder;
  readonly #layout: Layout;
  readonly #presence: Presence;
  readonly #heads: HeadSeries;
  readonly #host: HostLastConfirmedStore;
  /** Places in the history by organization and file: records never change, so each is read for it only once. */
  readonly #listed = new Map<string, Map<string, ListPosition>>();

  /**
   * Touches no file; the first call does.
   * @throws InvalidInputError where `directory` is no path, `hostDirectory` lies inside it, or `create` is no boolean
   */
  constructor(options: FileKeyPairStoreOptions) {
    const known = knownOptions(options, { directory: true, hostDirectory: true, create: true });
    const { directory, hostDirectory, create = true } = known;
    if (typeof create !== "boolean") throw new InvalidInputError("create", "must be true or false", create);
    this.#folder = new PrivateFolder(directory);
    this.#layout = new Layout(this.#folder.root);
    this.#presence = new Presence(this.#folder.root, this.#layout.organizationsFolder, !create);
    this.#heads = new HeadSeries(this.#folder, this.#layout);
    this.#host = new HostLastConfirmedStore(this.#folder.root, hostDirectory);
  }

  async readHead(organizationId: string, options?: StoreCallOptions): Promise<StoredHead | undefined> {
    checkOrganizationId(organizationId);
    await this.#begin(options);
    return this.#heads.latest(organizationId);
  }

  async swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<StoredHead | undefined> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    // Before the first await: the caller may reuse its buffer.
    const copy = new Uint8Array(document);
    await this.#begin(options);
    const head = await this.#heads.append(organizationId, expectedRevision, copy, options?.signal);
    if (head) this.#presence.written();
    return head;
  }

  async createKeyPair(pair: StoredKeyPair, options?: StoreCallOptions): Promise<"created" | "exists"> {
    checkKeyPair(pair);
    const { path, labels } = this.#layout.pair(pair.organizationId, pair.keyPairId);
    return this.#create(path, frame({ ...labels, sequence: pair.sequence }, pair.document), options);
  }

  async readKeyPair(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<StoredKeyPair | undefined> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    await this.#begin(options);
    return this.#readPair(organizationId, keyPairId);
  }

  async listKeyPairs(
    organizationId: string,
    { after, limit }: KeyPairListQuery,
    options?: StoreCallOptions,
  ): Promise<readonly StoredKeyPair[]> {
    checkOrganizationId(organizationId);
    checkListQuery({ after, limit });
    await this.#begin(options);
    const behind = (await this.#history(organizationId, options?.signal))
      .filter((position) => after === undefined || compareListPositions(position, after) > 0)
      .sort(compareListPositions);
    const page: StoredKeyPair[] = [];
    // Makes up for pairs removed meanwhile: a page cut short by them would look like the last one.
    for (let start = 0; start < behind.length && page.length < limit;) {
      const next = behind.slice(start, start + limit - page.length);
      start += next.length;
      page.push(
        ...(await readAll(next, ({ keyPairId }) => this.#readPair(organizationId, keyPairId), options?.signal)),
      );
    }
    return page;
  }

  async createWrapping(
    organizationId: string,
    keyPairId: string,
    wrapping: StoredWrapping,
    options?: StoreCallOptions,
  ): Promise<"created" | "exists"> {
    checkWrapping(organizationId, keyPairId, wrapping);
    const { path, labels } = this.#layout.wrapping(organizationId, keyPairId, wrapping.wrappingId);
    return this.#create(path, frame(labels, wrapping.document), options);
  }

  async listWrappings(
    organizationId: string,
    keyPairId: string,
    options?: StoreCallOptions,
  ): Promise<readonly StoredWrapping[]> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    await this.#begin(options);
    const ids = await this.#idsIn(this.#layout.wrappingsFolder(organizationId, keyPairId));
    let damage: unknown;
    const read = async (wrappingId: string): Promise<StoredWrapping | undefined> => {
      try {
        const found = await this.#read(this.#layout.wrapping(organizationId, keyPairId, wrappingId));
        return found && { wrappingId, document: found.document };
      } catch (error) {
        if (errnoOf(error) === "ERR_STORE_UNAVAILABLE") throw error;
        damage ??= error;
        return undefined;
      }
    };
    const whole = await readAll(ids.sort(compareIds), read, options?.signal);
    if (damage !== undefined && whole.length === 0) throw damage;
    return whole;
  }

  async removeKeyPair(organizationId: string, keyPairId: string, options?: StoreCallOptions): Promise<boolean> {
    checkOrganizationId(organizationId);
    checkRecordId("keyPairId", keyPairId);
    await this.#begin(options);
    // The pair first: nobody finds wrappings without a pair, which a crash between the two leaves.
    const removed = await this.#folder.remove(this.#layout.pair(organizationId, keyPairId).path);
    await this.#folder.removeFolder(this.#layout.wrappingsFolder(organizationId, keyPairId));
    return removed;
  }

  async readStatus(organizationId: string, options?: StoreCallOptions): Promise<Uint8Array | undefined> {
    checkOrganizationId(organizationId);
    await this.#begin(options);
    return (await this.#read(this.#layout.status(organizationId)))?.document;
  }

  async writeStatus(organizationId: string, document: Uint8Array, options?: StoreCallOptions): Promise<void> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    const { path, labels } = this.#layout.status(organizationId);
    const bytes = frame(labels, document);
    await this.#begin(options);
    await this.#folder.replace(path, bytes, options?.signal);
    this.#presence.written();
  }

  /** Tries out the disk: full, read-only, without hard links. */
  async checkWritable(organizationId: string, options?: StoreCallOptions): Promise<void> {
    checkOrganizationId(organizationId);
    await this.#begin(options);
    await this.#folder.tryOut(options?.signal);
  }

  /** Ids of the stored organizations, in no order: for a scheduler or a backup. */
  async *organizations(options?: StoreCallOptions): AsyncGenerator<string, void, undefined> {
    await this.#begin(options);
    for (const name of await this.#folder.list(this.#layout.organizationsFolder)) {
      options?.signal?.throwIfAborted();
      const organizationId = isHashName(name) ? await this.#idOfHashName(name) : idOf(name);
      if (organizationId !== undefined) yield organizationId;
    }
  }

  /**
   * The place for last confirmed keys on this host, outside the store: see {@link FileKeyPairStoreOptions.hostDirectory}. Its
   * calls reject with `InvalidInputError` where that place leads into the store's folder, and with `ERR_STORE_UNAVAILABLE`
   * where there is none or the disk does not answer.
   */
  hostLastConfirmed(): LastConfirmedStore {
    return this.#host;
  }

  async #begin(options: StoreCallOptions | undefined): Promise<void> {
    options?.signal?.throwIfAborted();
    await this.#folder.check();
    await this.#presence.check();
  }

  async #create(path: string, bytes: Buffer, options: StoreCallOptions | undefined): Promise<"created" | "exists"> {
    await this.#begin(options);
    const created = await this.#folder.create(path, bytes, options?.signal);
    this.#presence.written();
    return created ? "created" : "exists";
  }

  async #read({ path, labels }: Place): Promise<Frame | undefined> {
    const bytes = await this.#folder.read(path);
    return bytes && unframe(bytes, labels, path);
  }

  async #readPair(organizationId: string, keyPairId: string): Promise<StoredKeyPair | undefined> {
    const place = this.#layout.pair(organizationId, keyPairId);
    const found = await this.#read(place);
    if (!found) return undefined;
    const sequence = found.labels["sequence"];
    if (typeof sequence !== "number") throw corrupt(place.path, "has no sequence");
    return { organizationId, keyPairId, sequence, document: found.document };
  }

  /** Ids of the records in a folder, without temporary and foreign files. */
  async #idsIn(folder: string): Promise<string[]> {
    return (await this.#folder.list(folder)).map(idOfRecordFile).filter((id) => id !== undefined);
  }

  async #history(organizationId: string, signal: AbortSignal | undefined): Promise<ListPosition[]> {
    const before = this.#listed.get(organizationId);
    const ids = await this.#idsIn(this.#layout.pairsFolder(organizationId));
    const history = await readAll(
      ids,
      async (keyPairId) => before?.get(keyPairId) ?? positionOf(await this.#readPair(organizationId, keyPairId)),
      signal,
    );
    if (this.#listed.size >= maxListedOrganizations) this.#listed.clear();
    this.#listed.set(organizationId, new Map(history.map((position) => [position.keyPairId, position])));
    return history;
  }

  /** The id of an organization whose folder is named by a hash, as its first head says. */
  async #idOfHashName(name: string): Promise<string | undefined> {
    const path = join(this.#layout.organizationsFolder, name, "heads", headFileOf(1));
    const organizationId = (await this.#read({ path, labels: { kind: "head" } }))?.labels["organizationId"];
    return typeof organizationId === "string" ? organizationId : undefined;
  }
}

function positionOf(pair: StoredKeyPair | undefined): ListPosition | undefined {
  return pair && { keyPairId: pair.keyPairId, sequence: pair.sequence };
}

/** Reads a few at a time, in order. Leaves out what is no longer there. */
async function readAll<Item, Found>(
  items: readonly Item[],
  read: (item: Item) => Promise<Found | undefined>,
  signal: AbortSignal | undefined,
): Promise<Found[]> {
  const found: Found[] = [];
  for (let start = 0; start < items.length; start += readsAtOnce) {
    signal?.throwIfAborted();
    const group = await Promise.all(items.slice(start, start + readsAtOnce).map(read));
    for (const one of group) if (one !== undefined) found.push(one);
  }
  return found;
}
