import { createHash } from "node:crypto";
import { RecordingKeyStoreError } from "../../errors.js";
import { callOthers } from "../../util/call-others.js";
import { concurrently } from "../../util/concurrently.js";
import type { KeyPairContext } from "../context.js";
import { isOutage } from "../failures.js";
import type { ClaimedKeyPair, KmsCiphertext } from "../key-pair.js";
import type { Place } from "../records.js";
import type { VouchedKeyPair } from "../trust.js";
import { readable } from "../vouching.js";
import { byAnyWrapping, furtherWrappings, storedWrapping, type WrappingParts } from "../wrappings.js";

/** A key pair that KMS has opened under the report's KMS key. */
export interface RewrappedKeyPair {
  readonly keyPairId: string;
  readonly sequence: number;
  /** SHA-256 of the birth record, base64url. */
  readonly digest: string;
  /** SHA-256 of the wrapping that KMS has opened, as the store holds it, base64url. */
  readonly wrapping: string;
}

/**
 * Result of `rewrapKeyPairs()`: a proof to keep, as JSON too, of what KMS has opened and when. The next call goes on from it
 * (`resume`).
 */
export interface RewrapReport {
  /** True when every pair of the history opens under this KMS key: the store no longer needs those before it. */
  readonly complete: boolean;
  readonly organizationId: string;
  /** The KMS key of the active pair, which now wraps the private halves of the earlier ones too. */
  readonly kmsKeyArn: string;
  /** The active pair, from which the history was read. */
  readonly activeKeyPair: { readonly keyPairId: string; readonly sequence: number; readonly digest: string };
  readonly startedAt: Date;
  readonly endedAt: Date;
  /** False with `dryRun`: nothing has changed, and `pairs` and `already` are what is there now. */
  readonly done: boolean;
  /** Number of pairs that got a wrapping under the KMS key in this call, or would get one with `dryRun`: KMS opens them. */
  readonly rewrapped: number;
  /** Number of pairs that had one before, the active pair among them. KMS has opened each now, or by the report of `resume`. */
  readonly already: number;
  /** Pairs that open under the KMS key, newest first. */
  readonly pairs: readonly RewrappedKeyPair[];
  /** Pairs that still need another KMS key, newest first, and why. */
  readonly failed: readonly {
    readonly keyPairId: string;
    readonly sequence: number;
    readonly error: RecordingKeyStoreError;
  }[];
}

/** How far `rewrapKeyPairs()` is, in key pairs. */
export interface RewrapProgress {
  readonly done: number;
  /** Those of the history; what the store lists beside it comes on top as it is met. */
  readonly total: number;
  readonly failed: number;
}

/** What of an earlier report the next call goes on from. */
export type EarlierRewrap = Pick<RewrapReport, "organizationId" | "kmsKeyArn" | "pairs">;

/** How key pairs are rewrapped. */
export interface RewrapRequest {
  readonly dryRun: boolean;
  /** Most pairs in work at a time. */
  readonly concurrency: number;
  readonly resume?: EarlierRewrap | undefined;
  readonly onProgress?: ((progress: RewrapProgress) => void) | undefined;
}

/** Number of pairs read from the store at a time. */
const batch = 50;

type Parts = Pick<KeyPairContext, "organizationId" | "records" | "calls" | "trust" | "clock">;

/**
 * Wraps the private half of every pair under the KMS key of the active one, beside its own. Goes on behind a pair that fails.
 * Stores nothing that KMS has not opened once, and reads back what it has stored. Several workers may do it at once.
 *
 * @param active - the vouched pair that the store's head names, from which the history is read
 * @throws KmsError `ERR_KMS_UNAVAILABLE` in an outage, RecordingKeyStoreError `ERR_STORE_*`, the signal's reason; added
 * wrappings stay, and the next call goes on from there
 */
export async function rewrapKeyPairs(
  parts: Parts,
  active: VouchedKeyPair,
  { dryRun, concurrency, resume, onProgress }: RewrapRequest,
  signal?: AbortSignal,
): Promise<RewrapReport> {
  const { organizationId, clock } = parts;
  const { kmsKeyArn } = active.wrapping;
  const startedAt = new Date(clock.now());
  const history = await surveyed(parts, active, signal);
  const before = resume?.organizationId === organizationId && resume.kmsKeyArn === kmsKeyArn ? resume.pairs : [];
  const opened = new Map(before.map(({ digest, wrapping }) => [digest, wrapping]));
  const job = { ...parts, historyKeys: async () => history.keys, kmsKeyArn, dryRun, opened };
  const count = { rewrapped: 0, already: 0 };
  const pairs: RewrappedKeyPair[] = [];
  const failed: RewrapReport["failed"][number][] = [];
  let [done, others] = [0, 0];
  await concurrently(pairsToRewrap(parts, active, signal), concurrency, async ({ pair, isHistory }) => {
    signal?.throwIfAborted();
    if (!isHistory) others += 1;
    const { keyPairId, sequence } = pair.birth;
    try {
      const { outcome, wrapping } = await rewrap(job, pair, signal);
      count[outcome] += 1;
      if (wrapping) pairs.push({ keyPairId, sequence, digest: pair.digest.toString("base64url"), wrapping });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof RecordingKeyStoreError) || isOutage(error)) throw error;
      if (isHistory || !isForgery(error)) failed.push({ keyPairId, sequence, error });
    }
    done += 1;
    const progress = { done, total: history.total + others, failed: failed.length };
    callOthers(() => onProgress?.(progress));
  });
  return {
    complete: failed.length === 0 && (!dryRun || count.rewrapped === 0),
    organizationId,
    kmsKeyArn,
    activeKeyPair: {
      keyPairId: active.birth.keyPairId,
      sequence: active.birth.sequence,
      digest: active.digest.toString("base64url"),
    },
    startedAt,
    endedAt: new Date(clock.now()),
    done: !dryRun,
    ...count,
    pairs: pairs.sort(newestFirst),
    failed: failed.sort(newestFirst),
  };
}

