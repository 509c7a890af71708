import { InvalidInputError } from "../../errors.js";
import type { KeyPairContext } from "../context.js";
import { isProvenNeverActive } from "../never-active.js";
import type { VouchedKeyPair } from "../trust.js";
import { readable } from "../vouching.js";

/*
 * A worker that loses a race for the head leaves its pair behind, and so does one that is killed between storing a pair and
 * swinging the head. In a store that was restored in part, pairs that recordings need look the same. So a pair is removed only
 * on proof that it never was active: the mark that its own maker had KMS seal once it knew that it had lost.
 */

/** Number of pairs read from the store at a time. */
const batch = 50;

/** A pair that the history does not name. */
export interface OrphanedKeyPair {
  readonly keyPairId: string;
  readonly sequence: number;
}

/** Result of `removeOrphanedKeyPairs()`. */
export interface OrphanReport {
  /** Pairs removed, or to be removed with `dryRun`: proven never to have been active. */
  readonly removed: readonly OrphanedKeyPair[];
  /** Pairs kept for want of that proof: recordings may need them, if the store was ever restored. */
  readonly kept: readonly OrphanedKeyPair[];
}

type Parts = Pick<KeyPairContext, "records" | "calls" | "trust">;

/** Options of an administrator's call that can be tried first. */
export interface DryRun {
  /** Changes nothing, and reports what would change. */
  readonly dryRun: boolean;
}

/**
 * Removes what lost races have left in the store, and nothing that ever was active.
 *
 * @param active - the vouched pair that the store's head names, from which the history is read
 * @throws InvalidInputError for a store that removes nothing; KmsError where KMS can't be asked about a mark;
 * RecordingKeyStoreError `ERR_STORE_*`: a history that can't be read whole is left as it is
 */
export async function removeOrphans(
  parts: Parts,
  active: VouchedKeyPair,
  { dryRun }: DryRun,
  signal?: AbortSignal,
): Promise<OrphanReport> {
  const { records, trust } = parts;
  if (!records.canRemove && !dryRun)
    throw new InvalidInputError("store", "must have removeKeyPair(), or dryRun must be set");
  const removed: OrphanedKeyPair[] = [];
  const kept: OrphanedKeyPair[] = [];
  const history = new Set<string>();
  for await (const { pair } of records.chain({ digest: active.digest }, () => batch, signal))
    history.add(pair.birth.keyPairId);
  for await (const stored of records.list(undefined, () => batch, signal)) {
    const { keyPairId, sequence } = stored;
    // A pair ahead of the head may be about to become active.
    if (sequence > active.birth.sequence || history.has(keyPairId)) continue;
    signal?.throwIfAborted();
    const claim = readable(() => records.claimOf(stored)); // unreadable where damaged, or of a newer version
    const mayBeOurs = claim !== undefined && !trust.knownToBeNone(claim);
    const proven = mayBeOurs && (await isProvenNeverActive(parts, claim, signal));
    if (proven && !dryRun) await records.remove(keyPairId, signal);
    (proven ? removed : kept).push({ keyPairId, sequence });
  }
  return { removed, kept };
}
