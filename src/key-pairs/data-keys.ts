import { randomFillSync } from "node:crypto";
import { secretBuffer } from "../encoding/secrets.js";
import { KmsError, RecordingKeyStoreError } from "../errors.js";
import type { TrustAnchor } from "../kms/trust-anchor.js";
import type { DataKeyLease } from "../recording/data-key-lease.js";
import { birthRecordDigest, decodeBirthRecord, type BirthRecord } from "./birth-record.js";
import type { KeyPairContext } from "./context.js";
import { byAnyWrapping, checkAnyCovered } from "./further-wrappings.js";
import { storeCall } from "./head.js";
import { parseKeyPair, untrusted, type KeyPair } from "./key-pair.js";
import { dataKeyLength, type UnwrappingKey } from "./key-wrapping.js";
import { LeasedDataKey } from "./leased-data-key.js";
import { options, unwrapPrivateKey } from "./making.js";
import type { HeldPrivateKey } from "./private-key-custody.js";

/** A wrapped data key as it stands in a recording's header. */
export interface Recipient {
  readonly birthRecord: Uint8Array;
  readonly wrappedDataKey: Uint8Array;
  readonly kmsKeyArn?: string | undefined;
  readonly wrappedPrivateKey?: Uint8Array | undefined;
}

/** A fresh 256-bit data key in a buffer of its own. */
export function newDataKey(): Buffer {
  return randomFillSync(secretBuffer(dataKeyLength));
}

/** A stream may not be asked to fetch keys for every segment: the shortest time it holds a data key, milliseconds. */
const shortestLease = 1_000;
/** How many parsed pairs are kept; they are immutable and hold no secret. */
const parsedPairs = 1_000;

/** Opens the data keys of recordings: finds the pair, has its private half unwrapped, and hands out leases. */
export class DataKeys {
  readonly #context: KeyPairContext;
  readonly #embeddedKeys: TrustAnchor | undefined;
  readonly #parsed = new Map<string, KeyPair>();

  /** @param embeddedKeys - KMS keys under which a recording's own wrapped private half may be opened if the store lacks it */
  constructor(context: KeyPairContext, embeddedKeys: TrustAnchor | undefined) {
    this.#context = context;
    this.#embeddedKeys = embeddedKeys;
  }

  /**
   * A lease on the data key of a recording. It ends with `privateKeyTtl` or `forgetPrivateKeys()`.
   * @throws KmsError while KMS is away; `ERR_KEY_PAIR_NOT_FOUND`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_RECORDING_TAMPERED`
   */
  async lease(recipients: readonly Recipient[], signal?: AbortSignal): Promise<{ lease: DataKeyLease; keyPairId: string }> {
    let first: unknown;
    for (const recipient of recipients) {
      try {
        const source = await this.#source(recipient, signal);
        return { lease: await this.#leaseFrom(source, recipient, signal), keyPairId: source.birth.keyPairId };
      } catch (error) {
        signal?.throwIfAborted();
        first ??= error; // the first recipient is the recording's own pair: its failure is the one to report
      }
    }
    throw first;
  }

  #leaseFrom(source: PrivateKeySource, recipient: Recipient, signal: AbortSignal | undefined): Promise<DataKeyLease> {
    const { custody, times, organizationId } = this.#context;
    const terms = {
      custody,
      organizationId,
      hold: Math.max(times.privateKeyTtl, shortestLease),
      open: (openSignal?: AbortSignal) => this.#open(source, openSignal),
      unwrap: (key: UnwrappingKey) => key.unwrap(recipient.wrappedDataKey),
    };
    return LeasedDataKey.begin(terms, signal);
  }

