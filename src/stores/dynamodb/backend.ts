import type { KeyPairBackend } from "../checked-key-pair-store.js";
import type { KeyPairListQuery, StoredHead, StoredKeyPair, StoredWrapping } from "../key-pair-store.js";
import { HeadLog } from "../head-log.js";
import type { StoreFailure } from "../store-call.js";
import { dynamoDbFailure } from "./failures.js";
import { headLogItems } from "./head-log-items.js";
import {
  headKey,
  headOf,
  historyIndex,
  isNew,
  isRevision,
  listedPairOf,
  newRevision,
  pairKey,
  pairOf,
  partitionOf,
  positionOf,
  statusKey,
  statusOf,
  textOf,
  wrappingIdOf,
  wrappingKey,
  wrappingOf,
  wrappingPrefix,
  type Attribute,
  type HeadItem,
  type ItemKey,
} from "./items.js";
import type { Condition, DynamoDbRequests, QueryRequest } from "./requests.js";

/** Without it every one of several removers would hear that it was the one. */
const isThere: Condition = { ConditionExpression: "attribute_exists(pk)" };
const consistent = { consistent: true } as const;
/** Wrappings removed at a time. */
const removalsAtOnce = 16;

/**
 * Key pairs in a DynamoDB table.
 *
 * The SDK repeats a write whose answer was lost. A condition then fails on the write's own result, so whoever hears that it
 * failed reads again, and knows its own write by the random revision.
 */
export class DynamoDbBackend implements KeyPairBackend {
  readonly headLog: HeadLog;
  readonly #requests: DynamoDbRequests;

  constructor(requests: DynamoDbRequests) {
    this.#requests = requests;
    this.headLog = new HeadLog(headLogItems(requests));
  }

  async readHead(organizationId: string, signal: AbortSignal): Promise<StoredHead | undefined> {
    const head = await this.#readHead(organizationId, signal);
    return head && { revision: head.revision, document: head.document };
  }

