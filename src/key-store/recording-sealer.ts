import { newDataKey } from "../format/data-key-wrapping.js";
import { encodeHeader } from "../format/header.js";
import { encodeMetadata, metadataSectionLength } from "../format/metadata.js";
import { encryptedSize, floeHeaderLength, segmentOverhead } from "../format/segments.js";
import type { ClaimedKeyPair, KmsCiphertext } from "../key-pairs/key-pair.js";
import { encryptBody, type EncryptedRecording, type Streamed } from "../recording/bodies.js";
import type { FillBytes } from "../recording/bytes.js";
import type { EncryptRequest } from "../recording/encryptor.js";
import type { FileRequest } from "../recording/files/file-work.js";
import { encryptFile, type EncryptedFile } from "../recording/files/recording-files.js";
import type { TakenInput } from "../recording/stream-source.js";
import { fillByThreads } from "../recording/threads/fill-bytes.js";
import { isBytes } from "../util/bytes.js";
import { defined } from "../util/defined.js";
import { yieldToEventLoop } from "../util/event-loop.js";
import { wipe } from "../util/secrets.js";
import type { check } from "./schemas.js";

export type CheckedEncrypt = ReturnType<typeof check<"encrypt">>;
type EncryptionFacts = Omit<EncryptedRecording<Uint8Array>, "body">;

/** The pair that a recording is encrypted with, and what the result says of it. */
export interface SealingKey extends Omit<EncryptionFacts, "keyPairId"> {
  readonly pair: Pick<ClaimedKeyPair, "birth" | "birthRecord" | "wrappingKey">;
  /** The private half under the KMS key, for a recording that carries it. */
  readonly wrapping?: KmsCiphertext;
}

/** Encrypts recordings with whatever key it is given for each. */
export class RecordingSealer {
  readonly #organizationId: string;
  readonly #key: (signal: AbortSignal) => Promise<SealingKey>;

  constructor(organizationId: string, key: (signal: AbortSignal) => Promise<SealingKey>) {
    this.#organizationId = organizationId;
    this.#key = key;
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

  async encryptedSize(plaintextSize: number, options: CheckedEncrypt, signal: AbortSignal): Promise<number> {
    const { header, dataKey, metadata, segmentLength } = (await this.#seal(options, signal)).seal;
    wipe(dataKey, metadata);
    return encryptedSize(plaintextSize, {
      preambleLength: header.length + (metadata ? metadataSectionLength(metadata) : 0) + floeHeaderLength,
      segmentLength,
    });
  }

  /** Bad metadata is found before a key is asked for. */
  async #seal(options: CheckedEncrypt, signal: AbortSignal): Promise<{ seal: EncryptRequest; facts: EncryptionFacts }> {
    const metadata = options.metadata && encodeMetadata(options.metadata);
    const dataKey = newDataKey();
    try {
      const key = await this.#key(signal);
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

  #header(
    { pair, wrapping, confirmation }: SealingKey,
    wrappedDataKey: Buffer,
    options: CheckedEncrypt,
    metadata: Buffer | undefined,
  ): Buffer {
    return encodeHeader({
      organizationId: this.#organizationId,
      recordingId: options.recordingId,
      asset: options.asset,
      recipients: [
        {
          birthRecord: pair.birthRecord,
          wrappedDataKey,
          ...(wrapping ? { kmsKeyArn: wrapping.kmsKeyArn, wrappedPrivateKey: wrapping.ciphertext } : {}),
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
}

/** Bytes may be worth more than the calling thread. */
export function byThreads(recording: TakenInput, { threads }: { threads: number }): { fill?: FillBytes } {
  const fill = isBytes(recording) ? fillByThreads(recording.length, threads) : undefined;
  return fill ? { fill } : {};
}
