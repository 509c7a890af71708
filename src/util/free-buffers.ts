import { types } from "node:util";
import { MessageChannel, type MessagePort } from "node:worker_threads";

/** Smallest buffer worth freeing by hand, in bytes. Below it garbage collection is as cheap. */
const minLength = 4_096;

/** Node 22 and later; the types of Node 20 lack it. */
const { transfer } = ArrayBuffer.prototype as { transfer?: (newLength: number) => ArrayBuffer };

let closedPort: MessagePort | undefined;

/**
 * Frees the outputs of ciphers at once, so that the next ones find their memory warm and garbage does not grow with the
 * recording. Nobody else may hold the buffers. Views of a larger buffer stay as they are.
 */
export function freeBuffers(buffers: readonly Buffer[]): void {
  const whole: ArrayBuffer[] = [];
  for (const { buffer, length } of buffers) {
    if (length >= minLength && length === buffer.byteLength && types.isArrayBuffer(buffer)) whole.push(buffer);
  }
  if (whole.length === 0) return;
  try {
    if (transfer) for (const buffer of whole) transfer.call(buffer, 0);
    else freeByPort(whole);
  } catch {
    // What can't be transferred is garbage collected like anything else.
  }
}

/** Buffers transferred through a closed port go nowhere and are freed (HTML, message port post message steps). */
function freeByPort(buffers: readonly ArrayBuffer[]): void {
  if (!closedPort) {
    closedPort = new MessageChannel().port1;
    closedPort.close();
  }
  closedPort.postMessage(undefined, buffers);
}
