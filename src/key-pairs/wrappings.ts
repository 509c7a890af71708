import { createHash } from "node:crypto";
import { RecordingKeyStoreError } from "../errors.js";
import type { StoredWrapping } from "../stores/key-pair-store.js";
import type { KeyPairContext } from "./context.js";
import { decodeDocument, encodeDocument } from "./documents.js";
import type { ClaimedKeyPair, KmsCiphertext } from "./key-pair.js";
import { KmsError } from "../kms/kms-error.js";

/*
 * A pair's private half stands in its own record under the KMS key that it was made under. Rewrapping adds further
 * wrappings, one per KMS key and never changed; they count for less than the pair's own: nothing is read of them until
 * KMS refuses that, and what is wrong with one of them is no trouble of the pair's.
 */

/** How many further wrappings are tried under KMS keys that the history does not name: each costs a KMS call. */
const triedAtMost = 8;

type Parts = Pick<KeyPairContext, "records" | "trust"> & {
  /** KMS keys of the history's pairs, newest first: rewrapping goes under these alone, so they are tried first. */
  readonly historyKeys: () => Promise<ReadonlySet<string>>;
};

/** The KMS keys of the history that a pair leads to, newest first; none where it can't be read. */
export async function kmsKeysOf(
  records: KeyPairContext["records"],
  newest: ClaimedKeyPair | undefined,
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  if (!newest) return keys;
  try {
    for await (const { pair } of records.chain({ digest: newest.digest }, () => 50)) keys.add(pair.wrapping.kmsKeyArn);
  } catch (error) {
    if (!(error instanceof RecordingKeyStoreError)) throw error; // what was read of it will do
  }
  return keys;
}

/** One wrapping per KMS key: its id is the SHA-256 of the key's ARN. */
export function wrappingIdOf(kmsKeyArn: string): string {
  return createHash("sha256").update(kmsKeyArn).digest("base64url");
}

export function storedWrapping(
  { digest }: Pick<ClaimedKeyPair, "digest">,
  { kmsKeyArn, ciphertext }: KmsCiphertext,
): StoredWrapping {
  return {
    wrappingId: wrappingIdOf(kmsKeyArn),
    document: encodeDocument("wrapping", { digest, wrapping: { kmsKeyArn, ciphertext } }),
  };
}

/** The pair's further wrappings that may count. Damaged, foreign and uncovered ones are left out. @throws `ERR_STORE_UNAVAILABLE` */
export async function furtherWrappings(
  { records, trust }: Pick<Parts, "records" | "trust">,
  pair: ClaimedKeyPair,
  signal?: AbortSignal,
): Promise<KmsCiphertext[]> {
  const found: KmsCiphertext[] = [];
  for (const { wrappingId, document } of await records.listWrappings(pair.birth.keyPairId, signal)) {
    try {
      const { digest, wrapping } = decodeDocument("wrapping", document, `wrapping ${wrappingId}`);
      if (
        digest.equals(pair.digest) &&
        wrappingId === wrappingIdOf(wrapping.kmsKeyArn) &&
        trust.coversKey(wrapping.kmsKeyArn)
      )
        found.push(wrapping);
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error;
    }
  }
  return found;
}

/**
 * Opens a pair's private half by its own wrapping, or by a further one where KMS refuses its own key (disabled, deleted,
 * denied) or the trust anchor does not cover that any more. Not in an outage: that passes.
 *
 * @throws what the attempt by the pair's own wrapping throws; an outage of a further KMS key goes before it, since that
 * will pass
 */
export async function byAnyWrapping<T>(
  parts: Parts,
  pair: ClaimedKeyPair,
  attempt: (wrapping: KmsCiphertext) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let failure: unknown;
  try {
    parts.trust.checkForDecryption(pair);
    return await attempt(pair.wrapping);
  } catch (error) {
    if (!isClosed(error, pair, parts)) throw error;
    failure = error;
  }
  for (const further of await inTheirTurn(parts, pair, signal)) {
    try {
      return await attempt(further);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof KmsError && error.code === "ERR_KMS_UNAVAILABLE") failure = error;
    }
  }
  throw failure;
}

/** Whoever can write to the store may have put any number beside the genuine ones. */
async function inTheirTurn(
  parts: Parts,
  pair: ClaimedKeyPair,
  signal: AbortSignal | undefined,
): Promise<KmsCiphertext[]> {
  const found = (await furtherWrappings(parts, pair, signal).catch(() => [])).filter(
    ({ kmsKeyArn }) => kmsKeyArn !== pair.wrapping.kmsKeyArn,
  );
  if (found.length === 0) return [];
  const keys = [...(await parts.historyKeys())];
  const known = keys.flatMap((key) => found.filter(({ kmsKeyArn }) => kmsKeyArn === key));
  return [...known, ...found.filter((wrapping) => !known.includes(wrapping)).slice(0, triedAtMost)];
}

/** Whether the pair's own KMS key is of no use, and will be of none until somebody acts. */
function isClosed(error: unknown, pair: ClaimedKeyPair, { trust }: Parts): boolean {
  if (error instanceof KmsError) return error.code === "ERR_KMS_REFUSED";
  return !trust.coversForDecryption(pair);
}

/** @throws `ERR_KEY_PAIR_UNTRUSTED` unless the trust anchor covers one of the KMS keys that the pair is wrapped under */
export async function checkAnyCovered(parts: Parts, pair: ClaimedKeyPair, signal?: AbortSignal): Promise<void> {
  if (parts.trust.coversForDecryption(pair)) return;
  if ((await furtherWrappings(parts, pair, signal)).length === 0) parts.trust.checkForDecryption(pair);
}
