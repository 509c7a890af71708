import { ByteSource, type RecordingStream } from "../recording/stream-source.js";
import { whenAborted } from "../util/abort.js";

/** A body is longer or shorter than announced. */
class BodyLengthError extends Error {
  override readonly name = "BodyLengthError";
}

export class BodyTooLongError extends BodyLengthError {}

/** In bytes. */
export interface BodyLength {
  readonly most: number;
  /** Whether it must be as long as that. */
  readonly exactly: boolean;
}

/**
 * Reads a body. Cancels one that is too long at once.
 * @throws BodyLengthError, what the body fails with, `signal.reason`
 */
export async function readBody(
  body: RecordingStream | null | undefined,
  { most, exactly }: BodyLength,
  signal: AbortSignal,
): Promise<Buffer> {
  if (!body || most === 0) {
    discardBody(body);
    if (exactly && most > 0) throw new BodyLengthError(`there is no body, but ${most} bytes were announced`);
    return Buffer.alloc(0);
  }
  const source = new ByteSource(body, "body");
  const leave = whenAborted(signal, () => source.cancel(signal.reason));
  try {
    const bytes = Buffer.allocUnsafeSlow(most);
    let filled = 0;
    for (let chunk = await source.next(); chunk; chunk = await source.next()) {
      if (chunk.length > most - filled)
        throw new BodyTooLongError(`the body brings more than the ${most} bytes announced`);
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    if (exactly && filled < most)
      throw new BodyLengthError(`the body ended after ${filled} of the ${most} bytes announced`);
    return bytes.subarray(0, filled);
  } catch (error) {
    source.cancel(error);
    throw error;
  } finally {
    leave();
  }
}

/** Cancels a body unread, which frees its connection. One that can't be cancelled changes nothing about why. */
export function discardBody(body: RecordingStream | null | undefined): void {
  try {
    if (body) new ByteSource(body, "body").cancel(undefined);
  } catch {
    // locked by somebody, or no stream at all
  }
}
