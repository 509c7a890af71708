import { RecordingKeyStoreError } from "../errors.js";
import { encodeHeader, type OpenedHeader, type RecordingHeader } from "../format/header.js";
import { encodeMetadata, metadataSectionLength } from "../format/metadata.js";
import { encryptedSize, floeHeaderLength, segmentOverhead } from "../format/segments.js";
import { newDataKey } from "../key-pairs/custody/data-keys.js";
import type { EncryptionKey, KeyManager } from "../key-pairs/key-manager.js";
import {
  decryptBody,
  encryptBody,
  type DecryptedRecording,
  type EncryptedRecording,
  type Streamed,
} from "../recording/bodies.js";
import type { FillBytes } from "../recording/bytes.js";
import type { OpenHeader } from "../recording/decryptor.js";
import type { EncryptRequest } from "../recording/encryptor.js";
import type { FileRequest } from "../recording/files/file-work.js";
import {
  decryptFile,
  encryptFile,
  type DecryptedFile,
  type EncryptedFile,
} from "../recording/files/recording-files.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import { readMetadata } from "../recording/read-metadata.js";
import { SegmentReader, type OpenRequest } from "../recording/reader/segment-reader.js";
import { salvageBody, type SalvageTotals } from "../recording/salvage.js";
import type { TakenInput } from "../recording/stream-source.js";
import { fillByThreads } from "../recording/threads/fill-bytes.js";
import { isBytes } from "../util/bytes.js";
import { defined } from "../util/defined.js";
import { yieldToEventLoop } from "../util/event-loop.js";
import { wipe } from "../util/secrets.js";
import type { check } from "./schemas.js";

type CheckedEncrypt = ReturnType<typeof check<"encrypt">>;
type CheckedDecrypt = ReturnType<typeof check<"decrypt">>;
type CheckedDecryptRecording = ReturnType<typeof check<"decryptRecording">>;
type EncryptionFacts = Omit<EncryptedRecording<Uint8Array>, "body">;

/** What is known of a recording without its content. */
export type RecordingMetadata = Omit<DecryptedRecording<Uint8Array>, "body">;

/** Brings keys and recording format together: which key goes into a header, and which header opens with which key. */
export class RecordingCipher {
  readonly #organizationId: string;
  readonly #selfContained: boolean;
  readonly #keys: KeyManager;

  constructor(options: { organizationId: string; selfContained: boolean }, keys: KeyManager) {
    this.#organizationId = options.organizationId;
    this.#selfContained = options.selfContained;
    this.#keys = keys;
  }

  async encrypt(
    recording: TakenInput,
    options: CheckedEncrypt,
    signal: AbortSignal,
  ): Promise<EncryptedRecording & Partial<Streamed>> {
    await yieldToEventLoop();
    const { seal, facts } = await this.#seal(options, signal);
    return { ...(await encryptBody(recording, { ...seal, signal, ...byThreads(recording, options) })), ...facts };
  }

  encryptFile(file: FileRequest, options: CheckedEncrypt): Promise<EncryptedFile> {
    return encryptFile(file, () => this.#seal(options, file.signal));
  }

  /** Bad metadata is found before a key is asked for. */
  async #seal(options: CheckedEncrypt, signal: AbortSignal): Promise<{ seal: EncryptRequest; facts: EncryptionFacts }> {
    const metadata = options.metadata && encodeMetadata(options.metadata);
    const dataKey = newDataKey();
    try {
      const key = await this.#keys.encryptionKey(signal);
      const header = this.#header(key, key.pair.wrappingKey.wrap(dataKey), options, metadata);
      const { keyPairId } = key.pair.birth;
      return {
        seal: { header, dataKey, segmentLength: options.segmentSize + segmentOverhead, metadata },
        facts: {
          keyPairId,
          usedLastKnownKey: key.usedLastKnownKey,
          keyAtRisk: key.keyAtRisk,
          confirmation: key.confirmation,
        },
      };
    } catch (error) {
      wipe(dataKey, metadata);
      throw error;
    }
  }

  async decrypt(
    encrypted: TakenInput,
    options: CheckedDecryptRecording,
    signal: AbortSignal,
  ): Promise<DecryptedRecording & Partial<Streamed>> {
    const { open, factsOf } = this.#opening(options, signal);
    const { header, ...body } = await decryptBody(encrypted, { open, signal, ...byThreads(encrypted, options) });
    return { ...body, ...factsOf(header) };
  }

