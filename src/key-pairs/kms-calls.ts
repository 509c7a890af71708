import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { InvalidInputError } from "../errors.js";
import { birthRecordDigest, encodeBirthRecord, type BirthRecord } from "../format/birth-record.js";
import { importUnwrappingKey, type UnwrappingKey } from "../format/data-key-wrapping.js";
import { x25519KeyLength } from "../format/sealed-box.js";
import { parseKmsArn, replicaArn } from "../kms/arn.js";
import type { CiphertextPurpose } from "../kms/context-keys.js";
import { kmsError, KmsError, type KmsFailureKind } from "../kms/kms-error.js";
import type { EncryptionContext, KmsKeyDescription, KmsProvider } from "../kms/kms-provider.js";
import { defined } from "../util/defined.js";
import { secretBuffer, wipe } from "../util/secrets.js";
import { untrusted } from "./failures.js";
import {
  attestedDigest,
  encryptionContextOf,
  type BornKeyPair,
  type ClaimedKeyPair,
  type KeyPairParts,
  type KmsCiphertext,
} from "./key-pair.js";
import { answeredBytes, checkAnsweredKey, importMade } from "./kms-answers.js";

/** What the maker of a pair decides about its birth record. */
export type NewKeyPair = Omit<BirthRecord, "keyPairId">;

/** A private half, and the key material of the KMS key that wraps it, where KMS told. */
type UnwrappedKey = UnwrappingKey & { readonly keyMaterialId?: string };

/** What KMS has decrypted. */
interface Decrypted {
  readonly plaintext: Buffer;
  readonly keyMaterialId: string | undefined;
}

/** Failures after which another Region is asked. A refusal is the organization's word and is never circumvented. */
const regionalFailures: ReadonlySet<KmsFailureKind> = new Set(["unreachable", "timeout", "service-error"]);

/** All KMS calls about one organization's key pairs: the only caller of the provider. */
export class KmsCalls {
  readonly #kms: KmsProvider;
  readonly #regions: readonly string[];

  /**
   * @param kms - held to its promises: its answers are not checked for what they are, but for what they say
   * @param regions - the home Region, then those in which multi-Region keys may decrypt while it can't be reached
   */
  constructor(kms: KmsProvider, regions: readonly string[]) {
    this.#kms = kms;
    this.#regions = regions;
  }

  /**
   * Makes a key pair under the KMS key to which the alias points now: KMS wraps the private half and attests the whole.
   * Stores nothing; nobody has vouched for the pair yet.
   * @throws KmsError
   */
  async make(request: NewKeyPair, signal?: AbortSignal): Promise<ClaimedKeyPair> {
    const birth: BirthRecord = { ...request, keyPairId: randomUUID() };
    const birthRecord = encodeBirthRecord(birth);
    const { publicKey, wrapping } = await this.#makeHalves({ birth, birthRecord }, signal);
    const attestation = await this.attest({ birth, birthRecord, publicKey, wrapping }, signal);
    const wrappingKey = importMade(birth, publicKey);
    return {
      birth,
      birthRecord,
      digest: birthRecordDigest(birthRecord),
      publicKey,
      wrappingKey,
      attestation,
      wrapping,
    };
  }

  /** Has KMS attest a pair, under the KMS key that wraps its private half: the alias may be moved at any moment. @throws KmsError */
  async attest(pair: BornKeyPair & Omit<KeyPairParts, "attestation">, signal?: AbortSignal): Promise<KmsCiphertext> {
    return this.#encrypt(pair.wrapping.kmsKeyArn, attestedDigest(pair), pair, "attestation", signal);
  }

  /** Whether KMS decrypts the pair's attestation to the digest of all its other parts. @throws KmsError */
  async attests(pair: BornKeyPair & KeyPairParts, signal?: AbortSignal): Promise<boolean> {
    return this.#holds(pair, pair.attestation, attestedDigest(pair), signal);
  }

  /**
   * As {@link KmsCalls.attests}, with the KMS key named by the pair's alias.
   * @throws KmsError: of the kind `incorrect-key` where the alias leads to another KMS key
   */
  async attestsUnderAlias(pair: BornKeyPair & KeyPairParts, signal?: AbortSignal): Promise<boolean> {
    const { kmsKeyArn, ciphertext } = pair.attestation;
    const key = { keyId: pair.birth.kmsKeyAliasArn, kmsKeyArn };
    const opened = await this.#decryptUnder(key, ciphertext, encryptionContextOf(pair, "attestation"), signal);
    return isSameAndWiped(opened.plaintext, attestedDigest(pair));
  }

  /**
   * The ARN of the KMS key to which the pair's alias leads now: as the answer to Encrypt tells it, of which nothing is kept.
   * @throws KmsError
   */
  async keyBehindAlias(pair: BornKeyPair, signal?: AbortSignal): Promise<string> {
    // One byte, so that nobody who sees the call can take what it encrypts for an attestation or a mark.
    const { kmsKeyArn } = await this.#encrypt(pair.birth.kmsKeyAliasArn, Buffer.alloc(1), pair, "attestation", signal);
    return kmsKeyArn;
  }

