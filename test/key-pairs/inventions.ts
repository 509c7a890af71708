import { randomBytes, randomUUID } from "node:crypto";
import { encodeBirthRecord, type BirthRecord } from "../../src/format/birth-record.js";
import { claimedKeyPair, type ClaimedKeyPair, type KmsCiphertext } from "../../src/key-pairs/key-pair.js";
import { importUnwrappingKey } from "../../src/format/data-key-wrapping.js";
import { contextKeyName, kmsKeyAliasArn, organizationId } from "./world.js";

/** What an inventor wants other than usual. */
export interface Invention {
  readonly birth?: Partial<BirthRecord>;
  /** Of both ciphertexts. */
  readonly kmsKeyArn?: string;
  readonly wrapping?: KmsCiphertext;
  readonly attestation?: KmsCiphertext;
  readonly publicKey?: Buffer;
}

/** A key of the alias's account that nobody has made. */
export const noSuchKeyArn = kmsKeyAliasArn.replace(/alias\/.*/, "key/00000000-0000-4000-8000-000000000000");

/**
 * A pair as somebody without a right in KMS can make it up, consistent in itself: the private half is the inventor's,
 * and the ciphertexts are noise. The first of its organization unless told otherwise.
 */
export function invented({ birth: wanted = {}, kmsKeyArn = noSuchKeyArn, ...parts }: Invention = {}): ClaimedKeyPair {
  const { sequence = 1 } = wanted;
  const birth: BirthRecord = {
    organizationId,
    keyPairId: randomUUID(),
    sequence,
    spec: "X25519",
    createdAt: Date.UTC(2026, 0, 1),
    ...(sequence > 1 ? { previousDigest: randomBytes(32) } : {}),
    kmsKeyAliasArn,
    periodicKeyChange: "daily",
    scheduleAnchor: Date.UTC(2026, 0, 1),
    contextKeyName,
    purpose: "key-pair",
    reason: "on-demand",
    ...wanted,
  };
  const noise = (): KmsCiphertext => ({ kmsKeyArn, ciphertext: randomBytes(180) });
  const { publicKey } = importUnwrappingKey("X25519", randomBytes(32));
  const made = { birthRecord: encodeBirthRecord(birth), publicKey, wrapping: noise(), attestation: noise(), ...parts };
  return claimedKeyPair(made, { organizationId: birth.organizationId, what: "invented key pair" });
}

/** A genuine pair's record with its ciphertexts spoilt: birth record and public key are the genuine ones. */
export function spoilt(pair: ClaimedKeyPair): ClaimedKeyPair {
  const spoil = ({ kmsKeyArn }: KmsCiphertext): KmsCiphertext => ({ kmsKeyArn, ciphertext: randomBytes(180) });
  return { ...pair, attestation: spoil(pair.attestation), wrapping: spoil(pair.wrapping) };
}
