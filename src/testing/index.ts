export { MemoryKeyPairStore, MemoryLastConfirmedStore } from "../stores/memory.js";
export {
  keyPairStoreConformance,
  type ConformanceRunner,
  type KeyPairStoreUnderTest,
} from "./key-pair-store-conformance.js";
export { TestClock } from "./test-clock.js";
export {
  InMemoryKms,
  type CreateKeyOptions,
  type Fault,
  type FaultKind,
  type FaultOptions,
  type FaultScope,
  type InMemoryKmsOptions,
  type KmsCallRecord,
  type KmsClientConfig,
  type KmsFaults,
  type KmsJournal,
  type KmsPrincipal,
  type KmsPrincipalInit,
} from "./kms/index.js";
