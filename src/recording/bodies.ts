import type { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type { Metadata } from "../format/canonical-json.js";
import type { OpenedHeader } from "../format/header.js";
import type { StreamTotals } from "../format/segments.js";
import { wipe } from "../util/secrets.js";
import { decryptBytes, encryptBytes, type FillBytes } from "./bytes.js";
import type { OpenHeader } from "./decryptor.js";
import { type EncryptRequest } from "./encryptor.js";
import { isStream, type ByteStream, type RecordingStream } from "./stream-source.js";
import { encryptStream, openStream } from "./streams.js";

/** A recording, encrypted or not: bytes, or a stream of them. */
export type RecordingInput = Uint8Array | RecordingStream;

/** Bytes give bytes, a Node `Readable` gives a `Readable`, every other stream a `ReadableStream`. */
export type BodyOf<I extends RecordingInput> = I extends Uint8Array
  ? Uint8Array
  : I extends Readable
    ? Readable
    : ReadableStream<Uint8Array>;

/** What only streamed results have. */
export type Streamed<I extends RecordingInput> = I extends Uint8Array
  ? unknown
  : {
      /** Settles with the body: resolves at its end, rejects with its error. Never an unhandled rejection. */
      readonly done: Promise<StreamTotals>;
    };

export type EncryptedRecording<I extends RecordingInput> = Streamed<I> & {
  readonly body: BodyOf<I>;
  readonly keyPairId: string;
  /** KMS or the store is in trouble, and this was encrypted with the last known key. It will open when KMS is back. */
  readonly usedLastKnownKey: boolean;
  /** The KMS key is known to be disabled, pending deletion or gone: this may never open again. */
  readonly keyAtRisk: boolean;
  /** Whether KMS has vouched for the key on this host. */
  readonly confirmation: "confirmed" | "unconfirmed";
};

export type DecryptedRecording<I extends RecordingInput> = Streamed<I> & {
  readonly body: BodyOf<I>;
  readonly keyPairId: string;
  readonly publicMetadata?: Metadata;
  /** What was encrypted with the recording. */
  readonly metadata?: Metadata;
  /** How far the key was vouched for when the recording was made. */
  readonly confirmation: "confirmed" | "unconfirmed";
};

type Body<I extends RecordingInput> = Streamed<I> & { readonly body: BodyOf<I> };

/**
 * Encrypts bytes at once (by `fill`, or else by the calling thread alone), or a stream as it is read. Chunks of a Node stream
 * must stay as they are, as in any pipeline; every other source may use its chunk again once it is asked for the next one.
 */
export async function encryptBody<I extends RecordingInput>(
  input: I,
  request: EncryptRequest & { signal?: AbortSignal; fill?: FillBytes },
): Promise<Body<I>> {
  try {
    request.signal?.throwIfAborted();
    if (!isStream(input, "recording")) return { body: await encryptBytes(input, request) } as unknown as Body<I>;
    return encryptStream(input, request) as unknown as Body<I>;
  } finally {
    wipe(request.dataKey, request.metadata); // FLOE has derived its own keys from it
  }
}

/** Decrypts bytes at once, or a stream as it is read. Resolves when the header has been opened and authenticated. */
export async function decryptBody<I extends RecordingInput>(
  input: I,
  { open, signal, fill }: { open: OpenHeader; signal?: AbortSignal; fill?: FillBytes },
): Promise<Body<I> & { readonly header: OpenedHeader }> {
  if (!isStream(input, "encrypted")) {
    const { header, body } = await decryptBytes(input, { open, signal, fill });
    return { header, body } as unknown as Body<I> & { header: OpenedHeader };
  }
  const { decryptor, ...body } = await openStream(input, { open, signal, salvage: false }, (whole) => whole.totals());
  return { ...body, header: decryptor.header } as unknown as Body<I> & { header: OpenedHeader };
}

export type { ByteStream, StreamTotals };
