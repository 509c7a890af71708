import type { KeyPairBackend } from "../checked-key-pair-store.js";
import { recordIdPattern, type ListPosition } from "../input.js";
import type { KeyPairListQuery, StoredHead, StoredKeyPair, StoredWrapping } from "../key-pair-store.js";
import type { StoreFailure } from "../store-call.js";
import { ConditionalWrites } from "./conditional-writes.js";
import { s3Failure } from "./failures.js";
import {
  headName,
  historyFolder,
  pairName,
  placeName,
  placeOf,
  statusName,
  wrappingName,
  wrappingsFolder,
} from "./names.js";
import {
  headOf,
  headRecord,
  isWrite,
  pairOf,
  pairRecord,
  statusOf,
  statusRecord,
  wrappingOf,
  wrappingRecord,
  type ReadHead,
  type WrittenRecord,
} from "./records.js";
import type { Condition, S3Requests } from "./requests.js";

/** Objects read or removed at a time. */
const atOnce = 16;
/** Most places without their pair that one listing passes over. Crashes leave a few. */
const mostEmptyPlaces = 256;
/** Most attempts at a swap whose condition holds: two with the ETag in each form. */
const mostSwaps = 4;

/**
 * Key pairs in a bucket.
 *
 * A pair is one object, created by its id. Its place in the history is another, written before it: a listing shows the places
 * whose pair is there, so that a pair is in the history from the moment in which it is stored. A place without its pair, which a
 * crash leaves, counts for nothing. Where somebody has planted places by the thousand, a listing tells the rest of them as pairs
 * without a document, so that each call ends in time and the next one goes on behind them.
 *
 * The SDK repeats a write whose answer was lost. A condition then fails on the write's own result, so whoever hears that it
 * failed reads again, and knows its own write by the random revision.
 */
export class S3Backend implements KeyPairBackend {
  readonly #requests: S3Requests;
  readonly #conditions: ConditionalWrites;

  constructor(requests: S3Requests) {
    this.#requests = requests;
    this.#conditions = new ConditionalWrites(requests);
  }

  async readHead(organizationId: string, signal: AbortSignal): Promise<StoredHead | undefined> {
    const found = await this.#readHead(organizationId, signal);
    return found && { revision: found.head.revision, document: found.head.document };
  }

