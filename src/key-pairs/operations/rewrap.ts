import { RecordingKeyStoreError } from "../../errors.js";
import type { KeyPairContext } from "../context.js";
import { isOutage } from "../failures.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import type { VouchedKeyPair } from "../trust.js";
import { readable } from "../vouching.js";
import { byAnyWrapping, furtherWrappings, kmsKeysOf, storedWrapping, type WrappingParts } from "../wrappings.js";

/** Result of `rewrapKeyPairs()`. */
export interface RewrapReport {
  /** True when every pair of the history opens under this KMS key: the store no longer needs those before it. */
  readonly complete: boolean;
  /** The KMS key of the active pair, which now wraps the private halves of the earlier ones too. */
  readonly kmsKeyArn: string;
  /** Number of pairs that got a wrapping under it in this call. */
  readonly rewrapped: number;
  /** Number of pairs that had one before, the active pair among them. KMS has opened each just now. */
  readonly already: number;
  /** Pairs that still need another KMS key, newest first, and why. */
  readonly failed: readonly {
    readonly keyPairId: string;
    readonly sequence: number;
    readonly error: RecordingKeyStoreError;
  }[];
}

/** Number of pairs read from the store at a time. */
const batch = 50;

type Parts = Pick<KeyPairContext, "records" | "calls" | "trust">;

/**
 * Wraps the private half of every pair under the KMS key of the active one, beside its own. Goes on behind a pair that fails.
 * Stores nothing that KMS has not opened once. Several workers may do it at once.
 *
 * @param active - the vouched pair that the store's head names, from which the history is read
 * @throws KmsError `ERR_KMS_UNAVAILABLE` in an outage, RecordingKeyStoreError `ERR_STORE_*`, the signal's reason; added
 * wrappings stay, and the next call goes on from there
 */
export async function rewrapKeyPairs(
  parts: Parts,
  active: VouchedKeyPair,
  signal?: AbortSignal,
): Promise<RewrapReport> {
  const { kmsKeyArn } = active.wrapping;
  const historyKeys = await kmsKeysOf(parts.records, active, signal);
  const tried = { ...parts, historyKeys: async () => historyKeys };
  const count = { rewrapped: 0, already: 0 };
  const failed: RewrapReport["failed"][number][] = [];
  for await (const { pair, isHistory } of pairsToRewrap(parts, active, signal)) {
    signal?.throwIfAborted();
    try {
      count[await rewrap(tried, pair, kmsKeyArn, signal)] += 1;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof RecordingKeyStoreError) || isOutage(error)) throw error;
      if (!isHistory && isForgery(error)) continue;
      failed.push({ keyPairId: pair.birth.keyPairId, sequence: pair.birth.sequence, error });
    }
  }
  return { complete: failed.length === 0, kmsKeyArn, ...count, failed };
}

/** The history, and all else that the store lists: after a rollback of the head, recordings may need that too. */
async function* pairsToRewrap(
  { records, trust }: Parts,
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

async function rewrap(
  parts: Parts & WrappingParts,
  pair: ClaimedKeyPair,
  kmsKeyArn: string,
  signal: AbortSignal | undefined,
): Promise<"rewrapped" | "already"> {
  const { calls, records } = parts;
  const { keyPairId } = pair.birth;
  const found = async () =>
    (await furtherWrappings(parts, pair, signal)).find((wrapping) => wrapping.kmsKeyArn === kmsKeyArn);
  const known = pair.wrapping.kmsKeyArn === kmsKeyArn ? pair.wrapping : await found();
  if (known) {
    await calls.unwrapHalf(pair, known, signal);
    return "already";
  }
  const made = await byAnyWrapping(parts, pair, (own) => calls.rewrap(pair, own, kmsKeyArn, signal), signal);
  if ((await records.createWrapping(keyPairId, storedWrapping(pair, made), signal)) === "created") return "rewrapped";
  // Another worker was first, or a writer of the store has put something in its place.
  const other = await found();
  if (!other) {
    throw new RecordingKeyStoreError(
      "ERR_STORE_CORRUPT",
      `key pair ${keyPairId}: the place of its wrapping under ${kmsKeyArn} is taken by something else`,
    );
  }
  await calls.unwrapHalf(pair, other, signal);
  return "already";
}