  async swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    signal: AbortSignal,
  ): Promise<StoredHead | undefined> {
    if (expectedRevision !== undefined && !isRevision(expectedRevision)) return undefined; // no head ever had it
    const revision = newRevision();
    const { written, lost } = await this.#requests.put(
      {
        ...headKey(organizationId),
        doc: { B: document },
        rev: { S: revision },
        ...(expectedRevision === undefined ? {} : { prev: { S: expectedRevision } }),
      },
      expectedRevision === undefined
        ? isNew
        : {
            ConditionExpression: "rev = :expected",
            ExpressionAttributeValues: { ":expected": { S: expectedRevision } },
          },
      signal,
    );
    if (written) return { revision, document };
    const head = await this.#readHead(organizationId, signal);
    if (head?.revision === revision || head?.previous === revision) return { revision, document };
    // Unless somebody else's head stands in its place, this one may have won before others replaced it.
    if (lost !== undefined && head?.previous !== expectedRevision) throw lost;
    return undefined;
  }

  async createKeyPair(
    { organizationId, keyPairId, sequence, document }: StoredKeyPair,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    const pos = { S: positionOf({ sequence, keyPairId }) };
    return this.#create(pairKey(organizationId, keyPairId), { pos, doc: { B: document } }, signal);
  }

  async readKeyPair(
    organizationId: string,
    keyPairId: string,
    signal: AbortSignal,
  ): Promise<StoredKeyPair | undefined> {
    const item = await this.#requests.get(pairKey(organizationId, keyPairId), consistent, signal);
    return item === undefined ? undefined : pairOf(item, organizationId, keyPairId);
  }

  async listKeyPairs(
    organizationId: string,
    { after, limit }: KeyPairListQuery,
    signal: AbortSignal,
  ): Promise<readonly StoredKeyPair[]> {
    const values = { ":pk": { S: partitionOf(organizationId) } };
    const request: QueryRequest = {
      sortKey: "pos",
      IndexName: historyIndex,
      Limit: limit,
      KeyConditionExpression: after ? "pk = :pk AND pos > :after" : "pk = :pk",
      ExpressionAttributeValues: after ? { ...values, ":after": { S: positionOf(after) } } : values,
    };
    const pairs: StoredKeyPair[] = [];
    for await (const item of this.#requests.query(request, signal)) pairs.push(listedPairOf(item, organizationId));
    return pairs;
  }

  async createWrapping(
    organizationId: string,
    keyPairId: string,
    { wrappingId, document }: StoredWrapping,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    return this.#create(wrappingKey(organizationId, keyPairId, wrappingId), { doc: { B: document } }, signal);
  }

  async listWrappings(
    organizationId: string,
    keyPairId: string,
    signal: AbortSignal,
  ): Promise<readonly StoredWrapping[]> {
    const whole: StoredWrapping[] = [];
    let damage: unknown;
    for await (const item of this.#requests.query(wrappingsQuery(organizationId, keyPairId), signal)) {
      try {
        whole.push(wrappingOf(item, keyPairId));
      } catch (error) {
        damage ??= error; // wrappings stand for one another
      }
    }
    if (damage !== undefined && whole.length === 0) throw damage;
    return whole;
  }

  async removeKeyPair(organizationId: string, keyPairId: string, signal: AbortSignal): Promise<boolean> {
    // The pair first: nobody finds wrappings without a pair, which a crash between the two leaves.
    const { written, lost } = await this.#requests.delete(pairKey(organizationId, keyPairId), isThere, signal);
    await this.#removeWrappings(organizationId, keyPairId, signal);
    if (!written && lost !== undefined) throw lost; // nobody can tell whether this call has removed it
    return written;
  }

  async readStatus(organizationId: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    // Health, not truth: a read that may be a second old costs half.
    const item = await this.#requests.get(statusKey(organizationId), { consistent: false }, signal);
    return item === undefined ? undefined : statusOf(item);
  }

  async writeStatus(organizationId: string, document: Uint8Array, signal: AbortSignal): Promise<void> {
    // An update, so that a policy can let a worker set this attribute and no other.
    await this.#requests.set(statusKey(organizationId), "statusDoc", { B: document }, signal);
  }

  failureOf(error: unknown): StoreFailure {
    return dynamoDbFailure(error);
  }

  async #readHead(organizationId: string, signal: AbortSignal): Promise<HeadItem | undefined> {
    const item = await this.#requests.get(headKey(organizationId), consistent, signal);
    return item === undefined ? undefined : headOf(item);
  }

  async #create(
    key: ItemKey,
    attributes: Record<string, Attribute>,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    const revision = newRevision();
    const { written } = await this.#requests.put({ ...key, ...attributes, rev: { S: revision } }, isNew, signal);
    if (written) return "created";
    const stored = await this.#requests.get(key, consistent, signal);
    return textOf(stored, "rev") === revision ? "created" : "exists";
  }

  async #removeWrappings(organizationId: string, keyPairId: string, signal: AbortSignal): Promise<void> {
    const remove = async (ids: readonly string[]) => {
      const keys = ids.map((id) => wrappingKey(organizationId, keyPairId, id));
      await Promise.all(keys.map((key) => this.#requests.delete(key, {}, signal)));
    };
    const request = { ...wrappingsQuery(organizationId, keyPairId), ProjectionExpression: "pk, sk" };
    let group: string[] = [];
    for await (const item of this.#requests.query(request, signal)) {
      group.push(wrappingIdOf(item, keyPairId));
      if (group.length < removalsAtOnce) continue;
      await remove(group);
      group = [];
    }
    await remove(group);
  }
}

function wrappingsQuery(organizationId: string, keyPairId: string): QueryRequest {
  return {
    sortKey: "sk",
    KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
    ExpressionAttributeValues: {
      ":pk": { S: partitionOf(organizationId) },
      ":prefix": { S: wrappingPrefix(keyPairId) },
    },
  };
}
