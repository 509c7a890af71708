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
export { TestClock } from "./test-clock.js";
export {
  faultKinds,
  InMemoryKms,
  installInMemoryKms,
  type CreateKeyOptions,
  type Fault,
  type FaultKind,
  type FaultOptions,
  type FaultScope,
  type InMemoryKmsOptions,
  type InstallOptions,
  type KmsAnswer,
  type KmsCallRecord,
  type KmsClientConfig,
  type KmsEndpoint,
  type KmsFaults,
  type KmsHttpRequest,
  type KmsHttpResponse,
  type KmsJournal,
  type KmsPrincipal,
  type KmsPrincipalInit,
  type KmsRequestHandler,
  type KmsRequestHandlerOptions,
  type KmsSnapshot,
  type MockedClient,
} from "../in-memory-kms/index.js";
export { InMemoryKmsProvider } from "../in-memory-kms/provider.js";
export { createTestKeyStore, type TestKeyStore, type TestKeyStoreOptions } from "./test-key-store.js";
export type { KmsProviderUnderTest } from "./kms-provider-conformance/fixtures.js";
