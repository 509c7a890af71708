/** Bytes whose buffer went to another owner. */
export function transferred(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}
