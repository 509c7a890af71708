export type { CreateKeyOptions } from "./administration.js";
export type { FaultKind } from "./fault-kinds.js";
export type { Fault, FaultOptions, FaultScope, KmsFaults } from "./faults.js";
export { InMemoryKms, type InMemoryKmsOptions, type KmsClientConfig } from "./in-memory-kms.js";
export type { KmsCallRecord, KmsJournal } from "./journal.js";
export type { KmsPrincipal, KmsPrincipalInit } from "./principals.js";
