import { InvalidInputError } from "../errors.js";
import { decodeBirthRecord } from "../format/birth-record.js";
import type { Metadata } from "../format/canonical-json.js";
import { isTooNew } from "../format/damage.js";
import type { HeaderRecipient, RecordingHeader } from "../format/header.js";
import { checkWholeEnd, decryptionLayout, floeHeaderLength, segmentOverhead } from "../format/segments.js";
import type { Confirmation, KeyPairReason, KeyPairSpec, PeriodicKeyChange } from "../format/vocabulary.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import { isAbortSignal } from "../util/realms.js";
import type { RecordingInput } from "./bodies.js";
import { bytesReader } from "./byte-reader.js";
import { headerIn, type HeaderRead } from "./preamble.js";
import { checkedSource, type RandomAccessSource } from "./random-access-source.js";
import { isSource } from "./read-metadata.js";
import { ByteSource, takeInput } from "./stream-source.js";
import { onSource } from "./streams.js";

/** What the header of a recording says of one wrapped data key. Nothing of it is verified. */
export interface InspectedDataKey {
  /** What the recording says of the key pair; absent where that is of a later version. */
  readonly keyPair?: {
    readonly organizationId: string;
    readonly keyPairId: string;
    readonly sequence: number;
    readonly spec: KeyPairSpec;
    /** In ms since the Unix epoch. */
    readonly createdAt: number;
    readonly kmsKeyAliasArn: string;
    readonly periodicKeyChange: PeriodicKeyChange;
    readonly contextKeyName: string;
    readonly purpose: "test" | "key-pair";
    readonly reason?: KeyPairReason;
  };
  /** Length of the wrapped data key, in bytes. */
  readonly wrappedSize: number;
  /** The wrapped private half that the recording carries; absent if it carries none. */
  readonly embeddedKey?: { readonly kmsKeyArn: string; readonly wrappedSize: number };
}

/**
 * What the header of a recording says to anybody. Whoever can write to the file can write all of it: good for finding and
 * sorting recordings, and for nothing that must be true. Sizes are in bytes.
 */
export interface RecordingInspection {
  /** Only opening the recording authenticates its header. */
  readonly authenticated: false;
  readonly formatVersion: 1;
  readonly organizationId: string;
  readonly recordingId: string;
  readonly asset: string;
  /** Id of the key pair of the first wrapped data key that this version knows. */
  readonly keyPairId?: string;
  /** Those that this version knows, in their order. */
  readonly wrappedDataKeys: readonly InspectedDataKey[];
  /** Number of wrapped data keys of later versions. */
  readonly laterDataKeys: number;
  readonly confirmation: Confirmation;
  readonly publicMetadata?: Metadata;
  /** Plaintext of a segment. */
  readonly segmentSize: number;
  /** Everything before the first segment. */
  readonly preambleSize: number;
  /** The encrypted metadata; 0 if there is none. */
  readonly metadataSize: number;
  /** The whole recording, if it was bytes or a source. */
  readonly encryptedSize?: number;
  /** What that size leaves for the plaintext; absent where no recording has such a size. */
  readonly plaintextSize?: number;
}

/**
 * Reads what the header of an encrypted recording says, without a key and without asking anybody. A stream is read as far as
 * needed and then cancelled.
 *
 * @example
 * ```ts
 * const { publicMetadata, wrappedDataKeys } = await inspectRecording(await fileSource("call.rec"));
 * ```
 * @throws RecordingKeyStoreError `ERR_FORMAT_INVALID`, `ERR_FORMAT_TOO_NEW`, `ERR_RECORDING_TRUNCATED`; InvalidInputError; what
 * the source throws; the signal's reason
 */
export async function inspectRecording(
  recording: RecordingInput | RandomAccessSource,
  options: { signal?: AbortSignal } = {},
): Promise<RecordingInspection> {
  const { signal } = knownOptions(options, { signal: true });
  if (signal !== undefined && !isAbortSignal(signal))
    throw new InvalidInputError("signal", "must be an AbortSignal", signal);
  const { size, ...read } = await readHeader(recording, signal);
  return inspection(read, size);
}

/** Header of a recording, and its size in bytes where that is known. @throws as {@link inspectRecording} */
export async function readHeader(
  recording: RecordingInput | RandomAccessSource,
  signal?: AbortSignal,
): Promise<HeaderRead & { readonly size: number | undefined }> {
  if (isSource(recording)) {
    const source = checkedSource(recording);
    return { ...(await headerIn(source, signal)), size: source.size };
  }
  const taken = takeInput(recording, "recording");
  if (!(taken instanceof ByteSource)) {
    signal?.throwIfAborted();
    return { ...(await headerIn(bytesReader(taken))), size: taken.length };
  }
  const read = await onSource(taken, signal, (reader) => headerIn(reader));
  taken.cancel(undefined);
  return { ...read, size: undefined };
}

function inspection({ header, encodedHeader }: HeaderRead, encryptedSize: number | undefined): RecordingInspection {
  const { organizationId, recordingId, asset, recipients, laterRecipients = 0, confirmation, segmentLength } = header;
  const { publicMetadata, metadataLength = 0, sectionLength = 0 } = header;
  const wrappedDataKeys = recipients.map(inspectedDataKey);
  const preambleSize = encodedHeader.length + metadataLength + sectionLength + floeHeaderLength;
  return {
    authenticated: false,
    formatVersion: 1,
    organizationId,
    recordingId,
    asset,
    wrappedDataKeys,
    laterDataKeys: laterRecipients + wrappedDataKeys.filter(({ keyPair }) => !keyPair).length,
    confirmation,
    segmentSize: segmentLength - segmentOverhead,
    preambleSize,
    metadataSize: metadataLength,
    ...defined({
      keyPairId: wrappedDataKeys.find(({ keyPair }) => keyPair)?.keyPair?.keyPairId,
      publicMetadata,
      encryptedSize,
      plaintextSize: encryptedSize === undefined ? undefined : plaintextSizeOf(encryptedSize, header, preambleSize),
    }),
  };
}

function inspectedDataKey({
  birthRecord,
  wrappedDataKey,
  kmsKeyArn,
  wrappedPrivateKey,
}: HeaderRecipient): InspectedDataKey {
  const embeddedKey =
    kmsKeyArn === undefined || !wrappedPrivateKey ? undefined : { kmsKeyArn, wrappedSize: wrappedPrivateKey.length };
  return { wrappedSize: wrappedDataKey.length, ...defined({ keyPair: knownBirth(birthRecord), embeddedKey }) };
}

/** @throws RecordingKeyStoreError `ERR_FORMAT_INVALID` */
function knownBirth(bytes: Uint8Array): InspectedDataKey["keyPair"] {
  try {
    const { previousDigest: _digest, scheduleAnchor: _anchor, ...told } = decodeBirthRecord(bytes);
    return told;
  } catch (error) {
    if (isTooNew(error)) return undefined;
    throw error;
  }
}

function plaintextSizeOf(size: number, header: RecordingHeader, preambleLength: number): number | undefined {
  const layout = decryptionLayout(size, { ...header, preambleLength });
  try {
    checkWholeEnd(layout);
    return layout.target.end;
  } catch {
    return undefined;
  }
}
