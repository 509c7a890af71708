import { RecordingKeyStoreError, type ErrorCode } from "../../errors.js";
import { birthRecordDigest, decodeBirthRecord, type BirthRecord } from "../../format/birth-record.js";
import type { DataKeyLease } from "../../format/data-key-lease.js";
import type { UnwrappingKey } from "../../format/data-key-wrapping.js";
import { KmsError } from "../../kms/kms-error.js";
import type { KeyPairContext } from "../context.js";
import { untrusted } from "../failures.js";
import { claimedBirth, type ClaimedKeyPair } from "../key-pair.js";
import type { TrustAnchor } from "../trust-anchor.js";
import { byAnyWrapping, checkAnyCovered, kmsKeysOf } from "../wrappings.js";
import { LeasedDataKey } from "./data-key-lease.js";
import type { HeldPrivateKey } from "./private-key-custody.js";

/** A wrapped data key in a recording's header. */
export interface Recipient {
  readonly birthRecord: Uint8Array;
  readonly wrappedDataKey: Uint8Array;
  readonly kmsKeyArn?: string | undefined;
  readonly wrappedPrivateKey?: Uint8Array | undefined;
}

/** Duration of the shortest lease, in ms, so that no stream asks for its key at every segment. */
const shortestLease = 1_000;
/** Most pairs kept that KMS has unwrapped once. They are immutable and hold no secret. */
const keptPairs = 1_000;

export interface LeaseOptions {
  /** Has KMS unwrap the private half though it may be in memory still. */
  readonly askKms?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface DataKeyParts extends Pick<
  KeyPairContext,
  "organizationId" | "records" | "calls" | "trust" | "custody" | "health" | "operations" | "times"
> {
  /** KMS keys that may unwrap a recording's own wrapped private half, where the store lacks the pair. */
  readonly embeddedKeys: TrustAnchor | undefined;
  /** The active pair, whose KMS failures `status()` reports. */
  readonly active: () => ClaimedKeyPair | undefined;
  /** The vouched pair that the history begins with. Read where a pair's own KMS key refuses. */
  readonly history: () => Promise<ClaimedKeyPair>;
}

/** Opens the data keys of recordings: finds the pair, has its private half unwrapped, and starts leases. */
export class DataKeys {
  readonly #parts: DataKeyParts;
  readonly #opened = new Map<string, ClaimedKeyPair>();

  constructor(parts: DataKeyParts) {
    this.#parts = parts;
  }

  /**
   * Starts a lease on the data key of a recording, by the first of its recipients that opens. It ends with `privateKeyTtl`
   * or `forgetPrivateKeys()`.
   * @throws KmsError while KMS is away; `ERR_KEY_PAIR_NOT_FOUND`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_RECORDING_TAMPERED`; of
   * several failures the first that is retryable, or else the first
   */
  async lease(
    recipients: readonly Recipient[],
    options: LeaseOptions = {},
  ): Promise<{ lease: DataKeyLease; keyPairId: string }> {
    const { signal } = options;
    const failures: unknown[] = [];
    for (const recipient of recipients) {
      try {
        const source = await this.#source(recipient, signal);
        return { lease: await this.#leaseFrom(source, recipient, options), keyPairId: source.birth.keyPairId };
      } catch (error) {
        signal?.throwIfAborted();
        failures.push(error);
      }
    }
    throw failures.find((error) => error instanceof RecordingKeyStoreError && error.retryable) ?? failures[0];
  }

  #leaseFrom(
    source: PrivateKeySource,
    recipient: Recipient,
    { askKms = false, signal }: LeaseOptions,
  ): Promise<DataKeyLease> {
    const { custody, times, organizationId } = this.#parts;
    const ttl = askKms ? 0 : times.privateKeyTtl;
    const parts = {
      custody,
      organizationId,
      duration: Math.max(times.privateKeyTtl, shortestLease),
      open: (openSignal?: AbortSignal) => this.#open(source, ttl, openSignal),
      unwrap: (key: UnwrappingKey) => key.unwrap(recipient.wrappedDataKey),
    };
    return LeasedDataKey.start(parts, signal);
  }

