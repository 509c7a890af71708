import { RecordingKeyStoreError } from "../errors.js";
import { KmsError, kmsFailureGroup } from "../kms/kms-error.js";
import type { StoredWrapping } from "../stores/key-pair-store.js";
import { defined } from "../util/defined.js";
import type { KeyPairContext } from "./context.js";
import { decodeDocument, encodeDocument } from "./documents.js";
import type { ClaimedKeyPair, KmsCiphertext } from "./key-pair.js";
import type { VouchedKeyPair } from "./trust.js";

/*
 * A worker that loses a race for the head leaves its pair behind. Once it knows that it lost, it marks the pair with a word
 * that KMS has sealed under the pair's own context, which a writer of the store can't make. A marked pair may be removed,
 * and nobody takes it up, whatever a head says.
 *
 * Marking and taking up create the same record beside the pair, so that of a maker who marks and a worker who takes up at the
 * same moment one learns that the other was first. Anything else in that place only keeps an orphan.
 */

/** Id of the record, among the wrappings of a pair, whose ids are hashes of 43 characters. */
const fateId = "fate";

type Parts = Pick<KeyPairContext, "records" | "calls">;
type TakingParts = Parts & Pick<KeyPairContext, "pendingTakeUps">;

/**
 * Marks a pair that this process has made and that never was active. A store's client may repeat a swap that has succeeded,
 * and report a conflict: the history of the vouched winner decides. Never rejects: an orphan without a mark is kept, and
 * harms nobody.
 */
export async function markNeverActive(
  { records, calls }: Parts,
  pair: VouchedKeyPair,
  winner: VouchedKeyPair,
): Promise<void> {
  try {
    if (winner.birth.sequence < pair.birth.sequence) return; // the store went backwards, which proves nothing
    for await (const { pair: active } of records.chain({ digest: winner.digest }, () => 10)) {
      if (active.digest.equals(pair.digest)) return;
      if (active.birth.sequence <= pair.birth.sequence) break;
    }
    await records.createWrapping(pair.birth.keyPairId, fateOf(pair, await calls.sealNeverActive(pair)));
  } catch {
    // an orphan without a mark is kept
  }
}

/**
 * Takes up a pair that KMS has vouched for, unless a mark proves that it never was active. Afterwards nobody can mark it. A
 * store that takes no writes stops no recording: what it refused is left to {@link takeUpPending}.
 * @returns whether it may be used
 * @throws KmsError `ERR_KMS_UNAVAILABLE` where KMS can't be asked about a mark; RecordingKeyStoreError `ERR_STORE_*`
 */
export async function takeUp(parts: TakingParts, pair: ClaimedKeyPair, signal?: AbortSignal): Promise<boolean> {
  const { records, pendingTakeUps } = parts;
  const found = await readFate(records, pair, signal);
  if (found) return !(await isProven(parts, pair, found, signal));
  try {
    if ((await records.createWrapping(pair.birth.keyPairId, fateOf(pair), signal)) === "created") return true;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof RecordingKeyStoreError)) throw error;
    pendingTakeUps.set(pair.digest.toString("hex"), pair);
    return true;
  }
  const first = await readFate(records, pair, signal);
  return !first || !(await isProven(parts, pair, first, signal));
}

/**
 * Takes up a pair while KMS can't be asked.
 * @returns whether it may be used: not where there is a mark, be it a forged one
 */
export async function takeUpUnasked(
  { records, pendingTakeUps }: Pick<TakingParts, "records" | "pendingTakeUps">,
  pair: ClaimedKeyPair,
): Promise<boolean> {
  try {
    if ((await records.createWrapping(pair.birth.keyPairId, fateOf(pair))) === "created") return true;
    const found = await readFate(records, pair, undefined);
    return found === undefined || decodeDocument("fate", found.document, "fate").mark === undefined;
  } catch (error) {
    if (!(error instanceof RecordingKeyStoreError)) throw error;
    pendingTakeUps.set(pair.digest.toString("hex"), pair); // the store is away, or has garbage there, which proves nothing
    return true;
  }
}

/**
 * Takes up what a store has refused while it took no writes, also after the head has moved on: recordings may have been
 * encrypted with it. A mark that was quicker ends that too. Never rejects for store or KMS, and tries again the next time.
 */
export async function takeUpPending(parts: TakingParts): Promise<void> {
  const { pendingTakeUps } = parts;
  for (const [digest, pair] of [...pendingTakeUps]) {
    pendingTakeUps.delete(digest);
    try {
      await takeUp(parts, pair); // puts it back where the store refuses again
    } catch (error) {
      pendingTakeUps.set(digest, pair);
      if (!(error instanceof RecordingKeyStoreError)) throw error;
      return;
    }
  }
}

/** Whether a mark proves that a pair never was active. @throws as {@link takeUp} */
export async function isProvenNeverActive(parts: Parts, pair: ClaimedKeyPair, signal?: AbortSignal): Promise<boolean> {
  const found = await readFate(parts.records, pair, signal);
  return found !== undefined && isProven(parts, pair, found, signal);
}

function fateOf({ digest }: Pick<ClaimedKeyPair, "digest">, mark?: KmsCiphertext): StoredWrapping {
  return {
    wrappingId: fateId,
    document: encodeDocument("fate", { digest, ...defined({ mark: mark && { ...mark } }) }),
  };
}

async function readFate(
  records: KeyPairContext["records"],
  { birth }: ClaimedKeyPair,
  signal: AbortSignal | undefined,
): Promise<StoredWrapping | undefined> {
  return (await records.listWrappings(birth.keyPairId, signal)).find(({ wrappingId }) => wrappingId === fateId);
}

/** Whether a record proves it: not a damaged one, one of another pair or KMS key, or one that KMS has not sealed. */
async function isProven(
  { calls }: Pick<Parts, "calls">,
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
