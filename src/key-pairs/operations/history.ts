import { InvalidInputError, type RecordingKeyStoreError } from "../../errors.js";
import type { KeyPairReason, KeyPairSpec, PeriodicKeyChange } from "../../format/vocabulary.js";
import { defined } from "../../util/defined.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import type { Position } from "../records.js";
import type { VouchedKeyPair } from "../trust.js";

/** A key pair for administrators. Holds no key. */
export interface KeyPairInfo {
  readonly keyPairId: string;
  /** Position in the history, from 1. */
  readonly sequence: number;
  /** True for the pair that encrypts. */
  readonly active: boolean;
  /** Why it was made; missing for pairs of versions that did not say. */
  readonly reason?: KeyPairReason;
  readonly spec: KeyPairSpec;
  readonly createdAt: Date;
  readonly kmsKeyAliasArn: string;
  /** The KMS key to which the alias resolved when the pair was made, and which wraps its private half. */
  readonly kmsKeyArn: string;
  readonly periodicKeyChange: PeriodicKeyChange;
  /** SHA-256 of the birth record, base64url. */
  readonly digest: string;
}

/** A page of the history. */
export interface KeyPairPage {
  /** Newest first. */
  readonly items: readonly KeyPairInfo[];
  /** The `cursor` of the next page; missing on the last one. */
  readonly nextCursor?: string;
  /** Why the pair that the store's head names is not the active one; missing where it is. */
  readonly storeError?: RecordingKeyStoreError;
}

export function keyPairInfo(pair: ClaimedKeyPair, active: boolean): KeyPairInfo {
  const { keyPairId, sequence, reason, spec, createdAt, kmsKeyAliasArn, periodicKeyChange } = pair.birth;
  return {
    keyPairId,
    sequence,
    active,
    ...defined({ reason }),
    spec,
    createdAt: new Date(createdAt),
    kmsKeyAliasArn,
    kmsKeyArn: pair.wrapping.kmsKeyArn,
    periodicKeyChange,
    digest: pair.digest.toString("base64url"),
  };
}

/** Number of pairs read at a time on the way to the place of a cursor. */
const batch = 50;

/** Digests met on walks along the history, so that the next page starts at its cursor. */
export class WalkedHistory {
  static readonly #limit = 10_000;
  readonly #digests = new Set<string>();

  has(digest: Buffer): boolean {
    return this.#digests.has(digest.toString("base64url"));
  }

  add(digest: Buffer): void {
    if (this.#digests.size >= WalkedHistory.#limit) this.#digests.clear();
    this.#digests.add(digest.toString("base64url"));
  }
}

/** Which page of the history. */
export interface HistoryQuery {
  /** Most pairs in the page. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/**
 * A page of the history that a vouched pair's birth record leads to.
 * @throws InvalidInputError for a cursor of no page, or of another history; RecordingKeyStoreError `ERR_STORE_*`
 */
export async function listHistory(
  { records }: Pick<KeyPairContext, "records">,
  active: VouchedKeyPair,
  walked: WalkedHistory,
  { limit, cursor }: HistoryQuery,
  signal?: AbortSignal,
): Promise<KeyPairPage> {
  const from = cursor === undefined ? { digest: active.digest } : decodeCursor(cursor);
  // A cursor may come from anybody, so it must lie in this history.
  if (cursor !== undefined && !walked.has(from.digest) && !(await leadsTo(records, active, from, signal)))
    throw badCursor(cursor);
  const items: KeyPairInfo[] = [];
  for await (const { pair, next } of records.chain(from, () => limit - items.length, signal)) {
    items.push(keyPairInfo(pair, pair.digest.equals(active.digest)));
    if (next) walked.add(next.digest);
    if (items.length === limit) return { items, ...defined({ nextCursor: next && encodeCursor(next) }) };
  }
  return { items };
}

async function leadsTo(
  records: KeyPairContext["records"],
  active: VouchedKeyPair,
  { digest }: Position,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for await (const { next } of records.chain({ digest: active.digest }, () => batch, signal))
    if (next?.digest.equals(digest)) return true;
  return false;
}

function encodeCursor({ after, digest }: Position): string {
  return [after?.sequence, after?.keyPairId, digest.toString("base64url")].join(".");
}

function decodeCursor(cursor: string): Position {
  const match = /^([1-9][0-9]{0,14})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/.exec(cursor);
  if (!match?.[1] || !match[2] || !match[3]) throw badCursor(cursor);
  return { after: { sequence: Number(match[1]), keyPairId: match[2] }, digest: Buffer.from(match[3], "base64url") };
}

function badCursor(cursor: string): InvalidInputError {
  return new InvalidInputError("cursor", "must be a nextCursor of an earlier page", cursor);
}