  async swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    signal: AbortSignal,
  ): Promise<StoredHead | undefined> {
    const { name, body, revision } = headRecord(organizationId, expectedRevision, document);
    let lost: unknown;
    let found = expectedRevision === undefined ? undefined : await this.#readHead(organizationId, signal);
    for (let swap = 0; found?.head.revision === expectedRevision; swap += 1) {
      if (swap === mostSwaps) throw new TypeError("a condition that holds is refused");
      const condition = found
        ? await this.#conditions.isStill(found.etag, "swapHead", signal)
        : await this.#conditions.isNew("swapHead", signal);
      const outcome = await this.#requests.put(name, body, condition, signal);
      if (outcome.written) return { revision, document };
      lost ??= outcome.lost;
      const before = found?.etag;
      found = await this.#readHead(organizationId, signal);
      if (found && found.etag === before) this.#conditions.changeForm();
    }
    const head = found?.head;
    if (head?.revision === revision || head?.previous === revision) return { revision, document };
    // Unless somebody else's head stands in its place, this one may have won before others replaced it.
    if (lost !== undefined && head?.previous !== expectedRevision) throw lost;
    return undefined;
  }

  async createKeyPair(pair: StoredKeyPair, signal: AbortSignal): Promise<"created" | "exists"> {
    const isNew = await this.#conditions.isNew("createKeyPair", signal);
    await this.#requests.put(placeName(pair.organizationId, pair), new Uint8Array(), isNew, signal);
    return this.#create(pairRecord(pair), isNew, signal);
  }

  async readKeyPair(
    organizationId: string,
    keyPairId: string,
    signal: AbortSignal,
  ): Promise<StoredKeyPair | undefined> {
    const found = await this.#requests.get(pairName(organizationId, keyPairId), signal);
    return found && pairOf(found.bytes, organizationId, keyPairId);
  }

  async listKeyPairs(
    organizationId: string,
    { after, limit }: KeyPairListQuery,
    signal: AbortSignal,
  ): Promise<readonly StoredKeyPair[]> {
    const folder = historyFolder(organizationId);
    const names = this.#requests.list(folder, after && placeName(organizationId, after), limit, signal);
    const pairs: StoredKeyPair[] = [];
    let empty = 0;
    const read = async (places: readonly ListPosition[]) => {
      const found = await Promise.all(
        places.map(({ keyPairId }) => this.readKeyPair(organizationId, keyPairId, signal)),
      );
      for (const [index, place] of places.entries()) {
        const pair = found[index];
        // The place of an attempt that failed may name the pair of another one, which has its own.
        if (pair?.sequence === place.sequence) pairs.push(pair);
        else if ((empty += 1) > mostEmptyPlaces) pairs.push({ organizationId, ...place, document: new Uint8Array() });
      }
    };
    let places: ListPosition[] = [];
    for await (const name of names) {
      const place = placeOf(name);
      if (!place) continue; // somebody else's, such as a console's mark of a folder
      places.push(place);
      if (places.length < Math.min(atOnce, limit - pairs.length)) continue;
      await read(places);
      if (pairs.length === limit) return pairs;
      places = [];
    }
    await read(places);
    return pairs;
  }

  async createWrapping(
    organizationId: string,
    keyPairId: string,
    wrapping: StoredWrapping,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    const isNew = await this.#conditions.isNew("createWrapping", signal);
    return this.#create(wrappingRecord(organizationId, keyPairId, wrapping), isNew, signal);
  }

  async listWrappings(
    organizationId: string,
    keyPairId: string,
    signal: AbortSignal,
  ): Promise<readonly StoredWrapping[]> {
    const whole: StoredWrapping[] = [];
    let damage: unknown;
    await this.#eachWrapping(organizationId, keyPairId, signal, async (ids) => {
      const found = await Promise.all(
        ids.map((id) => this.#requests.get(wrappingName(organizationId, keyPairId, id), signal)),
      );
      for (const [index, object] of found.entries()) {
        if (!object) continue; // removed meanwhile
        try {
          whole.push(wrappingOf(object.bytes, organizationId, keyPairId, ids[index] ?? ""));
        } catch (error) {
          damage ??= error; // wrappings stand for one another
        }
      }
    });
    if (damage !== undefined && whole.length === 0) throw damage;
    return whole;
  }

  async removeKeyPair(organizationId: string, keyPairId: string, signal: AbortSignal): Promise<boolean> {
    const pair = await this.readKeyPair(organizationId, keyPairId, signal);
    if (pair) {
      // The pair first: nobody finds its place and its wrappings without it, which a crash leaves.
      await this.#requests.delete(pairName(organizationId, keyPairId), signal);
      await this.#requests.delete(placeName(organizationId, pair), signal);
    }
    await this.#eachWrapping(organizationId, keyPairId, signal, async (ids) => {
      const names = ids.map((id) => wrappingName(organizationId, keyPairId, id));
      await Promise.all(names.map((name) => this.#requests.delete(name, signal)));
    });
    return pair !== undefined;
  }

  async readStatus(organizationId: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const found = await this.#requests.get(statusName(organizationId), signal);
    return found && statusOf(found.bytes, organizationId);
  }

  async writeStatus(organizationId: string, document: Uint8Array, signal: AbortSignal): Promise<void> {
    const { name, body } = statusRecord(organizationId, document);
    await this.#requests.put(name, body, undefined, signal);
  }

  failureOf(error: unknown): StoreFailure {
    return s3Failure(error);
  }

  async #readHead(
    organizationId: string,
    signal: AbortSignal,
  ): Promise<{ readonly head: ReadHead; readonly etag: string } | undefined> {
    const found = await this.#requests.get(headName(organizationId), signal);
    return found && { head: headOf(found.bytes, organizationId), etag: found.etag };
  }

  async #create(
    { name, body, revision }: WrittenRecord,
    isNew: Condition,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    const { written } = await this.#requests.put(name, body, isNew, signal);
    if (written) return "created";
    const stored = await this.#requests.get(name, signal);
    return stored && isWrite(stored.bytes, revision) ? "created" : "exists";
  }

  /** Hands over the ids of a pair's wrappings, some at a time. */
  async #eachWrapping(
    organizationId: string,
    keyPairId: string,
    signal: AbortSignal,
    take: (ids: readonly string[]) => Promise<void>,
  ): Promise<void> {
    let ids: string[] = [];
    const folder = wrappingsFolder(organizationId, keyPairId);
    for await (const id of this.#requests.list(folder, undefined, Infinity, signal)) {
      if (!recordIdPattern.test(id)) continue; // somebody else's, such as a console's mark of a folder
      ids.push(id);
      if (ids.length < atOnce) continue;
      await take(ids);
      ids = [];
    }
    await take(ids);
  }
}
