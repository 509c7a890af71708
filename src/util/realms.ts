import { types } from "node:util";
import { member } from "./safe-cause.js";

/*
 * What a value is, whatever realm it comes from: test runners put a DOM's own classes (jsdom, happy-dom) or those of another
 * context (Jest) in the place of the global ones, and `instanceof` knows only those.
 */

export function isAbortSignal(value: unknown): value is AbortSignal {
  if (typeof value !== "object" || value === null) return false;
  const [aborted, addEventListener, removeEventListener] = ["aborted", "addEventListener", "removeEventListener"].map(
    (name) => member(value, name),
  );
  return (
    typeof aborted === "boolean" && typeof addEventListener === "function" && typeof removeEventListener === "function"
  );
}

export function isError(value: unknown): value is Error {
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    return false; // what can't be looked at, such as a revoked proxy
  }
}

export function isUrl(value: unknown): value is URL {
  if (typeof value !== "object" || value === null) return false;
  return ["href", "protocol", "pathname"].every((name) => typeof member(value, name) === "string");
}

/** The same bytes as a plain `Uint8Array` of this realm: other libraries ask for one by `instanceof`, or by its name. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Lets the process end before the timer does; a DOM's timers are numbers, which keep nothing alive. */
export function unref(timer: NodeJS.Timeout): NodeJS.Timeout {
  if (typeof timer === "object") timer.unref();
  return timer;
}
