import { timingSafeEqual } from "node:crypto";
import { wipe } from "../encoding/secrets.js";
import { RecordingKeyStoreError } from "../errors.js";
import { kmsError } from "../kms/failures.js";
import type { KeyPairContext } from "./context.js";
import { encryptionContextOf } from "./encryption-context.js";
import { byAnyWrapping, furtherWrappings, storedWrapping } from "./further-wrappings.js";
import { readHead, storeCall } from "./head.js";
import { chainOfPairs } from "./history.js";
import { untrusted, type KeyPair, type KmsCiphertext } from "./key-pair.js";
import { importUnwrappingKey } from "./key-wrapping.js";
import { options, unwrapPrivateKey } from "./making.js";

/** What {@link rewrapKeyPairs} has done. */
export interface RewrapReport {
  /** Every pair of the history opens under this KMS key. The KMS keys before it are needed no more by what the store has. */
  readonly complete: boolean;
  /** The KMS key of the active pair, under which the private halves of all earlier ones are now wrapped too. */
  readonly kmsKeyArn: string;
  /** How many pairs got a wrapping under it in this call. */
  readonly rewrapped: number;
  /** How many had one before, the active pair among them; KMS has opened each just now. */
  readonly already: number;
  /** Pairs that still need another KMS key, newest first, and why. */
  readonly failed: readonly { readonly keyPairId: string; readonly sequence: number; readonly error: RecordingKeyStoreError }[];
}

/** How many pairs are read from the store at a time. */
const batch = 50;

/**
 * Wraps the private half of every pair of the history under the KMS key of the active one, beside what it has. One pair
 * that can't be is no reason not to go on. Nothing is stored that KMS has not opened once. Several workers may do it at once.
 *
 * @throws KmsError `ERR_KMS_UNAVAILABLE` in an outage, RecordingKeyStoreError for the store's failures, the signal's reason;
 * what has been added stays, and the next call goes on from there
 */
export async function rewrapKeyPairs(context: KeyPairContext, active: KeyPair, signal?: AbortSignal): Promise<RewrapReport> {
  const { kmsKeyArn } = active.wrapping;
  const count = { rewrapped: 0, already: 0 };
  const failed: RewrapReport["failed"][number][] = [];
  const head = await readHead(context, signal);
  if (head) {
    for await (const { pair } of chainOfPairs(context, { digest: head.digest }, () => batch, signal)) {
      signal?.throwIfAborted();
      try {
        count[await rewrap(context, pair, kmsKeyArn, signal)] += 1;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof RecordingKeyStoreError) || isOutage(error)) throw error;
        failed.push({ keyPairId: pair.birth.keyPairId, sequence: pair.birth.sequence, error });
      }
    }
  }
  return { complete: failed.length === 0, kmsKeyArn, ...count, failed };
}

/** What stands in the way of every pair alike, and passes. */
function isOutage(error: RecordingKeyStoreError): boolean {
  return error.code === "ERR_KMS_UNAVAILABLE" || error.code === "ERR_STORE_UNAVAILABLE";
}

async function rewrap(context: KeyPairContext, pair: KeyPair, kmsKeyArn: string, signal: AbortSignal | undefined): Promise<"rewrapped" | "already"> {
  if (pair.wrapping.kmsKeyArn === kmsKeyArn) {
    await checkOpens(context, pair, pair.wrapping, signal);
    return "already";
  }
  const known = (await furtherWrappings(context, pair, signal)).find((wrapping) => wrapping.kmsKeyArn === kmsKeyArn);
  if (known) {
    await checkOpens(context, pair, known, signal);
    return "already";
  }
  const made = await wrapUnder(context, pair, kmsKeyArn, signal);
  const { store, organizationId } = context;
  const outcome = await storeCall(signal, () => store.createWrapping(organizationId, pair.birth.keyPairId, storedWrapping(pair, made), options(signal)));
  if (outcome === "created") return "rewrapped";
  // Another worker was first, or somebody who can write to the store has put something in its place.
  const other = (await furtherWrappings(context, pair, signal)).find((wrapping) => wrapping.kmsKeyArn === kmsKeyArn);
  if (!other) throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `key pair ${pair.birth.keyPairId}: the place of its wrapping under ${kmsKeyArn} is taken by something else`);
  await checkOpens(context, pair, other, signal);
  return "already";
}

/** KMS unwraps exactly this pair's private half. */
async function checkOpens(context: KeyPairContext, pair: KeyPair, { kmsKeyArn, ciphertext }: KmsCiphertext, signal: AbortSignal | undefined): Promise<void> {
  const { publicKey } = await unwrapPrivateKey({ ...pair, ciphertext, decrypt: context.decryptionUnder(kmsKeyArn) }, signal);
  if (!publicKey.equals(pair.publicKey)) throw untrusted(`key pair ${pair.birth.keyPairId}: its public key is not that of its private half`);
}

async function wrapUnder(context: KeyPairContext, pair: KeyPair, kmsKeyArn: string, signal: AbortSignal | undefined): Promise<KmsCiphertext> {
  const { kms, decryptionUnder } = context;
  const encryptionContext = encryptionContextOf(pair.birth, pair.birthRecord, "private-key");
  const privateKey = await byAnyWrapping(
    context,
    pair,
    async (wrapping) => {
      const plaintext = await decryptionUnder(wrapping.kmsKeyArn)({ ciphertext: wrapping.ciphertext, encryptionContext }, signal);
      if (isPrivateHalfOf(pair, plaintext)) return plaintext;
      wipe(plaintext);
      throw untrusted(`key pair ${pair.birth.keyPairId}: what KMS unwrapped is not the private half of its public key`);
    },
    signal,
  );
  try {
    const made = await kms.encrypt({ keyId: kmsKeyArn, plaintext: privateKey, encryptionContext }, options(signal));
    if (made.keyArn !== kmsKeyArn) {
      throw kmsError("unexpected-answer", { operation: "Encrypt", keyId: kmsKeyArn, message: `KMS answered Encrypt for ${kmsKeyArn} with the key ${JSON.stringify(made.keyArn)}` });
    }
    const ciphertext = Buffer.from(made.ciphertext);
    const opened = await decryptionUnder(kmsKeyArn)({ ciphertext, encryptionContext }, signal);
    const same = opened.length === privateKey.length && timingSafeEqual(opened, privateKey);
    wipe(opened);
    if (!same) throw untrusted(`key pair ${pair.birth.keyPairId}: KMS unwrapped another private key than the one it was given`);
    return { kmsKeyArn, ciphertext };
  } finally {
    wipe(privateKey);
  }
}

function isPrivateHalfOf({ birth, publicKey }: KeyPair, plaintext: Uint8Array): boolean {
  try {
    return importUnwrappingKey(birth.spec, plaintext).publicKey.equals(publicKey);
  } catch {
    return false;
  }
}

