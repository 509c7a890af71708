import { createHash } from "node:crypto";
import { RecordingKeyStoreError } from "../errors.js";
import { KmsError } from "../kms/kms-error.js";
import type { StoredWrapping } from "../stores/key-pair-store.js";
import type { KeyPairContext } from "./context.js";
import { decodeDocument, encodeDocument } from "./documents.js";
import type { ClaimedKeyPair, KmsCiphertext } from "./key-pair.js";

/*
 * A pair's own record has its private half under the KMS key that it was made under. Rewrapping adds further wrappings, one
 * per KMS key and never changed. They are read only where KMS refuses the pair's own, and damage of one is no trouble.
 */

/** Most further wrappings tried under KMS keys that the history does not name: each costs a KMS call. */
const triedAtMost = 8;

export type WrappingParts = Pick<KeyPairContext, "records" | "trust"> & {
  /** KMS keys of the history, newest first. Tried first, since rewrapping goes under these alone. */
  readonly historyKeys: () => Promise<ReadonlySet<string>>;
};

/** The KMS keys of the history that a pair leads to, newest first, as far as it can be read. */
export async function kmsKeysOf(
  records: KeyPairContext["records"],
  newest: ClaimedKeyPair | undefined,
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  if (!newest) return keys;
  try {
    for await (const { pair } of records.chain({ digest: newest.digest }, () => 50, signal))
      keys.add(pair.wrapping.kmsKeyArn);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof RecordingKeyStoreError)) throw error; // goes on with what was read
  }
  return keys;
}

/** The id of the one wrapping under a KMS key: the SHA-256 of the key's ARN, base64url. */
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

/** The pair's further wrappings, without damaged, foreign and uncovered ones. @throws `ERR_STORE_UNAVAILABLE` */
export async function furtherWrappings(
  { records, trust }: Pick<WrappingParts, "records" | "trust">,
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
 * denied) or the trust anchor does not cover that any more. An outage passes, and so leads to no further one.
 *
 * @throws what the attempt by the pair's own wrapping throws; an outage of a further KMS key goes before it
 */
export async function byAnyWrapping<T>(
  parts: WrappingParts,
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
  for (const further of await inOrder(parts, pair, signal)) {
    try {
      return await attempt(further);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof KmsError && error.code === "ERR_KMS_UNAVAILABLE") failure = error;
    }
  }
  throw failure;
}

/** The further wrappings in the order of attempts. A writer of the store may have added any number. */
async function inOrder(
  parts: WrappingParts,
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

/** Whether the pair's own KMS key is of no use until somebody acts. */
function isClosed(error: unknown, pair: ClaimedKeyPair, { trust }: Pick<WrappingParts, "trust">): boolean {
  if (error instanceof KmsError) return error.code === "ERR_KMS_REFUSED";
  return !trust.coversForDecryption(pair);
}

/** @throws `ERR_KEY_PAIR_UNTRUSTED` unless the trust anchor covers one of the KMS keys that the pair is wrapped under */
export async function checkAnyCovered(parts: WrappingParts, pair: ClaimedKeyPair, signal?: AbortSignal): Promise<void> {
  if (parts.trust.coversForDecryption(pair)) return;
  if ((await furtherWrappings(parts, pair, signal)).length === 0) parts.trust.checkForDecryption(pair);
}
