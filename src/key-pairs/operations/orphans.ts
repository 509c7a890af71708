import { InvalidInputError } from "../../errors.js";
import type { KeyPairContext } from "../context.js";
import { isProvenNeverActive } from "../never-active.js";
import type { VouchedKeyPair } from "../trust.js";
import { readable } from "../vouching.js";

/*
 * A worker that loses a race for the head leaves its pair behind, and so does one that is killed between storing a pair and
 * swinging the head. After a store was restored in part, pairs that recordings need look just the same. So a pair may be
 * removed only on proof that it was never active: the mark that its own maker had KMS seal when it knew that it had lost.
 */

/** How many pairs are read from the store at a time. */
const batch = 50;

/** A pair that the history does not name. */
export interface OrphanedKeyPair {
  readonly keyPairId: string;
  readonly sequence: number;
}

export interface OrphanReport {
  /** Removed, or with `dryRun` to be removed: their makers knew that they had lost their race and never were active. */
  readonly removed: readonly OrphanedKeyPair[];
  /** Left alone for want of that proof: recordings may need them, if the store was ever restored. */
  readonly kept: readonly OrphanedKeyPair[];
}

/**
 * Removes what lost races have left in the store, and nothing that ever was active. Runs only when it is called.
 *
 * @param active - the vouched pair that the store's head names: the history is what its birth record leads to
 * @throws InvalidInputError for a store that removes nothing; KmsError where KMS can't be asked about a mark;
 * RecordingKeyStoreError for the store's failures: a history that can't be read whole is left as it is
 */
export async function removeOrphans(
  context: Pick<KeyPairContext, "records" | "calls" | "trust">,
  active: VouchedKeyPair,
  { dryRun }: { dryRun: boolean },
  signal?: AbortSignal,
): Promise<OrphanReport> {
  const { records } = context;
  if (!records.canRemove && !dryRun)
    throw new InvalidInputError("store", "must have removeKeyPair(), or dryRun must be set");
  const removed: OrphanedKeyPair[] = [];
  const kept: OrphanedKeyPair[] = [];
  const history = new Set<string>();
  for await (const { pair } of records.chain({ digest: active.digest }, () => batch, signal))
    history.add(pair.birth.keyPairId);
  for await (const stored of records.list(undefined, () => batch, signal)) {
    const { keyPairId, sequence } = stored;
    // One ahead of the head may be on its way to become active.
    if (sequence > active.birth.sequence || history.has(keyPairId)) continue;
    signal?.throwIfAborted();
    const claim = readable(() => records.claimOf(stored)); // damaged, or of a newer version: not ours to judge
    const mayBeOurs = claim !== undefined && !context.trust.knownToBeNone(claim);
    const proven = mayBeOurs && (await isProvenNeverActive(context, claim, signal));
    if (proven && !dryRun) await records.remove(keyPairId, signal);
    (proven ? removed : kept).push({ keyPairId, sequence });
  }
  return { removed, kept };
}
