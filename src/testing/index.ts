export { MemoryKeyPairStore, MemoryLastConfirmedStore } from "../stores/memory.js";
export { keyPairStoreConformance } from "./key-pair-store-conformance.js";
export type {
  ConformanceRunner,
  KeyPairStoreConformanceOptions,
  KeyPairStoreUnderTest,
  RemovalPromise,
  StoreOutage,
} from "./key-pair-store-conformance/subject.js";
export {
  serveKeyPairStore,
  startKeyPairStoreProcess,
  type KeyPairStoreProcess,
  type KeyPairStoreProcessOptions,
} from "./key-pair-store-process.js";
export { kmsProviderConformance } from "./kms-provider-conformance.js";
export * from "../in-memory-kms/index.js";
export { createTestKeyStore, type TestKeyStore, type TestKeyStoreOptions } from "./test-key-store.js";
export type { KmsProviderUnderTest } from "./kms-provider-conformance/fixtures.js";