/** Compares two pairs; those of one sequence by id, as stores list them. */
function newestFirst(one: Place, other: Place): number {
  return other.sequence - one.sequence || (one.keyPairId < other.keyPairId ? -1 : 1);
}

/** The KMS keys of the history, newest first, and its number of pairs, as far as it can be read. */
async function surveyed(
  { records }: Parts,
  active: VouchedKeyPair,
  signal: AbortSignal | undefined,
): Promise<{ keys: ReadonlySet<string>; total: number }> {
  const keys = new Set<string>();
  let total = 0;
  try {
    for await (const { pair } of records.chain({ digest: active.digest }, () => batch, signal)) {
      keys.add(pair.wrapping.kmsKeyArn);
      total += 1;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof RecordingKeyStoreError)) throw error; // the walk that counts says what is wrong
  }
  return { keys, total };
}

/** The history, and all else that the store lists: after a rollback of the head, recordings may need that too. */
async function* pairsToRewrap(
  { records, trust }: Pick<Parts, "records" | "trust">,
  active: VouchedKeyPair,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ pair: ClaimedKeyPair; isHistory: boolean }> {
  const history = new Set<string>();
  for await (const { pair } of records.chain({ digest: active.digest }, () => batch, signal)) {
    history.add(pair.birth.keyPairId);
    yield { pair, isHistory: true };
  }
  for await (const stored of records.list(undefined, () => batch, signal)) {
    if (history.has(stored.keyPairId)) continue;
    const pair = readable(() => records.claimOf(stored));
    if (pair && !trust.knownToBeNone(pair)) yield { pair, isHistory: false };
  }
}

/** Whether KMS has read a pair and it is none of the organization's. */
function isForgery({ code }: RecordingKeyStoreError): boolean {
  return code === "ERR_KMS_REJECTED" || code === "ERR_KEY_PAIR_UNTRUSTED";
}

type Job = Parts &
  WrappingParts & {
    readonly kmsKeyArn: string;
    readonly dryRun: boolean;
    /** Wrappings that KMS has opened in an earlier call, by the digest of the pair's birth record. */
    readonly opened: ReadonlyMap<string, string>;
  };

interface Rewrapped {
  readonly outcome: "rewrapped" | "already";
  /** Digest of the wrapping that KMS has opened; missing where there is none yet. */
  readonly wrapping?: string;
}

async function rewrap(job: Job, pair: ClaimedKeyPair, signal: AbortSignal | undefined): Promise<Rewrapped> {
  const { calls, records, kmsKeyArn, dryRun } = job;
  const { keyPairId } = pair.birth;
  const found = async () =>
    (await furtherWrappings(job, pair, signal)).find((wrapping) => wrapping.kmsKeyArn === kmsKeyArn);
  const known = pair.wrapping.kmsKeyArn === kmsKeyArn ? pair.wrapping : await found();
  if (known) return openedUnder(job, pair, known, signal);
  if (dryRun) {
    await byAnyWrapping(job, pair, (own) => calls.unwrapHalf(pair, own, signal), signal);
    return { outcome: "rewrapped" };
  }
  const made = await byAnyWrapping(job, pair, (own) => calls.rewrap(pair, own, kmsKeyArn, signal), signal);
  const created = await records.createWrapping(keyPairId, storedWrapping(pair, made), signal);
  const stored = await found();
  if (!stored) {
    const message =
      created === "created"
        ? `the store does not have the wrapping under ${kmsKeyArn} that it said it had stored`
        : `the place of its wrapping under ${kmsKeyArn} is taken by something else`;
    throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `key pair ${keyPairId}: ${message}`);
  }
  if (created === "created" && stored.ciphertext.equals(made.ciphertext))
    return { outcome: "rewrapped", wrapping: digestOf(stored) };
  // Another worker was first, or something else than was given has been stored.
  return openedUnder(job, pair, stored, signal);
}

/** Has KMS open a wrapping, unless it did so in the call before. */
async function openedUnder(
  { calls, opened }: Job,
  pair: ClaimedKeyPair,
  wrapping: KmsCiphertext,
  signal: AbortSignal | undefined,
): Promise<Rewrapped> {
  const digest = digestOf(wrapping);
  if (opened.get(pair.digest.toString("base64url")) !== digest) await calls.unwrapHalf(pair, wrapping, signal);
  return { outcome: "already", wrapping: digest };
}

function digestOf({ ciphertext }: KmsCiphertext): string {
  return createHash("sha256").update(ciphertext).digest("base64url");
}
