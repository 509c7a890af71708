import type { FuzzTarget } from "./fuzzer.js";
import { inMemoryKmsTargets } from "./in-memory-kms-targets.js";
import { keyPolicyTarget } from "./key-policy-target.js";
import { keyStoreTarget } from "./key-store-target.js";
import { recordTargets } from "./record-targets.js";
import { recordingTargets } from "./recording-targets.js";

/** Every parser of input that others may have written. */
export const targets: readonly FuzzTarget[] = [
  ...recordingTargets,
  keyStoreTarget,
  keyPolicyTarget,
  ...recordTargets,
  ...inMemoryKmsTargets,
];
