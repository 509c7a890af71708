import { MessageChannel, type MessagePort } from "node:worker_threads";

/** Smallest buffer worth freeing by hand, in bytes. Below it garbage collection is as cheap. */
const minLength = 4_096;

let closedPort: MessagePort | undefined;

/**
 * Frees the outputs of ciphers at once, so that the next ones find their memory warm and garbage does not grow with the
 * recording. Nobody else may hold the buffers. Views of a larger buffer stay as they are.
 *
 * A buffer transferred through a closed port goes nowhere and is freed (HTML, message port post message steps).
 * `ArrayBuffer.prototype.transfer` takes longer, and Node 20 lacks it.
 */
export function freeBuffers(buffers: readonly Buffer[]): void {
  const whole: ArrayBuffer[] = [];
  for (const { buffer, length } of buffers) {
    if (length >= minLength && length === buffer.byteLength && buffer instanceof ArrayBuffer) whole.push(buffer);
  }
  if (whole.length === 0) return;
  try {
    (closedPort ??= newClosedPort()).postMessage(undefined, whole);
  } catch {
    // What can't be transferred is garbage collected like anything else.
  }
}

function newClosedPort(): MessagePort {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}
