import { ByteSource, type RecordingStream } from "../recording/stream-source.js";
import { whenAborted } from "../util/abort.js";

/** A body is longer or shorter than announced. */
class BodyLengthError extends Error {
  override readonly name = "BodyLengthError";
}

/**
 * Reads a body of exactly `length` bytes. Cancels a longer one at once.
 * @throws BodyLengthError, what the body fails with, `signal.reason`
 */
export async function readExactBody(body: RecordingStream, length: number, signal: AbortSignal): Promise<Buffer> {
  const source = new ByteSource(body, "body");
  const leave = whenAborted(signal, () => source.cancel(signal.reason));
  try {
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    for (let chunk = await source.next(); chunk; chunk = await source.next()) {
      if (chunk.length > length - filled)
        throw new BodyLengthError(`the body brings more than the ${length} bytes announced`);
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    if (filled < length) throw new BodyLengthError(`the body ended after ${filled} of the ${length} bytes announced`);
    return bytes;
  } catch (error) {
    source.cancel(error);
    throw error;
  } finally {
    leave();
  }
}

/** Cancels a body unread, which frees its connection. */
export function discardBody(body: RecordingStream | null | undefined): void {
  if (body) new ByteSource(body, "body").cancel(undefined);
}
