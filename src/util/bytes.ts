import { types } from "node:util";

/** Whether a value is bytes that can be read. Those of a transferred buffer look empty, and most of their methods throw. */
export function isBytes(value: unknown): value is Uint8Array {
  if (!types.isUint8Array(value)) return false;
  try {
    Uint8Array.prototype.at.call(value, 0);
    return true;
  } catch {
    return false;
  }
}
