import type { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type { RecordingKeyStoreError } from "../errors.js";
import type { OpenedHeader } from "../format/header.js";
import type { StreamTotals } from "../format/segments.js";
import { defined } from "../util/defined.js";
import { turnOf } from "../util/event-loop.js";
import { freeBuffers } from "../util/free-buffers.js";
import { wipe } from "../util/secrets.js";
import type { DecryptedRecording, RecordingBody, RecordingInput, Streamed } from "./bodies.js";
import type { BodyBytes } from "./body-types.js";
import { bytesReader } from "./byte-reader.js";
import { keepingLength } from "./bytes.js";
import { RecordingDecryptor, type DecryptRequest, type OpenHeader } from "./decryptor.js";
import { ByteSource, takeInput, type TakenInput } from "./stream-source.js";
import { openStream } from "./streams.js";

/** How much of a recording was saved. Sizes count what was verified, in bytes. */
export interface SalvageTotals extends StreamTotals {
  /**
   * True only if the whole recording was there: verified to its last segment, and nothing behind it. False claims nothing
   * about what is missing, which may be one byte, hours, or nothing but foreign bytes behind a whole recording.
   */
  readonly complete: boolean;
  /** Why it is not complete: what `decryptRecording` would have thrown. Whoever can write to the file can choose this. */
  readonly damage?: RecordingKeyStoreError;
}

/** An authentic beginning of a recording, in whole segments, and no claim about the rest. */
export interface SalvagedRecording extends DecryptedRecording<BodyBytes>, SalvageTotals {}

/** As {@link SalvagedRecording}, of a stream: how much was saved shows when it has ended. */
export interface SalvagedStream<Body extends Readable | ReadableStream<Uint8Array>>
  extends DecryptedRecording<Body>, Streamed<SalvageTotals> {}

/** Of an input whose kind only the caller knows. */
export type AnySalvaged = { readonly body: RecordingBody; readonly header: OpenedHeader } & (
  SalvageTotals | Streamed<SalvageTotals>
);

/**
 * Decrypts what is left of a recording: ends, instead of failing, at the first segment that is missing, cut short or does
 * not verify. Of a recording followed by foreign bytes (a preallocated file) it gives everything, and still `complete: false`;
 * likewise of one whose encrypted metadata alone is damaged.
 *
 * @throws RecordingKeyStoreError where the header or what else comes before the first segment is not whole, and whatever
 * `open` throws; failures of the source and of the keys are failures here too
 */
export async function salvageBody(
  input: RecordingInput | TakenInput,
  { open, signal }: SalvageRequest,
): Promise<AnySalvaged> {
  const request = { open, signal, salvage: true };
  const source = takeInput(input, "encrypted");
  if (source instanceof ByteSource) {
    const { decryptor, ...body } = await openStream(source, request, totalsOf);
    return { header: decryptor.header, ...body };
  }
  return keepingLength(source, () => salvageBytes(source, request));
}

async function salvageBytes(source: Uint8Array, request: DecryptRequest): Promise<AnySalvaged> {
  const decryptor = await RecordingDecryptor.open(bytesReader(source), request);
  try {
    const body = await salvagedBytes(decryptor, request.signal);
    return { header: decryptor.header, body, ...totalsOf(decryptor) };
  } finally {
    decryptor.destroy();
  }
}

/** Decrypts and then joins batch by batch: each is a step, and between two of them others have their turn. */
async function salvagedBytes(
  decryptor: RecordingDecryptor,
  signal: AbortSignal | undefined,
): Promise<Buffer<ArrayBuffer>> {
  const batches: Buffer[][] = [];
  let body: Buffer<ArrayBuffer> | undefined;
  const next = async () => {
    await turnOf(signal);
    return decryptor.next();
  };
  try {
    for (let batch = await next(); batch; batch = await next()) batches.push(batch);
    body = Buffer.allocUnsafeSlow(decryptor.totals().plaintextSize);
    let end = 0;
    for (const batch of batches) {
      await turnOf(signal);
      for (const piece of batch) end += piece.copy(body, end);
      freeBuffers(batch);
    }
    return body;
  } catch (error) {
    wipe(body, ...batches.flat());
    throw error;
  }
}

interface SalvageRequest {
  readonly open: OpenHeader;
  readonly signal?: AbortSignal;
}

function totalsOf(decryptor: RecordingDecryptor): SalvageTotals {
  const { complete, damage } = decryptor;
  return { ...decryptor.totals(), complete, ...defined({ damage }) };
}