  async #open(source: PrivateKeySource, signal: AbortSignal | undefined): Promise<HeldPrivateKey> {
    const { custody, times, organizationId, health } = this.#context;
    const ref = { organizationId, digest: source.digest };
    const unwrap = async () => {
      try {
        const key = await source.unwrap();
        if (source.active()) health.answered(source.birth);
        return key;
      } catch (error) {
        if (error instanceof KmsError && error.code === "ERR_KMS_REFUSED") custody.drop(ref);
        if (error instanceof KmsError && source.active()) health.failed("unwrap", error);
        throw error;
      }
    };
    return custody.open(ref, times.privateKeyTtl, unwrap, signal);
  }

  /** Which wrapped private half to open: the store's, and only in its absence the recording's own. */
  async #source(recipient: Recipient, signal: AbortSignal | undefined): Promise<PrivateKeySource> {
    const birth = decodeBirthRecord(recipient.birthRecord);
    const { organizationId, decryptionUnder } = this.#context;
    if (birth.organizationId !== organizationId) throw new RecordingKeyStoreError("ERR_RECORDING_MISMATCH", "the recording's key pair belongs to another organization");
    const digest = birthRecordDigest(recipient.birthRecord);
    let pair: KeyPair | undefined;
    let storeFailure: RecordingKeyStoreError | undefined;
    try {
      pair = await this.#pair(birth.keyPairId, digest, signal);
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError) || error.code !== "ERR_STORE_UNAVAILABLE") throw error;
      storeFailure = error;
    }
    if (pair) {
      if (!pair.digest.equals(digest)) throw new RecordingKeyStoreError("ERR_RECORDING_TAMPERED", `the recording names key pair ${birth.keyPairId} with another birth record than the store's`);
      await checkAnyCovered(this.#context, pair, signal);
      const isActive = () => this.#context.health.activeDigest?.equals(digest) ?? false;
      return { birth, digest, unwrap: () => this.#unwrapStored(pair), active: isActive };
    }
    const { kmsKeyArn, wrappedPrivateKey } = recipient;
    if (this.#embeddedKeys && kmsKeyArn !== undefined && wrappedPrivateKey) {
      if (!this.#embeddedKeys.covers(kmsKeyArn)) {
        throw untrusted(`the recording's own key is under ${kmsKeyArn}, which embeddedKeys does not cover`);
      }
      const birthRecord = Buffer.from(recipient.birthRecord);
      const unwrap = () => unwrapPrivateKey({ birth, birthRecord, ciphertext: wrappedPrivateKey, decrypt: decryptionUnder(kmsKeyArn) });
      return { birth, digest, unwrap, active: () => false };
    }
    throw storeFailure ?? new RecordingKeyStoreError("ERR_KEY_PAIR_NOT_FOUND", `the store has no key pair ${birth.keyPairId}, with which the recording was encrypted`);
  }

  #unwrapStored(pair: KeyPair): Promise<UnwrappingKey> {
    return byAnyWrapping(this.#context, pair, async ({ kmsKeyArn, ciphertext }) => {
      const key = await unwrapPrivateKey({ ...pair, ciphertext, decrypt: this.#context.decryptionUnder(kmsKeyArn) });
      if (key.publicKey.equals(pair.publicKey)) return key;
      throw untrusted(`key pair ${pair.birth.keyPairId}: its public key is not that of its private half`);
    });
  }

  async #pair(keyPairId: string, digest: Buffer, signal: AbortSignal | undefined): Promise<KeyPair | undefined> {
    const { store, organizationId } = this.#context;
    const name = digest.toString("base64url");
    const known = this.#parsed.get(name);
    if (known) return known;
    const stored = await storeCall(signal, () => store.readKeyPair(organizationId, keyPairId, options(signal)));
    if (!stored) return undefined;
    const pair = parseKeyPair(stored.document, { organizationId, what: `key pair ${keyPairId}` });
    if (pair.digest.equals(digest)) {
      if (this.#parsed.size >= parsedPairs) this.#parsed.delete(this.#parsed.keys().next().value ?? "");
      this.#parsed.set(name, pair);
    }
    return pair;
  }
}

interface PrivateKeySource {
  readonly birth: BirthRecord;
  readonly digest: Buffer;
  readonly unwrap: () => Promise<UnwrappingKey>;
  /** Whether this is the pair that encrypts now, whose KMS failures `status()` reports. */
  readonly active: () => boolean;
}
