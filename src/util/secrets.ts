import { isBytes } from "./bytes.js";

/** A zeroed buffer for a secret. Never a view of Node's shared pool, so wiping it wipes all of it. */
export function secretBuffer(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}

/** Copies a secret out of memory with another owner. */
export function copySecret(source: Uint8Array): Buffer {
  const copy = secretBuffer(source.length);
  copy.set(source);
  return copy;
}

/**
 * Takes a secret over from a foreign party: copies it and wipes what was given. Never reads `buffer`, which moves a small array
 * out of V8's heap and leaves its bytes there, out of anybody's reach.
 */
export function takeSecret(given: Uint8Array): Buffer {
  const secret = copySecret(given);
  wipe(given);
  return secret;
}

/** Overwrites secrets where they are, whatever class their bytes are of. What a foreign party gave may be no bytes at all. */
export function wipe(...secrets: (Uint8Array | undefined)[]): void {
  for (const secret of secrets) if (isBytes(secret)) Uint8Array.prototype.fill.call(secret, 0);
}
