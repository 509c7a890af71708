import { createHash } from "node:crypto";
import { KmsError, RecordingKeyStoreError } from "../errors.js";
import type { StoredWrapping } from "../stores/key-pair-store.js";
import type { KeyPairContext } from "./context.js";
import { decodeDocument, encodeDocument } from "./documents.js";
import { storeCall } from "./head.js";
import type { KeyPair, KmsCiphertext } from "./key-pair.js";
import { options } from "./making.js";

/*
 * A pair's private half stands in its own record under the KMS key that it was made under. Rewrapping adds further
 * wrappings, one per KMS key and never changed; they count for less than the pair's own: nothing is read of them until
 * KMS refuses that, and what is wrong with one of them is no trouble of the pair's.
 */

/** One wrapping per KMS key: its id is the SHA-256 of the key's ARN. */
export function wrappingIdOf(kmsKeyArn: string): string {
  return createHash("sha256").update(kmsKeyArn).digest("base64url");
}

export function storedWrapping({ digest }: Pick<KeyPair, "digest">, wrapping: KmsCiphertext): StoredWrapping {
  return { wrappingId: wrappingIdOf(wrapping.kmsKeyArn), document: encodeDocument("wrapping", { digest, wrapping: { ...wrapping } }) };
}

/** The pair's further wrappings that may count. Damaged, foreign and uncovered ones are left out. @throws `ERR_STORE_UNAVAILABLE` */
export async function furtherWrappings(context: KeyPairContext, pair: KeyPair, signal?: AbortSignal): Promise<KmsCiphertext[]> {
  const { store, organizationId, trust } = context;
  const stored = await storeCall(signal, () => store.listWrappings(organizationId, pair.birth.keyPairId, options(signal)));
  const found: KmsCiphertext[] = [];
  for (const { wrappingId, document } of stored) {
    try {
      const { digest, wrapping } = decodeDocument("wrapping", document, `wrapping ${wrappingId}`);
      if (digest.equals(pair.digest) && wrappingId === wrappingIdOf(wrapping.kmsKeyArn) && trust.covers(wrapping.kmsKeyArn)) found.push(wrapping);
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
export async function byAnyWrapping<T>(context: KeyPairContext, pair: KeyPair, attempt: (wrapping: KmsCiphertext) => Promise<T>, signal?: AbortSignal): Promise<T> {
  let failure: unknown;
  try {
    context.trust.checkForDecryption(pair);
    return await attempt(pair.wrapping);
  } catch (error) {
    if (!isClosed(error, pair, context)) throw error;
    failure = error;
  }
  for (const further of await furtherWrappings(context, pair, signal).catch(() => [])) {
    try {
      return await attempt(further);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof KmsError && error.code === "ERR_KMS_UNAVAILABLE") failure = error;
    }
  }
  throw failure;
}

/** Whether the pair's own KMS key is of no use, and will be of none until somebody acts. */
function isClosed(error: unknown, pair: KeyPair, { trust }: KeyPairContext): boolean {
  if (error instanceof KmsError) return error.code === "ERR_KMS_REFUSED";
  return !trust.coversForDecryption(pair);
}

/** @throws `ERR_KEY_PAIR_UNTRUSTED` unless the trust anchor covers one of the KMS keys that the pair is wrapped under */
export async function checkAnyCovered(context: KeyPairContext, pair: KeyPair, signal?: AbortSignal): Promise<void> {
  if (context.trust.coversForDecryption(pair)) return;
  if ((await furtherWrappings(context, pair, signal)).length === 0) context.trust.checkForDecryption(pair);
}