  /**
   * Has KMS unwrap a pair's private half. The encryption context holds the digest of the birth record, so the answer was
   * wrapped for exactly this birth record.
   * @throws KmsError; `ERR_KEY_PAIR_UNTRUSTED` for a plaintext that is no private key of the pair's spec
   */
  async unwrap(pair: BornKeyPair, wrapping: KmsCiphertext, signal?: AbortSignal): Promise<UnwrappedKey> {
    const context = encryptionContextOf(pair, "private-key");
    const { plaintext, keyMaterialId } = await this.#decrypt(wrapping, context, signal);
    try {
      return { ...importUnwrappingKey(pair.birth.spec, plaintext), ...defined({ keyMaterialId }) };
    } catch (error) {
      if (error instanceof InvalidInputError) throw error; // this process has no X25519, which is no fault of the pair
      // KMS has authenticated it: asking again gives the same.
      throw untrusted(
        `key pair ${pair.birth.keyPairId}: KMS unwrapped something that is no ${pair.birth.spec} private key`,
      );
    } finally {
      wipe(plaintext);
    }
  }

  /** Has KMS unwrap the private half of the pair's own public key. @throws KmsError, `ERR_KEY_PAIR_UNTRUSTED` */
  async unwrapHalf(
    pair: BornKeyPair & Pick<KeyPairParts, "publicKey">,
    wrapping: KmsCiphertext,
    signal?: AbortSignal,
  ): Promise<UnwrappedKey> {
    const key = await this.unwrap(pair, wrapping, signal);
    if (key.publicKey.equals(pair.publicKey)) return key;
    throw untrusted(`key pair ${pair.birth.keyPairId}: its public key is not that of its private half`);
  }

