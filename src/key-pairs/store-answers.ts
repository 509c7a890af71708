import { RecordingKeyStoreError } from "../errors.js";
import { maxDocumentLength } from "../stores/input.js";
import { isBytes } from "../util/bytes.js";
import { member } from "../util/safe-cause.js";

/*
 * Checks of what a store answers. What is not as its contract says is `ERR_STORE_CORRUPT`.
 */

/** A copy of a document's bytes. */
export function bytesOf(given: unknown, what: string): Uint8Array {
  if (!isBytes(given)) throw corrupt(`${what}: the store gave no bytes`);
  if (given.length <= maxDocumentLength) return new Uint8Array(given);
  throw corrupt(`${what}: the store gave ${given.length} bytes, which is longer than any document`);
}

/** A member of what may be anything. */
export function memberOf(given: unknown, name: string): unknown {
  return typeof given === "object" && given !== null ? member(given, name) : undefined;
}

export function revisionOf(head: unknown): string {
  const revision = memberOf(head, "revision");
  if (typeof revision === "string") return revision;
  throw corrupt("the store gave a head without a revision");
}

/** The items of a list that may be anything. */
export function itemsOf(given: unknown, what: string): readonly unknown[] {
  try {
    if (Array.isArray(given) && given.length <= longestList) return Array.from(given as readonly unknown[]);
  } catch {
    // such as a revoked proxy
  }
  throw corrupt(`the store gave no list of ${what}`);
}

/** Most items of one list: far more than are ever asked for. */
const longestList = 1_000_000;

/** Refuses any other answer, which may mean that nothing was stored. */
export function createdOrExists(answer: unknown): "created" | "exists" {
  if (answer === "created" || answer === "exists") return answer;
  throw corrupt("the store does not say whether it has created a record");
}

/** The failure of a store that holds, or answers with, what no key store has written. */
export function corrupt(message: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_STORE_CORRUPT", message);
}
