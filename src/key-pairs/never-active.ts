import { RecordingKeyStoreError } from "../errors.js";
import { kmsFailureGroup, KmsError } from "../kms/kms-error.js";
import type { StoredWrapping } from "../stores/key-pair-store.js";
import { decodeDocument, encodeDocument } from "./documents.js";
import type { ClaimedKeyPair, KmsCiphertext } from "./key-pair.js";
import type { KmsCalls } from "./kms-calls.js";
import type { KeyPairRecords } from "./records.js";
import type { VouchedKeyPair } from "./trust.js";

/*
 * A worker that loses a race for the head leaves its pair behind. When it knows that it lost, it marks the pair, in words
 * that KMS has sealed under the pair's own context: whoever can write to the store alone can't make such a mark. A pair so
 * marked may be removed, and is taken up by nobody, whatever a head says.
 *
 * Mark and taking up go through one create-only place beside the pair, so that of a maker who marks and a worker who takes
 * up at the same moment one is told that the other was first. What else somebody puts there only keeps an orphan.
 */

/** Beside the wrappings of a pair, whose ids are hashes of 43 characters. */
const fateId = "fate";

interface Parts {
  readonly records: KeyPairRecords;
  readonly calls: KmsCalls;
}

/**
 * Marks a pair that this process has made and that never was active. A store's client may have repeated a swap that had
 * succeeded, and so have called a success a refusal: the history of the vouched pair that won decides. Failing to is no
 * trouble: an orphan without a mark is kept for good, and harms nobody.
 */
export async function markNeverActive(
  { records, calls }: Parts,
  pair: VouchedKeyPair,
  winner: VouchedKeyPair,
): Promise<void> {
  try {
    if (winner.birth.sequence < pair.birth.sequence) return; // the store went backwards: it proves nothing
    for await (const { pair: active } of records.chain({ digest: winner.digest }, () => 10)) {
      if (active.digest.equals(pair.digest)) return;
      if (active.birth.sequence <= pair.birth.sequence) break;
    }
    await records.createWrapping(pair.birth.keyPairId, fateOf(pair, await calls.sealNeverActive(pair)));
  } catch {
    // as said above
  }
}

/**
 * Takes up a pair that KMS has vouched for, unless it is proven that it never was active. Nobody can prove that any more
 * afterwards.
 * @returns whether it may be used
 * @throws KmsError `ERR_KMS_UNAVAILABLE` where KMS can't be asked about a mark; `ERR_STORE_*`
 */
export async function takeUp(parts: Parts, pair: ClaimedKeyPair, signal?: AbortSignal): Promise<boolean> {
  const { records } = parts;
  const found = await readFate(records, pair, signal);
  if (found) return !(await isProven(parts, pair, found, signal));
  try {
    if ((await records.createWrapping(pair.birth.keyPairId, fateOf(pair), signal)) === "created") return true;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof RecordingKeyStoreError) return true; // a store that takes no writes is no reason not to record
    throw error;
  }
  const first = await readFate(records, pair, signal);
  return !first || !(await isProven(parts, pair, first, signal));
}

/**
 * Takes up a pair that KMS can't be asked about now.
 * @returns whether it may be used: not where a mark stands, be it a forged one
 */
export async function takeUpUnasked(records: KeyPairRecords, pair: ClaimedKeyPair): Promise<boolean> {
  try {
    if ((await records.createWrapping(pair.birth.keyPairId, fateOf(pair))) === "created") return true;
    const found = await readFate(records, pair, undefined);
    return found === undefined || decodeDocument("fate", found.document, "fate").mark === undefined;
  } catch (error) {
    if (error instanceof RecordingKeyStoreError) return true; // the store is away, or has garbage there that proves nothing
    throw error;
  }
}

/** Whether it is proven that a pair never was active. @throws as {@link takeUp} */
export async function isProvenNeverActive(parts: Parts, pair: ClaimedKeyPair, signal?: AbortSignal): Promise<boolean> {
  const found = await readFate(parts.records, pair, signal);
  return found !== undefined && isProven(parts, pair, found, signal);
}

function fateOf({ digest }: Pick<ClaimedKeyPair, "digest">, mark?: KmsCiphertext): StoredWrapping {
  return { wrappingId: fateId, document: encodeDocument("fate", { digest, ...(mark ? { mark: { ...mark } } : {}) }) };
}

async function readFate(
  records: KeyPairRecords,
  { birth }: ClaimedKeyPair,
  signal: AbortSignal | undefined,
): Promise<StoredWrapping | undefined> {
  return (await records.listWrappings(birth.keyPairId, signal)).find(({ wrappingId }) => wrappingId === fateId);
}

/** What is damaged, of another pair, under another KMS key or not sealed by KMS proves nothing. */
async function isProven(
  { calls }: Parts,
  pair: ClaimedKeyPair,
  { document }: StoredWrapping,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const { digest, mark } = decodeDocument("fate", document, `fate of key pair ${pair.birth.keyPairId}`);
    if (!mark || !digest.equals(pair.digest) || mark.kmsKeyArn !== pair.attestation.kmsKeyArn) return false;
    return await calls.saysNeverActive(pair, mark, signal);
  } catch (error) {
    const passes = error instanceof KmsError && kmsFailureGroup(error.kind) === "unavailable";
    if (error instanceof RecordingKeyStoreError && !passes) return false;
    throw error;
  }
}
