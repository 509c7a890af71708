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

export function wipe(...secrets: (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}