  /**
   * Wraps a pair's private half under a further KMS key, and has KMS unwrap it there once.
   * @param own - a wrapping of the pair
   * @throws KmsError, `ERR_KEY_PAIR_UNTRUSTED`
   */
  async rewrap(
    pair: ClaimedKeyPair,
    own: KmsCiphertext,
    kmsKeyArn: string,
    signal?: AbortSignal,
  ): Promise<KmsCiphertext> {
    const encryptionContext = encryptionContextOf(pair, "private-key");
    const { plaintext: privateKey } = await this.#decrypt(own, encryptionContext, signal);
    try {
      if (!isPrivateHalfOf(pair, privateKey)) {
        throw untrusted(
          `key pair ${pair.birth.keyPairId}: what KMS unwrapped is not the private half of its public key`,
        );
      }
      const made = await this.#kms.encrypt(
        { keyId: kmsKeyArn, plaintext: privateKey, encryptionContext },
        options(signal),
      );
      if (made.keyArn !== kmsKeyArn) {
        const message = `KMS answered Encrypt for ${kmsKeyArn} with the key ${JSON.stringify(made.keyArn)}`;
        throw kmsError("unexpected-answer", { operation: "Encrypt", keyId: kmsKeyArn, message });
      }
      const wrapping = { kmsKeyArn, ciphertext: answeredBytes(made.ciphertext, "Encrypt", kmsKeyArn) };
      const { plaintext: opened } = await this.#decrypt(wrapping, encryptionContext, signal);
      if (!isSameAndWiped(opened, privateKey))
        throw untrusted(
          `key pair ${pair.birth.keyPairId}: KMS unwrapped another private key than the one it was given`,
        );
      return wrapping;
    } finally {
      wipe(privateKey);
    }
  }

  /** Has KMS seal the mark that a pair never was active, which nobody without a right in KMS can make. @throws KmsError */
  async sealNeverActive(pair: ClaimedKeyPair, signal?: AbortSignal): Promise<KmsCiphertext> {
    return this.#encrypt(pair.attestation.kmsKeyArn, neverActive(pair), pair, "attestation", signal);
  }

  /** Whether KMS decrypts a mark to the word that this pair never was active. @throws KmsError */
  async saysNeverActive(pair: ClaimedKeyPair, mark: KmsCiphertext, signal?: AbortSignal): Promise<boolean> {
    return this.#holds(pair, mark, neverActive(pair), signal);
  }

  /** @throws KmsError */
  describeKey(keyId: string, signal?: AbortSignal): Promise<KmsKeyDescription> {
    return this.#kms.describeKey({ keyId }, options(signal));
  }

  async #makeHalves(
    pair: BornKeyPair,
    signal: AbortSignal | undefined,
  ): Promise<{ publicKey: Buffer; wrapping: KmsCiphertext }> {
    const { spec, kmsKeyAliasArn: keyId } = pair.birth;
    if (spec !== "X25519") {
      const encryptionContext = encryptionContextOf(pair, "private-key");
      const made = await this.#kms.generateDataKeyPair({ keyId, spec, encryptionContext }, options(signal));
      const kmsKeyArn = checkAnsweredKey(made.keyArn, pair.birth, "GenerateDataKeyPairWithoutPlaintext");
      const [publicKey, ciphertext] = [made.publicKey, made.privateKeyCiphertext].map((bytes) =>
        answeredBytes(bytes, "GenerateDataKeyPairWithoutPlaintext", keyId),
      ) as [Buffer, Buffer];
      return { publicKey, wrapping: { kmsKeyArn, ciphertext } };
    }
    const privateKey = secretBuffer(x25519KeyLength);
    const random = randomBytes(x25519KeyLength);
    privateKey.set(random);
    wipe(random);
    try {
      const { publicKey } = importUnwrappingKey("X25519", privateKey);
      return { publicKey, wrapping: await this.#encrypt(keyId, privateKey, pair, "private-key", signal) };
    } finally {
      wipe(privateKey);
    }
  }

  async #encrypt(
    keyId: string,
    plaintext: Buffer,
    pair: BornKeyPair,
    purpose: CiphertextPurpose,
    signal: AbortSignal | undefined,
  ): Promise<KmsCiphertext> {
    const { keyArn, ciphertext } = await this.#kms.encrypt(
      { keyId, plaintext, encryptionContext: encryptionContextOf(pair, purpose) },
      options(signal),
    );
    return {
      kmsKeyArn: checkAnsweredKey(keyArn, pair.birth, "Encrypt"),
      ciphertext: answeredBytes(ciphertext, "Encrypt", keyId),
    };
  }

  /** Whether KMS decrypts a ciphertext about the pair, other than its private half, to what is expected. */
  async #holds(
    pair: BornKeyPair,
    ciphertext: KmsCiphertext,
    expected: Buffer,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { plaintext } = await this.#decrypt(ciphertext, encryptionContextOf(pair, "attestation"), signal);
    return isSameAndWiped(plaintext, expected);
  }

  /**
   * Decrypts under one key. A multi-Region key is asked Region by Region, each only where the ones before could not be
   * reached. If none helps, the failure of the first counts.
   */
  async #decrypt(
    { kmsKeyArn, ciphertext }: KmsCiphertext,
    encryptionContext: EncryptionContext,
    signal: AbortSignal | undefined,
  ): Promise<Decrypted> {
    let first: KmsError | undefined;
    for (const keyId of this.#keyIdsOf(kmsKeyArn)) {
      try {
        return await this.#decryptUnder({ keyId, kmsKeyArn: keyId }, ciphertext, encryptionContext, signal);
      } catch (error) {
        if (!(error instanceof KmsError)) throw error;
        // A further Region's refusal is about its replica, not about the key at home. But all replicas share their material:
        // none decrypts what one of them can't.
        if (error.kind === "invalid-ciphertext") throw error;
        first ??= error;
        if (!regionalFailures.has(error.kind)) break;
      }
    }
    throw first;
  }

  #keyIdsOf(kmsKeyArn: string): ReadonlySet<string> {
    const regions = parseKmsArn(kmsKeyArn)?.multiRegion ? this.#regions : [];
    const replicas = regions.map((region) => replicaArn(kmsKeyArn, region)).filter((arn) => arn !== undefined);
    return new Set(replicas.length > 0 ? replicas : [kmsKeyArn]);
  }

  /** Decrypts under one KMS key, in one Region. @param key - as the request names it, and its ARN */
  async #decryptUnder(
    { keyId, kmsKeyArn }: { readonly keyId: string; readonly kmsKeyArn: string },
    ciphertext: Uint8Array,
    encryptionContext: EncryptionContext,
    signal: AbortSignal | undefined,
  ): Promise<Decrypted> {
    const request = { keyId, ciphertext, encryptionContext };
    const { keyArn, plaintext, keyMaterialId } = await this.#kms.decrypt(request, options(signal));
    if (keyArn !== kmsKeyArn) {
      wipe(plaintext);
      const message = `the KMS provider answered Decrypt under ${keyId} with another key, ${JSON.stringify(keyArn)}`;
      throw kmsError("unexpected-answer", { operation: "Decrypt", keyId, message });
    }
    const view = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
    return { plaintext: view, keyMaterialId };
  }
}

/** Content of a mark, in another form than an attestation's, so that neither can stand for the other. */
function neverActive({ digest }: Pick<ClaimedKeyPair, "digest">): Buffer {
  return createHash("sha256").update("recording-keystore never active v1\0").update(digest).digest();
}

/** Whether a plaintext is as expected; it is wiped. */
function isSameAndWiped(opened: Uint8Array, expected: Uint8Array): boolean {
  const same = opened.length === expected.length && timingSafeEqual(opened, expected);
  wipe(opened);
  return same;
}

function isPrivateHalfOf({ birth, publicKey }: ClaimedKeyPair, plaintext: Uint8Array): boolean {
  try {
    return importUnwrappingKey(birth.spec, plaintext).publicKey.equals(publicKey);
  } catch (error) {
    if (error instanceof InvalidInputError) throw error; // this process has no X25519, which is no fault of the pair
    return false;
  }
}

function options(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
