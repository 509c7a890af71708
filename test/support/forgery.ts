import { randomBytes } from "node:crypto";
import type { KeyPairStore } from "../../src/index.js";
import {
  birthRecordDigest,
  decodeBirthRecord,
  encodeBirthRecord,
  type BirthRecord,
} from "../../src/format/birth-record.js";
import { decodeDocument, encodeDocument, type KeyPairDocument } from "../../src/key-pairs/documents.js";
import { importUnwrappingKey } from "../../src/format/data-key-wrapping.js";
import { organizationId, overridden } from "./setup.js";
import type { StoredKeyPair } from "../../src/stores/index.js";

/** A pair's record, forged by somebody who may write to the store and has no right in KMS. */
export type Forgery = (genuine: KeyPairDocument) => Partial<KeyPairDocument>;

/** A public key whose private half an attacker holds. */
export const foreignPublicKey = importUnwrappingKey("X25519", randomBytes(32)).publicKey;

export const documentOf = ({ document }: Pick<StoredKeyPair, "document">) =>
  decodeDocument("keyPair", document, "pair");

/** The birth record with some fields replaced. */
export const bornWith = ({ birthRecord }: Pick<KeyPairDocument, "birthRecord">, change: Partial<BirthRecord>) =>
  encodeBirthRecord({ ...decodeBirthRecord(birthRecord), ...change });

function forgedPair(pair: StoredKeyPair, forgery: Forgery): StoredKeyPair {
  const genuine = documentOf(pair);
  return { ...pair, document: encodeDocument("keyPair", { ...genuine, ...forgery(genuine) }) };
}

/** A store that reads forged pairs by their names, and lists them only on request. */
export function forging(store: KeyPairStore, forgery: Forgery, { listed = false } = {}): KeyPairStore {
  const readKeyPair = store.readKeyPair.bind(store);
  const listKeyPairs = store.listKeyPairs.bind(store);
  return overridden(store, {
    readKeyPair: async (...args) => {
      const pair = await readKeyPair(...args);
      return pair && forgedPair(pair, forgery);
    },
    listKeyPairs: async (...args) => {
      const pairs = await listKeyPairs(...args);
      return listed ? pairs.map((pair) => forgedPair(pair, forgery)) : pairs;
    },
  });
}

/** Points the store's head at a claimed pair. */
export async function swingHead(store: KeyPairStore, birthRecord: Buffer): Promise<void> {
  const { keyPairId, sequence } = decodeBirthRecord(birthRecord);
  const revision = (await store.readHead(organizationId))?.revision;
  const document = encodeDocument("head", {
    organizationId,
    keyPairId,
    sequence,
    digest: birthRecordDigest(birthRecord),
  });
  await store.swapHead(organizationId, revision, document);
}

/** Puts a forged pair into the store, ahead of the active one, and points the head at it. */
export async function plantForgedHead(
  store: KeyPairStore,
  change: Partial<BirthRecord> = {},
): Promise<{ keyPairId: string; sequence: number }> {
  const head = decodeDocument("head", (await store.readHead(organizationId))!.document, "head");
  const genuine = documentOf((await store.readKeyPair(organizationId, head.keyPairId))!);
  const named = { keyPairId: "forged", sequence: head.sequence + 1, previousDigest: head.digest, ...change };
  const birthRecord = bornWith(genuine, named);
  const noise = { kmsKeyArn: genuine.wrapping.kmsKeyArn, ciphertext: randomBytes(180) };
  const document = encodeDocument("keyPair", {
    birthRecord,
    publicKey: foreignPublicKey,
    attestation: noise,
    wrapping: noise,
  });
  const { keyPairId, sequence } = named;
  await store.createKeyPair({ organizationId, keyPairId, sequence, document });
  await swingHead(store, birthRecord);
  return { keyPairId, sequence };
}
