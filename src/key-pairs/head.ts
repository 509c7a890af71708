import { RecordingKeyStoreError } from "../errors.js";
import type { KeyPairContext } from "./context.js";
import { decodeDocument, encodeDocument, type HeadDocument } from "./documents.js";
import { parseKeyPair, untrusted, type KeyPair } from "./key-pair.js";
import { options } from "./making.js";

export interface Head extends HeadDocument {
  readonly revision: string;
}

/** @throws RecordingKeyStoreError `ERR_STORE_UNAVAILABLE`, `ERR_STORE_CORRUPT`, `ERR_FORMAT_TOO_NEW`, `ERR_KEY_PAIR_UNTRUSTED` */
export async function readHead({ store, organizationId }: KeyPairContext, signal?: AbortSignal): Promise<Head | undefined> {
  const stored = await storeCall(signal, () => store.readHead(organizationId, options(signal)));
  if (!stored) return undefined;
  const document = decodeDocument("head", stored.document, "head");
  if (document.organizationId !== organizationId) throw untrusted("the store's head belongs to another organization");
  return { ...document, revision: stored.revision };
}

/** The pair that a head names. What the store hands out must be exactly that pair. */
export async function readHeadPair(context: KeyPairContext, head: Head, signal?: AbortSignal): Promise<KeyPair> {
  const { store, organizationId } = context;
  const stored = await storeCall(signal, () => store.readKeyPair(organizationId, head.keyPairId, options(signal)));
  if (!stored) throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `the store's head names key pair ${head.keyPairId}, which the store does not have`);
  const pair = parseKeyPair(stored.document, { organizationId, what: `key pair ${head.keyPairId}` });
  if (!pair.digest.equals(head.digest) || pair.birth.sequence !== head.sequence || pair.birth.keyPairId !== head.keyPairId) {
    throw untrusted(`key pair ${head.keyPairId} is not the one that the store's head names`);
  }
  return pair;
}

export function encodeHead(pair: KeyPair): Buffer {
  const { organizationId, keyPairId, sequence } = pair.birth;
  return encodeDocument("head", { organizationId, keyPairId, sequence, digest: pair.digest });
}

/** A store may throw what it likes; callers see typed errors, and a foreign error counts as the store being away. */
export async function storeCall<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof RecordingKeyStoreError) throw error;
    throw new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "the key pair store failed", { cause: error, retryable: true });
  }
}