  async #open(source: PrivateKeySource, ttl: number, signal: AbortSignal | undefined): Promise<HeldPrivateKey> {
    const { custody, organizationId, health, operations } = this.#parts;
    const ref = { organizationId, digest: source.digest };
    let inMemory = true;
    const unwrap = async () => {
      inMemory = false;
      try {
        const key = await operations.run({ operation: "unwrapPrivateKey" }, source.unwrap);
        if (this.#isActive(source)) health.answered(source.birth);
        return key;
      } catch (error) {
        if (error instanceof KmsError && error.code === "ERR_KMS_REFUSED") custody.drop(ref);
        if (error instanceof KmsError && this.#isActive(source)) health.failed("unwrap", error);
        throw error;
      }
    };
    const opening = custody.open(ref, ttl, unwrap, signal);
    operations.privateKeyUsed(inMemory);
    return opening;
  }

  /** The wrapped private half to unwrap: the store's or, where that is not there, the recording's own. */
  async #source(recipient: Recipient, signal: AbortSignal | undefined): Promise<PrivateKeySource> {
    const digest = birthRecordDigest(recipient.birthRecord);
    const opened = this.#opened.get(digest.toString("base64url"));
    const named = { birth: opened?.birth ?? this.#birthOf(recipient), digest };
    let failure: RecordingKeyStoreError;
    try {
      const pair = opened ?? (await this.#stored(named, signal));
      if (pair) return this.#withFallback(await this.#storedSource(pair, named, signal), recipient);
      failure = await this.#notFound(named.birth, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof RecordingKeyStoreError) || !saysItIsNotThere.has(error.code)) throw error;
      failure = error;
    }
    const embedded = this.#embeddedSource(recipient, named);
    if (embedded) return embedded;
    throw failure;
  }

  /** A pair ahead of the store's head was lost with a restored backup, and a worker that holds it may put it back at any time. */
  async #notFound(
    { keyPairId, sequence }: BirthRecord,
    signal: AbortSignal | undefined,
  ): Promise<RecordingKeyStoreError> {
    const head = await this.#parts.records.readHead(signal).catch(() => undefined);
    signal?.throwIfAborted();
    const retryable = sequence > (head?.sequence ?? 0);
    const why = retryable ? ". It is newer than the store's head: the store was restored from a backup, it seems" : "";
    return new RecordingKeyStoreError(
      "ERR_KEY_PAIR_NOT_FOUND",
      `the store has no key pair ${keyPairId}, with which the recording was encrypted${why}. ` +
        "restoreKeyPairs() puts back what recordings carry of their key pair",
      { retryable },
    );
  }

  /** Falls back to the recording's own wrapping where KMS disowns the store's. */
  #withFallback(source: PrivateKeySource, recipient: Recipient): PrivateKeySource {
    const unwrap = async () => {
      try {
        return await source.unwrap();
      } catch (error) {
        const disowned =
          error instanceof RecordingKeyStoreError &&
          (error.code === "ERR_KMS_REJECTED" || error.code === "ERR_KEY_PAIR_UNTRUSTED");
        const embedded = disowned ? this.#embeddedSource(recipient, source) : undefined;
        if (!embedded) throw error;
        return embedded.unwrap();
      }
    };
    return { ...source, unwrap };
  }

  /** The store's pair of a recording. @throws `ERR_RECORDING_TAMPERED` where its birth record is another */
  async #stored({ birth, digest }: Named, signal: AbortSignal | undefined): Promise<ClaimedKeyPair | undefined> {
    const pair = await this.#parts.records.readPair(birth.keyPairId, signal);
    if (!pair) return this.#isActive({ digest }) ? this.#parts.active() : undefined; // lost with a restored backup
    if (pair.digest.equals(digest)) return pair;
    throw new RecordingKeyStoreError(
      "ERR_RECORDING_TAMPERED",
      `the recording names key pair ${birth.keyPairId} with another birth record than the store's`,
    );
  }

  #birthOf({ birthRecord }: Recipient): BirthRecord {
    const { organizationId } = this.#parts;
    const birth = decodeBirthRecord(birthRecord);
    if (birth.organizationId !== organizationId) {
      throw new RecordingKeyStoreError(
        "ERR_RECORDING_MISMATCH",
        "the recording's key pair belongs to another organization",
      );
    }
    return claimedBirth(birthRecord, { organizationId, what: `the recording's key pair ${birth.keyPairId}` });
  }

  async #storedSource(
    pair: ClaimedKeyPair,
    { birth, digest }: Named,
    signal: AbortSignal | undefined,
  ): Promise<PrivateKeySource> {
    const parts = { ...this.#parts, historyKeys: () => this.#historyKeys() };
    await checkAnyCovered(parts, pair, signal);
    const unwrap = async () => {
      const key = await byAnyWrapping(parts, pair, (wrapping) => this.#parts.calls.unwrapHalf(pair, wrapping));
      this.#keep(pair);
      return key;
    };
    return { birth, digest, unwrap };
  }

  async #historyKeys(): Promise<ReadonlySet<string>> {
    const newest = await this.#parts.history().catch((error: unknown) => {
      if (!(error instanceof RecordingKeyStoreError)) throw error;
    });
    return kmsKeysOf(this.#parts.records, newest ?? undefined);
  }

  #embeddedSource(
    { kmsKeyArn, wrappedPrivateKey, ...recipient }: Recipient,
    { birth, digest }: Named,
  ): PrivateKeySource | undefined {
    const { embeddedKeys, calls } = this.#parts;
    if (!embeddedKeys || kmsKeyArn === undefined || !wrappedPrivateKey) return undefined;
    if (!embeddedKeys.coversKey(kmsKeyArn))
      throw untrusted(`the recording's own key is under ${kmsKeyArn}, which embeddedKeys does not cover`);
    const birthRecord = Buffer.from(recipient.birthRecord);
    const wrapping = { kmsKeyArn, ciphertext: Buffer.from(wrappedPrivateKey) };
    return { birth, digest, unwrap: () => calls.unwrap({ birth, birthRecord }, wrapping) };
  }

  #isActive({ digest }: Pick<Named, "digest">): boolean {
    return this.#parts.active()?.digest.equals(digest) ?? false;
  }

  /** Keeps a pair that KMS has unwrapped. A damaged record is read again, since it may be repaired. */
  #keep(pair: ClaimedKeyPair): void {
    const [first] = this.#opened.keys();
    if (this.#opened.size >= keptPairs && first !== undefined) this.#opened.delete(first);
    this.#opened.set(pair.digest.toString("base64url"), pair);
  }
}

/** Codes of a pair that the store has lost. Garbage in its place must not keep the recording shut. */
const saysItIsNotThere: ReadonlySet<ErrorCode> = new Set([
  "ERR_STORE_UNAVAILABLE",
  "ERR_STORE_CORRUPT",
  "ERR_RECORDING_TAMPERED",
  "ERR_FORMAT_INVALID",
]);

interface Named {
  readonly birth: BirthRecord;
  readonly digest: Buffer;
}

interface PrivateKeySource extends Named {
  readonly unwrap: () => Promise<UnwrappingKey>;
}
