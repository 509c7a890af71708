import { faultKinds, type FaultKind } from "../../../src/in-memory-kms/fault-kinds.js";

/** Faults under which a call is answered. */
export const answered: readonly FaultKind[] = [
  "internal-error",
  "service-unavailable",
  "key-unavailable",
  "dependency-timeout",
  "throttling",
  "access-denied",
  "expired-credentials",
  "invalid-credentials",
];
/** All others, so that a new kind is tested without anyone thinking of it. */
export const unanswered = faultKinds.filter((kind) => !answered.includes(kind));
