import { ByteReader } from "./byte-reader.js";
import { RecordingDecryptor, type DecryptRequest } from "./decryptor.js";
import { ByteSource, type RecordingStream } from "./stream-source.js";
import { streamed, type ByteStreamBody } from "./streams.js";

/** Opens a streamed recording up to its first segment. */
export async function openSource(
  input: RecordingStream,
  request: DecryptRequest,
): Promise<{ source: ByteSource; decryptor: RecordingDecryptor }> {
  const { signal } = request;
  const source = new ByteSource(input, "encrypted");
  const onAbort = () => source.cancel(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const decryptor = await RecordingDecryptor.open(new ByteReader(() => source.next(), source.ownsChunks), request);
    return { source, decryptor };
  } catch (error) {
    source.cancel(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Opens a streamed recording, and gives its plaintext the shape of its input. */
export async function openStream<T>(
  input: RecordingStream,
  request: DecryptRequest,
  totalsOf: (decryptor: RecordingDecryptor) => T,
): Promise<{ decryptor: RecordingDecryptor; body: ByteStreamBody; done: Promise<T> }> {
  const { source, decryptor } = await openSource(input, request);
  const next = async () => {
    const pieces = await decryptor.next();
    // What follows the damage is not read any more. A whole source has ended by itself, and may be half of a socket.
    if (!pieces && !decryptor.complete) source.cancel(undefined);
    return pieces;
  };
  const worker = {
    totals: () => totalsOf(decryptor),
    destroy: () => decryptor.destroy(),
    onFailure: (failed: (error: unknown) => void) => decryptor.onFailure(failed),
  };
  return { decryptor, ...streamed(input, source, next, worker, request.signal) };
}
