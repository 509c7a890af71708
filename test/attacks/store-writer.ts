import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { KeyPairStore, KmsProvider } from "../../src/index.js";
import {
  birthRecordDigest,
  decodeBirthRecord,
  encodeBirthRecord,
  type BirthRecord,
} from "../../src/format/birth-record.js";
import { decodeDocument, encodeDocument, type HeadDocument } from "../../src/key-pairs/documents.js";
import { attestedDigest, encryptionContextOf, type KeyPairParts } from "../../src/key-pairs/key-pair.js";
import { importUnwrappingKey, type UnwrappingKey } from "../../src/format/data-key-wrapping.js";
import { decodeHeader, headerLengthOf } from "../../src/format/header.js";

/** What the attacker has seen of the store so far, and knows of the organization. */
export interface Loot {
  readonly keyArn: string;
  readonly kmsKeyAliasArn: string;
  readonly attackersAliasArn: string;
  /** Head and status of each time, oldest first. */
  readonly heads: readonly Uint8Array[];
  readonly statuses: readonly Uint8Array[];
  readonly unmarkedOrphan: string;
  readonly markedOrphan: string;
}

/** All that a store writer may do: nothing here deletes or overwrites a record. */
type CreateOnly = Omit<KeyPairStore, "removeKeyPair">;

export interface StoreWriterParts {
  readonly store: CreateOnly;
  readonly organizationId: string;
  /** KMS as the attacker's own account may call it: no right at the organization's key. */
  readonly kms: KmsProvider;
  readonly loot: Loot;
}

/** A pair as it is read from the store. */
export interface Copied extends KeyPairParts {
  readonly birth: BirthRecord;
}

export const garbage = (length = 200) => randomBytes(length);

/** Somebody who may create records, swap the head and write the status item, and has X25519 pairs of their own. */
export class StoreWriter {
  readonly organizationId: string;
  readonly loot: Loot;
  readonly kms: KmsProvider;
  readonly store: CreateOnly;
  readonly #keys: UnwrappingKey[] = [];
  /** Ids of the pairs made up so far. */
  readonly forgedIds = new Set<string>();

  constructor({ store, organizationId, kms, loot }: StoreWriterParts) {
    this.store = store;
    this.organizationId = organizationId;
    this.kms = kms;
    this.loot = loot;
  }

  /** A public key whose private half the attacker has. */
  newPublicKey(): Buffer {
    const key = importUnwrappingKey("X25519", randomBytes(32));
    this.#keys.push(key);
    return key.publicKey;
  }

  /** Whether one of the attacker's private keys opens the recording's data key. */
  canOpen(recording: Uint8Array): boolean {
    const bytes = Buffer.from(recording);
    const { recipients } = decodeHeader(bytes.subarray(0, headerLengthOf(bytes)));
    return recipients.some(({ wrappedDataKey }) => this.#keys.some((key) => opens(key, wrappedDataKey)));
  }

  /** The pair that the store's head names. */
  async active(): Promise<Copied> {
    const head = decodeDocument("head", (await this.store.readHead(this.organizationId))!.document, "head");
    return this.copyOf(head.keyPairId);
  }

  async copyOf(keyPairId: string, organizationId = this.organizationId): Promise<Copied> {
    const stored = await this.store.readKeyPair(organizationId, keyPairId);
    const pair = decodeDocument("keyPair", stored!.document, "pair");
    return { ...pair, birth: decodeBirthRecord(pair.birthRecord) };
  }

  /** A pair that goes on from the active one, with a public key of the attacker's; nothing is stored yet. */
  async forge(birth: Partial<BirthRecord> = {}, kmsKeyArn = this.loot.keyArn): Promise<Copied> {
    const { birth: before, birthRecord } = await this.active();
    const next = { sequence: before.sequence + 1, previousDigest: birthRecordDigest(birthRecord) };
    return this.invent({ ...before, ...next, spec: "X25519", ...birth, keyPairId: randomUUID() }, kmsKeyArn);
  }

  /** A pair with whatever birth record, and a public key of the attacker's. */
  invent(birth: BirthRecord, kmsKeyArn = this.loot.keyArn): Copied {
    this.forgedIds.add(birth.keyPairId);
    return {
      birth,
      birthRecord: encodeBirthRecord(birth),
      publicKey: this.newPublicKey(),
      attestation: { kmsKeyArn, ciphertext: garbage() },
      wrapping: { kmsKeyArn, ciphertext: garbage() },
    };
  }

  /** A pair for which the KMS key behind the alias vouches: the attacker's own, or whichever lets them in. */
  async forgeUnder(kmsKeyAliasArn: string, birth: Partial<BirthRecord> = {}): Promise<Copied> {
    const forged = await this.forge({ kmsKeyAliasArn, ...birth });
    const seal = async (plaintext: Buffer, purpose: "attestation" | "private-key") => {
      const encryptionContext = encryptionContextOf(forged, purpose);
      const { keyArn, ciphertext } = await this.kms.encrypt({ keyId: kmsKeyAliasArn, plaintext, encryptionContext });
      return { kmsKeyArn: keyArn, ciphertext: Buffer.from(ciphertext) };
    };
    const wrapping = await seal(randomBytes(32), "private-key");
    const attestation = await seal(attestedDigest({ ...forged, wrapping }), "attestation");
    return { ...forged, wrapping, attestation };
  }

  /** Stores a pair, under its own name or another. */
  async put(pair: Copied, as: Partial<{ keyPairId: string; sequence: number }> = {}) {
    const { keyPairId, sequence } = { ...pair.birth, ...as };
    const document = documentOf(pair);
    return this.store.createKeyPair({ organizationId: this.organizationId, keyPairId, sequence, document });
  }

  async point(head: Uint8Array): Promise<void> {
    const revision = (await this.store.readHead(this.organizationId))?.revision;
    await this.store.swapHead(this.organizationId, revision, head);
  }

  headOf({ birth, birthRecord }: Copied, as: Partial<HeadDocument> = {}): Buffer {
    const { keyPairId, sequence } = birth;
    const digest = birthRecordDigest(birthRecord);
    return encodeDocument("head", { organizationId: this.organizationId, keyPairId, sequence, digest, ...as });
  }

  async pointAt(pair: Copied, as: Partial<HeadDocument> = {}): Promise<void> {
    await this.point(this.headOf(pair, as));
  }

  async plant(pair: Copied): Promise<void> {
    await this.put(pair);
    await this.pointAt(pair);
  }

  /** A record beside a pair. */
  async beside(keyPairId: string, wrappingId: string, document: Uint8Array): Promise<void> {
    await this.store.createWrapping(this.organizationId, keyPairId, { wrappingId, document });
  }

  async tell(status: Uint8Array): Promise<void> {
    await this.store.writeStatus(this.organizationId, status);
  }
}

function opens(key: UnwrappingKey, wrappedDataKey: Uint8Array): boolean {
  try {
    key.unwrap(wrappedDataKey);
    return true;
  } catch {
    return false;
  }
}

export function documentOf({ birthRecord, publicKey, attestation, wrapping }: Copied): Buffer {
  return encodeDocument("keyPair", { birthRecord, publicKey, attestation, wrapping });
}

/** A document whose envelope is changed: of a version, or with critical members, that this one does not know. */
export function changed(document: Uint8Array, change: object): Buffer {
  return Buffer.from(JSON.stringify({ ...(JSON.parse(Buffer.from(document).toString()) as object), ...change }));
}

export const wrappingIdOf = (kmsKeyArn: string) => createHash("sha256").update(kmsKeyArn).digest("base64url");
