import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import type { KeyPairContext } from "./context.js";
import { readHead, storeCall } from "./head.js";
import { parseKeyPair, type KeyPair } from "./key-pair.js";
import type { StoredKeyPair } from "../stores/key-pair-store.js";
import { options } from "./making.js";
import type { KeyPairSpec, PeriodicKeyChange } from "./vocabulary.js";

/** A key pair as administrators see it. Holds no key. */
export interface KeyPairInfo {
  readonly keyPairId: string;
  /** Position in the history, from 1. */
  readonly sequence: number;
  readonly active: boolean;
  readonly spec: KeyPairSpec;
  readonly createdAt: Date;
  readonly kmsKeyAliasArn: string;
  /** The KMS key to which the alias resolved when the pair was made; its private half is wrapped by this key. */
  readonly kmsKeyArn: string;
  readonly periodicKeyChange: PeriodicKeyChange;
  /** SHA-256 of the birth record, base64url. */
  readonly digest: string;
}

export interface KeyPairPage {
  /** Newest first. */
  readonly items: readonly KeyPairInfo[];
  /** Pass as `cursor` for the next page; absent on the last one. */
  readonly nextCursor?: string;
}

export function keyPairInfo(pair: KeyPair, active: boolean): KeyPairInfo {
  const { keyPairId, sequence, spec, createdAt, kmsKeyAliasArn, periodicKeyChange } = pair.birth;
  return {
    keyPairId,
    sequence,
    active,
    spec,
    createdAt: new Date(createdAt),
    kmsKeyAliasArn,
    kmsKeyArn: pair.wrapping.kmsKeyArn,
    periodicKeyChange,
    digest: pair.digest.toString("base64url"),
  };
}

/** A place in a store's listing. */
type Place = Pick<StoredKeyPair, "sequence" | "keyPairId">;

/** Where a walk along the history begins: behind a place in the store's listing, with the pair of this digest the next one wanted. */
interface Position {
  readonly after?: Place;
  readonly digest: Buffer;
}

/** The order of a store's listing: highest sequence first, then by id. */
function isBehind(one: Place, other: Place): boolean {
  return one.sequence < other.sequence || (one.sequence === other.sequence && one.keyPairId > other.keyPairId);
}

/**
 * What a store holds behind a place, history or not.
 *
 * @param batch - how many pairs to ask the store for
 * @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` where the store lists them out of order, which might never end
 */
export async function* storedPairs({ store, organizationId }: KeyPairContext, from: Place | undefined, batch: () => number, signal?: AbortSignal): AsyncGenerator<StoredKeyPair> {
  let after = from;
  for (;;) {
    const page: readonly StoredKeyPair[] = await storeCall(signal, () => store.listKeyPairs(organizationId, { after, limit: batch() }, options(signal)));
    if (page.length === 0) return;
    for (const stored of page) {
      if (after && !isBehind(stored, after)) throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `the store lists key pairs out of order: ${stored.keyPairId} behind ${after.keyPairId}`);
      after = { sequence: stored.sequence, keyPairId: stored.keyPairId };
      yield stored;
    }
  }
}

/**
 * The history, newest first: from the head's pair along the digests that each birth record holds of the one before. What
 * a store holds beside that chain (pairs of workers that lost a race) is not history, and damage of it no trouble.
 *
 * @param from - where to begin
 * @param batch - how many pairs to ask the store for
 * @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` where the store has lost a pair; where a record could not be read that
 * may be the one, what reading it threw
 */
export async function* chainOfPairs(context: KeyPairContext, from: Position, batch: () => number, signal?: AbortSignal): AsyncGenerator<{ readonly pair: KeyPair; readonly next: Position | undefined }> {
  let { digest } = from;
  let damage: unknown;
  for await (const { document, keyPairId, sequence } of storedPairs(context, from.after, batch, signal)) {
    let pair: KeyPair;
    try {
      pair = parseKeyPair(document, { organizationId: context.organizationId, what: `key pair ${keyPairId}` });
    } catch (error) {
      damage ??= error;
      continue;
    }
    if (!pair.digest.equals(digest)) continue;
    damage = undefined; // what there was of it lay beside the chain
    const { previousDigest } = pair.birth;
    yield { pair, next: previousDigest && { after: { sequence, keyPairId }, digest: previousDigest } };
    if (!previousDigest) return;
    digest = previousDigest;
  }
  throw damage ?? new RecordingKeyStoreError("ERR_STORE_CORRUPT", "the store has lost a key pair of the history: the chain of birth records ends before the first one");
}

/** A page of the history. */
export async function listHistory(
  context: KeyPairContext,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
  signal?: AbortSignal,
): Promise<KeyPairPage> {
  const head = await readHead(context, signal);
  if (!head) return { items: [] };
  const items: KeyPairInfo[] = [];
  const from = cursor === undefined ? { digest: head.digest } : decodeCursor(cursor);
  for await (const { pair, next } of chainOfPairs(context, from, () => limit - items.length, signal)) {
    items.push(keyPairInfo(pair, pair.digest.equals(head.digest)));
    if (items.length === limit) return { items, ...(next ? { nextCursor: encodeCursor(next) } : {}) };
  }
  return { items };
}

function encodeCursor({ after, digest }: Position): string {
  return [after?.sequence, after?.keyPairId, digest.toString("base64url")].join(".");
}

function decodeCursor(cursor: string): Position {
  const match = /^([1-9][0-9]{0,14})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/.exec(cursor);
  if (!match?.[1] || !match[2] || !match[3]) throw new InvalidInputError("cursor", "must be a nextCursor of an earlier page", cursor);
  return { after: { sequence: Number(match[1]), keyPairId: match[2] }, digest: Buffer.from(match[3], "base64url") };
}
