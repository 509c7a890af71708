import type { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import type { Metadata } from "../format/canonical-json.js";
import type { OpenedHeader } from "../format/header.js";
import type { StreamTotals } from "../format/segments.js";
import { wipe } from "../util/secrets.js";
import type { BodyBytes, BodyStream } from "./body-types.js";
import { decryptBytes, encryptBytes, type FillBytes } from "./bytes.js";
import type { OpenHeader } from "./decryptor.js";
import type { EncryptRequest } from "./encryptor.js";
import { ByteSource, takeInput, type ByteStream, type TakenInput } from "./stream-source.js";
import { encryptStream, openStream } from "./streams.js";

/** A recording, encrypted or not: bytes, or a stream of them. */
export type RecordingInput = Uint8Array | Readable | OtherStream;

/** Any stream of bytes that is not a Node `Readable`. */
export type OtherStream = ByteStream | AsyncIterable<Uint8Array>;

/** Bytes become bytes, a Node `Readable` becomes a `Readable`, and every other stream a `ReadableStream`. */
export type RecordingBody = Uint8Array | Readable | NodeReadableStream<Uint8Array>;

/** An encrypted recording, and what is known of the key that it was encrypted with. */
export interface EncryptedRecording<Body extends RecordingBody = RecordingBody> {
  readonly body: Body;
  readonly keyPairId: string;
  /** KMS or the store is in trouble, and this was encrypted with the last known key. It will open when KMS is back. */
  readonly usedLastKnownKey: boolean;
  /** The KMS key is known to be disabled, pending deletion or gone: this may never open again. */
  readonly keyAtRisk: boolean;
  /** Whether KMS has vouched for the key on this host. */
  readonly confirmation: "confirmed" | "unconfirmed";
}

/** A decrypted recording, and what its header says. */
export interface DecryptedRecording<Body extends RecordingBody = RecordingBody> {
  readonly body: Body;
  readonly keyPairId: string;
  readonly publicMetadata?: Metadata;
  /** What was encrypted with the recording. */
  readonly metadata?: Metadata;
  /** How far the key was vouched for when the recording was made. */
  readonly confirmation: "confirmed" | "unconfirmed";
}

/** Beside a body that is a stream. */
export interface Streamed<Totals = StreamTotals> {
  /** Settles with the body: resolves at its end, rejects with its error. Never an unhandled rejection. */
  readonly done: Promise<Totals>;
}

export interface EncryptedStream<Body extends Readable | NodeReadableStream<Uint8Array>>
  extends EncryptedRecording<Body>, Streamed {}
export interface DecryptedStream<Body extends Readable | NodeReadableStream<Uint8Array>>
  extends DecryptedRecording<Body>, Streamed {}

interface BodyOf<Body extends RecordingBody> {
  readonly body: Body;
}
type EncryptBodyRequest = EncryptRequest & { signal?: AbortSignal; fill?: FillBytes };

/** Of an input whose kind only the caller knows. */
export type AnyBody = BodyOf<RecordingBody> & Partial<Streamed>;

/**
 * Encrypts bytes at once (by `fill`, or else by the calling thread alone), or a stream as it is read. Chunks of a Node stream
 * must stay as they are, as in any pipeline; every other source may use its chunk again once it is asked for the next one.
 */
export function encryptBody(input: Uint8Array, request: EncryptBodyRequest): Promise<BodyOf<BodyBytes>>;
export function encryptBody(input: Readable, request: EncryptBodyRequest): Promise<BodyOf<Readable> & Streamed>;
export function encryptBody(input: OtherStream, request: EncryptBodyRequest): Promise<BodyOf<BodyStream> & Streamed>;
export function encryptBody(input: RecordingInput | TakenInput, request: EncryptBodyRequest): Promise<AnyBody>;
export async function encryptBody(input: RecordingInput | TakenInput, request: EncryptBodyRequest): Promise<AnyBody> {
  try {
    request.signal?.throwIfAborted();
    const source = takeInput(input, "recording");
    if (!(source instanceof ByteSource)) return { body: await encryptBytes(source, request) };
    return encryptStream(source, request);
  } finally {
    wipe(request.dataKey, request.metadata); // FLOE has derived its own keys from it
  }
}

interface DecryptBodyRequest {
  readonly open: OpenHeader;
  readonly signal?: AbortSignal;
  readonly fill?: FillBytes;
}
interface Opened {
  readonly header: OpenedHeader;
}

/** Decrypts bytes at once, or a stream as it is read. Resolves when the header has been opened and authenticated. */
export function decryptBody(input: Uint8Array, request: DecryptBodyRequest): Promise<BodyOf<BodyBytes> & Opened>;
export function decryptBody(
  input: Readable,
  request: DecryptBodyRequest,
): Promise<BodyOf<Readable> & Streamed & Opened>;
export function decryptBody(
  input: OtherStream,
  request: DecryptBodyRequest,
): Promise<BodyOf<BodyStream> & Streamed & Opened>;
export function decryptBody(input: RecordingInput | TakenInput, request: DecryptBodyRequest): Promise<AnyBody & Opened>;
export async function decryptBody(
  input: RecordingInput | TakenInput,
  request: DecryptBodyRequest,
): Promise<AnyBody & Opened> {
  const { open, signal, fill } = request;
  const source = takeInput(input, "encrypted");
  if (!(source instanceof ByteSource)) return decryptBytes(source, { open, signal, fill });
  const { decryptor, ...body } = await openStream(source, { open, signal, salvage: false }, (whole) => whole.totals());
  return { ...body, header: decryptor.header };
}
