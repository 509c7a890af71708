import type { BodyOf, RecordingInput } from "./bodies.js";
import { isStream } from "./byte-source.js";
import { RecordingDecryptor, type OpenHeader } from "./decrypt.js";
import type { RecordingHeader } from "./header.js";
import { bytesReader, openStream } from "./opening.js";
import type { StreamTotals } from "./sizes.js";

export interface SalvageTotals extends StreamTotals {
  /** Whether the last segment was there, and nothing behind it. */
  readonly complete: boolean;
}

export interface SalvagedBody<I extends RecordingInput> {
  readonly header: RecordingHeader;
  /** An authentic beginning of the recording, in whole segments. */
  readonly body: BodyOf<I>;
  /** How much that was. Nothing is claimed about what is missing. Never an unhandled rejection. */
  readonly done: Promise<SalvageTotals>;
}

/**
 * Decrypts what is left of a recording: ends, instead of failing, at the first segment that is missing, cut short or does
 * not verify. Of a recording followed by foreign bytes (a preallocated file) it gives everything, and still `complete: false`.
 *
 * @throws RecordingKeyStoreError where not even the header is whole, and whatever `open` throws; failures of the source and
 * of the keys are failures here too
 */
export async function salvageBody<I extends RecordingInput>(input: I, { open, signal }: { open: OpenHeader; signal?: AbortSignal }): Promise<SalvagedBody<I>> {
  const request = { open, signal, salvage: true };
  if (isStream(input, "encrypted")) {
    const { decryptor, ...body } = await openStream(input, request, totalsOf);
    return { header: decryptor.header, ...body } as unknown as SalvagedBody<I>;
  }
  const decryptor = await RecordingDecryptor.open(bytesReader(input), request);
  const segments: Buffer[] = [];
  try {
    for (let batch = await decryptor.next(); batch; batch = await decryptor.next()) segments.push(...batch);
  } finally {
    decryptor.destroy();
  }
  return { header: decryptor.header, body: Buffer.concat(segments), done: Promise.resolve(totalsOf(decryptor)) } as unknown as SalvagedBody<I>;
}

function totalsOf(decryptor: RecordingDecryptor): SalvageTotals {
  return { ...decryptor.totals(), complete: decryptor.complete };
}
