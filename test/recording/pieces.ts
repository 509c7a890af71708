import { afterEach, vi } from "vitest";
import { FloeSegments } from "../../src/format/floe.js";

/** Counts, for encryption and decryption since the call, the pieces that ciphers gave and whose memory is free again. */
export function useFreedPieces(): () => [encrypting: () => number, decrypting: () => number] {
  afterEach(() => {
    vi.restoreAllMocks();
  });
  return () => {
    const [encrypt, decrypt] = [
      vi.spyOn(FloeSegments.prototype, "encrypt"),
      vi.spyOn(FloeSegments.prototype, "decrypt"),
    ];
    const freed = (results: { value: unknown }[]) =>
      results.flatMap(({ value }) => value as Buffer[]).filter(({ buffer }) => buffer.byteLength === 0).length;
    return [() => freed(encrypt.mock.results), () => freed(decrypt.mock.results)];
  };
}
