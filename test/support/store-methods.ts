import type { KeyPairStore } from "../../src/index.js";

/** All methods of a key pair store, for tests in which each of them fails. */
export const storeMethods = [
  "readHead",
  "swapHead",
  "createKeyPair",
  "readKeyPair",
  "listKeyPairs",
  "createWrapping",
  "listWrappings",
  "removeKeyPair",
  "readStatus",
  "writeStatus",
] as const satisfies readonly (keyof KeyPairStore)[];
