import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import type { KeyPairContext } from "./context.js";
import { readHead, storeCall } from "./head.js";
import { parseKeyPair, type KeyPair } from "./key-pair.js";
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

/** Where a page begins: the pair with this sequence and digest. */
interface Position {
  readonly sequence: number;
  readonly digest: Buffer;
}

/**
 * The history, newest first: from the head's pair along the digests that each birth record holds of the one before. What
 * a store holds beside that chain (pairs of workers that lost a race) is not history.
 */
export async function listHistory(
  context: KeyPairContext,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
  signal?: AbortSignal,
): Promise<KeyPairPage> {
  const head = await readHead(context, signal);
  if (!head) return { items: [] };
  let next: Position | undefined = cursor === undefined ? head : decodeCursor(cursor);
  const items: KeyPairInfo[] = [];
  while (next && items.length < limit) {
    const wanted: Position = next;
    const batch = await storeCall(signal, () =>
      context.store.listKeyPairs(context.organizationId, { beforeSequence: wanted.sequence + 1, limit: limit - items.length + 1 }, options(signal)),
    );
    const before: Position = next;
    for (const { document, keyPairId } of batch) {
      if (!next || items.length === limit) break;
      const pair = parseKeyPair(document, { organizationId: context.organizationId, what: `key pair ${keyPairId}` });
      if (!pair.digest.equals(next.digest)) continue;
      items.push(keyPairInfo(pair, pair.digest.equals(head.digest)));
      const { previousDigest, sequence }: KeyPair["birth"] = pair.birth;
      next = previousDigest && { sequence: sequence - 1, digest: previousDigest };
    }
    if (next === before) next = await findAmongSiblings(context, before, signal, (pair) => items.push(keyPairInfo(pair, pair.digest.equals(head.digest))));
  }
  return { items, ...(next ? { nextCursor: encodeCursor(next) } : {}) };
}

/** Reads on among pairs of one sequence when losers of a race filled a whole batch. */
async function findAmongSiblings(context: KeyPairContext, wanted: Position, signal: AbortSignal | undefined, found: (pair: KeyPair) => void): Promise<Position | undefined> {
  const siblings = await storeCall(signal, () =>
    context.store.listKeyPairs(context.organizationId, { beforeSequence: wanted.sequence + 1, limit: 1_000 }, options(signal)),
  );
  for (const { document, keyPairId, sequence } of siblings) {
    if (sequence < wanted.sequence) break;
    const pair = parseKeyPair(document, { organizationId: context.organizationId, what: `key pair ${keyPairId}` });
    if (!pair.digest.equals(wanted.digest)) continue;
    found(pair);
    const { previousDigest } = pair.birth;
    return previousDigest && { sequence: wanted.sequence - 1, digest: previousDigest };
  }
  throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `the store has lost key pair number ${wanted.sequence} of the history`);
}

function encodeCursor({ sequence, digest }: Position): string {
  return `${sequence}.${digest.toString("base64url")}`;
}

function decodeCursor(cursor: string): Position {
  const match = /^([1-9][0-9]{0,15})\.([A-Za-z0-9_-]{43})$/.exec(cursor);
  if (!match?.[1] || !match[2]) throw new InvalidInputError("cursor", "must be a nextCursor of an earlier page", cursor);
  return { sequence: Number(match[1]), digest: Buffer.from(match[2], "base64url") };
}
