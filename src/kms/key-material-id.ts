const form = /^[0-9a-f]{64}$/;

/**
 * The id of a key material, as KMS shows it: 64 hexadecimal digits. Anything else is taken as if KMS had not told: nothing that opens a
 * recording depends on it.
 */
export function keyMaterialIdOf(given: unknown): string | undefined {
  return typeof given === "string" && form.test(given) ? given : undefined;
}
