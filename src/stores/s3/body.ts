import { whenAborted } from "../../util/abort.js";
import { isBytes } from "../../util/bytes.js";
import { member } from "../../util/safe-cause.js";

/** A body brings more than was asked for. */
export class BodyTooLongError extends Error {
  override readonly name = "BodyTooLongError";
}

/**
 * Reads the body of an answer, a Node or a web stream. Cancels one that is too long, or whose caller has gone.
 * @param most - in bytes
 * @throws BodyTooLongError, what the body fails with
 */
export async function readBody(body: unknown, most: number, signal: AbortSignal): Promise<Buffer> {
  if (!isStream(body)) throw new TypeError("an answer has no body");
  const leave = whenAborted(signal, () => discardBody(body));
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of body) {
      if (!isBytes(chunk)) throw new TypeError("a body is not of bytes");
      length += chunk.length;
      if (length > most) throw new BodyTooLongError(`the body brings more than ${most} bytes`);
      chunks.push(chunk);
    }
    signal.throwIfAborted(); // a body that was cancelled may only end
    return Buffer.concat(chunks, length);
  } catch (error) {
    discardBody(body);
    throw error;
  } finally {
    leave();
  }
}

/** Cancels a body that may be anything, which frees its connection. */
export function discardBody(body: unknown): void {
  if (typeof body !== "object" || body === null) return;
  for (const name of ["destroy", "cancel"]) {
    const cancel = member(body, name);
    if (typeof cancel !== "function") continue;
    // A web stream that is being read can't be cancelled, and rejects.
    Promise.resolve()
      .then(() => Reflect.apply(cancel, body, []) as unknown)
      .catch(() => undefined);
    return;
  }
}

function isStream(body: unknown): body is AsyncIterable<unknown> {
  return typeof body === "object" && body !== null && typeof member(body, Symbol.asyncIterator) === "function";
}
