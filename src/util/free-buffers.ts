import { MessageChannel, type MessagePort } from "node:worker_threads";

/** Bytes; what is smaller is collected as cheaply. */
const worthGivingBack = 4_096;

let closedPort: MessagePort | undefined;

/**
 * Frees the outputs of ciphers at once: the next ones find their memory warm, and there is no garbage as long as the
 * recording. Nobody else may hold the pieces; pieces that lie in a buffer with others stay as they are. What is transferred
 * through a closed port goes nowhere, and is freed (HTML, message port post message steps): `ArrayBuffer.prototype.transfer`,
 * which Node 20 lacks, takes longer for it.
 */
export function giveBack(pieces: readonly Buffer[]): void {
  const whole: ArrayBuffer[] = [];
  for (const { buffer, length } of pieces) {
    if (length >= worthGivingBack && length === buffer.byteLength && buffer instanceof ArrayBuffer) whole.push(buffer);
  }
  if (whole.length === 0) return;
  try {
    (closedPort ??= newClosedPort()).postMessage(undefined, whole);
  } catch {
    // An economy is no reason to fail: what can't be transferred here is collected like anything else.
  }
}

function newClosedPort(): MessagePort {
  const { port1 } = new MessageChannel();
  port1.close();
  return port1;
}