  decryptFile(file: FileRequest, options: CheckedDecrypt): Promise<DecryptedFile> {
    const { open, factsOf } = this.#opening(options, file.signal);
    return decryptFile(file, open, factsOf);
  }

  async salvage(
    encrypted: TakenInput,
    options: CheckedDecrypt,
    signal: AbortSignal,
  ): Promise<DecryptedRecording & (SalvageTotals | Streamed<SalvageTotals>)> {
    const { open, factsOf } = this.#opening(options, signal);
    const { header, ...body } = await salvageBody(encrypted, { open, signal });
    return { ...body, ...factsOf(header) };
  }

  async readMetadata(
    encrypted: TakenInput | RandomAccessSource,
    options: CheckedDecrypt,
    signal: AbortSignal,
  ): Promise<RecordingMetadata> {
    const { open, checkNames, factsOf } = this.#opening(options, signal);
    return factsOf(await readMetadata(encrypted, { open, checkNames, signal }));
  }

  /** How one recording is opened, and what is known of it then. */
  #opening(options: CheckedDecrypt, signal: AbortSignal) {
    let keyPairId = "";
    const checkNames = (header: RecordingHeader) => this.#checkNames(header, options);
    const open: OpenHeader = async (header) => {
      checkNames(header);
      const { lease, keyPairId: openedBy } = await this.#lease(header, signal);
      keyPairId = openedBy;
      return lease;
    };
    const factsOf = ({ confirmation, publicMetadata, metadata }: OpenedHeader): RecordingMetadata => ({
      keyPairId,
      confirmation,
      ...defined({ publicMetadata, metadata }),
    });
    return { open, checkNames, factsOf };
  }

  open(
    source: RandomAccessSource,
    options: CheckedDecrypt,
    signal: AbortSignal,
    run: OpenRequest["run"],
  ): Promise<SegmentReader> {
    return SegmentReader.open(source, {
      checkNames: (header) => this.#checkNames(header, options),
      open: (header) => this.#lease(header, signal),
      signal,
      ...defined({ run }),
    });
  }

  /** Many may have waited for their headers at once. */
  async #lease({ recipients }: RecordingHeader, signal: AbortSignal) {
    await yieldToEventLoop();
    return this.#keys.lease(recipients, signal);
  }

  async encryptedSize(plaintextSize: number, options: CheckedEncrypt, signal: AbortSignal): Promise<number> {
    const { header, dataKey, metadata, segmentLength } = (await this.#seal(options, signal)).seal;
    wipe(dataKey, metadata);
    return encryptedSize(plaintextSize, {
      preambleLength: header.length + (metadata ? metadataSectionLength(metadata) : 0) + floeHeaderLength,
      segmentLength,
    });
  }

  #header(
    { pair, confirmation }: EncryptionKey,
    wrappedDataKey: Buffer,
    options: CheckedEncrypt,
    metadata: Buffer | undefined,
  ): Buffer {
    const { kmsKeyArn, ciphertext: wrappedPrivateKey } = pair.wrapping;
    return encodeHeader({
      organizationId: this.#organizationId,
      recordingId: options.recordingId,
      asset: options.asset,
      recipients: [
        {
          birthRecord: pair.birthRecord,
          wrappedDataKey,
          ...(this.#selfContained ? { kmsKeyArn, wrappedPrivateKey } : {}),
        },
      ],
      segmentLength: options.segmentSize + segmentOverhead,
      confirmation,
      ...defined({
        publicMetadata: options.publicMetadata,
        metadataLength: metadata && metadataSectionLength(metadata),
      }),
    });
  }

  /** A mismatch is found before any key is asked for. */
  #checkNames(header: RecordingHeader, { recordingId, asset }: CheckedDecrypt): void {
    const expected = { organizationId: this.#organizationId, recordingId, asset };
    for (const name of ["organizationId", "recordingId", "asset"] as const) {
      if (header[name] === expected[name]) continue;
      // The found value is authenticated only later, and may be another customer's: it is not shown.
      throw new RecordingKeyStoreError(
        "ERR_RECORDING_MISMATCH",
        `this is another recording: its ${name} is not ${JSON.stringify(expected[name])}`,
      );
    }
  }
}

/** Bytes may be worth more than the calling thread. */
function byThreads(recording: TakenInput, { threads }: { threads: number }): { fill?: FillBytes } {
  const fill = isBytes(recording) ? fillByThreads(recording.length, threads) : undefined;
  return fill ? { fill } : {};
}
