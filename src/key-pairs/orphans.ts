import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import type { StoredKeyPair } from "../stores/key-pair-store.js";
import { birthRecordDigest } from "./birth-record.js";
import type { KeyPairContext } from "./context.js";
import { decodeDocument, encodeDocument } from "./documents.js";
import { readHead, storeCall, type Head } from "./head.js";
import { chainOfPairs, storedPairs } from "./history.js";
import type { KeyPair } from "./key-pair.js";
import { options } from "./making.js";

/*
 * A worker that loses a race for the head leaves its pair behind, and so does one that is killed between storing a pair and
 * swinging the head. After a store was restored in part, pairs that recordings need look just the same. So a pair may be
 * removed only on proof that it was never active: the mark that its own maker left when it knew that it had lost.
 */

/** How many pairs are read from the store at a time. */
const batch = 50;
/** Beside the wrappings of a pair, whose ids are hashes of 43 characters. */
const markId = "lost";

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
 * Leaves word that a pair was never active. A store's client may have repeated a swap that had succeeded, and so have called
 * a success a refusal: the history that the head names now decides. Failing to is no trouble.
 */
export async function markLost(context: KeyPairContext, pair: KeyPair, head: Head): Promise<void> {
  const { store, organizationId } = context;
  try {
    if (head.sequence < pair.birth.sequence) return; // the store went backwards: it proves nothing
    for await (const { pair: active } of chainOfPairs(context, { digest: head.digest }, () => 10)) {
      if (active.digest.equals(pair.digest)) return;
      if (active.birth.sequence <= pair.birth.sequence) break;
    }
    const document = encodeDocument("lost", { digest: pair.digest });
    await store.createWrapping(organizationId, pair.birth.keyPairId, { wrappingId: markId, document });
  } catch {
    // An orphan without a mark is kept for good, and harms nobody.
  }
}

/**
 * Removes what lost races have left in the store, and nothing that ever was active. Runs only when it is called.
 *
 * @param checkHead - throws for a head that was brought back: whoever can write to the store could mark what it does not name
 * @throws InvalidInputError for a store that removes nothing; RecordingKeyStoreError for its failures: a history that can't
 * be read whole is left as it is
 */
export async function removeOrphans(
  context: KeyPairContext,
  { dryRun, checkHead }: { dryRun: boolean; checkHead: (head: Head) => void },
  signal?: AbortSignal,
): Promise<OrphanReport> {
  const { store, organizationId } = context;
  const remove = store.removeKeyPair?.bind(store);
  if (!remove && !dryRun) throw new InvalidInputError("store", "must have removeKeyPair(), or dryRun must be set");
  const head = await readHead(context, signal);
  const removed: OrphanedKeyPair[] = [];
  const kept: OrphanedKeyPair[] = [];
  if (!head) return { removed, kept };
  checkHead(head);
  const history = new Set<string>();
  for await (const { pair } of chainOfPairs(context, { digest: head.digest }, () => batch, signal)) history.add(pair.birth.keyPairId);
  for await (const stored of storedPairs(context, undefined, () => batch, signal)) {
    const { keyPairId, sequence } = stored;
    // One ahead of the head may be on its way to become active.
    if (sequence > head.sequence || history.has(keyPairId)) continue;
    signal?.throwIfAborted();
    const proven = await isMarkedLost(context, stored, signal);
    if (proven && !dryRun) await storeCall(signal, async () => remove?.(organizationId, keyPairId, options(signal)));
    (proven ? removed : kept).push({ keyPairId, sequence });
  }
  return { removed, kept };
}

async function isMarkedLost({ store, organizationId }: KeyPairContext, { keyPairId, document }: StoredKeyPair, signal: AbortSignal | undefined): Promise<boolean> {
  const marks = await storeCall(signal, () => store.listWrappings(organizationId, keyPairId, options(signal)));
  const mark = marks.find(({ wrappingId }) => wrappingId === markId);
  if (!mark) return false;
  try {
    const { birthRecord } = decodeDocument("keyPair", document, `key pair ${keyPairId}`);
    return decodeDocument("lost", mark.document, `mark of key pair ${keyPairId}`).digest.equals(birthRecordDigest(birthRecord));
  } catch (error) {
    if (error instanceof RecordingKeyStoreError) return false; // damaged, or of a newer version: not ours to judge
    throw error;
  }
}
