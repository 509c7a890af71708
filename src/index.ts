export { RecordingKeyStore } from "./key-store/recording-key-store.js";
export type { KeyOperations } from "./key-store/key-operations.js";
export {
  RecordingKeyStoreRegistry,
  type RecordingKeyStoreRegistryEvents,
  type RecordingKeyStoreRegistryStatus,
} from "./key-store/registry.js";
export type {
  AuditedCallOptions,
  CallOptions,
  CloseOptions,
  ConfigurationInput,
  ConfigureOptions,
  DecryptFileOptions,
  DecryptOptions,
  DecryptRecordingOptions,
  DryRunOptions,
  EncryptFileOptions,
  EncryptOptions,
  ExportPublicBundleOptions,
  OrganizationOptions,
  OrganizationResolver,
  PageOptions,
  RecordingKeyStoreOptions,
  RecordingKeyStoreRegistryOptions,
  KeyUsageOptions,
  RecordingsToRead,
  RewrapOptions,
  RecordingName,
  ThreadOptions,
} from "./key-store/options.js";
export {
  NotPermittedError,
  permissions,
  requiredPermission,
  type AdministrationMethod,
  type AdministrationMethods,
  type ConfigureResult,
  type KeyStoreAdministration,
  type Permission,
} from "./key-store/administration.js";
export type { RecordingMetadata } from "./key-store/recording-cipher.js";

export type {
  DecryptedRecording,
  DecryptedStream,
  EncryptedRecording,
  EncryptedStream,
  OtherStream,
  RecordingBody,
  RecordingInput,
  Streamed,
} from "./recording/bodies.js";
export type { BodyBytes, BodyStream } from "./recording/body-types.js";
export type { ByteStream } from "./recording/stream-source.js";
export type { StreamTotals } from "./format/segments.js";
export type { SalvagedRecording, SalvagedStream, SalvageTotals } from "./recording/salvage.js";
export type { DecryptedFile, EncryptedFile, FileTotals } from "./recording/files/recording-files.js";
export type { FileProgress } from "./recording/files/progress.js";
export { bytesSource, type RandomAccessSource } from "./recording/random-access-source.js";
export { inspectRecording, type InspectedDataKey, type RecordingInspection } from "./recording/inspect.js";
export type { RangeOptions, ReadOptions, RecordingReader } from "./recording/reader/recording-reader.js";

export {
  keyPairSpecs,
  periodicKeyChanges,
  type Confirmation,
  type KeyPairReason,
  type KeyPairSpec,
  type KeyStoreConfiguration,
  type PeriodicKeyChange,
} from "./format/vocabulary.js";
export type { KeyPairInfo, KeyPairPage } from "./key-pairs/operations/history.js";
export type { OrphanedKeyPair, OrphanReport } from "./key-pairs/operations/orphans.js";
export {
  keyPairStates,
  type KeyMaterialUsage,
  type KeyPairState,
  type KeyPairUsage,
  type KeyUsageReport,
  type KmsKeyUsage,
} from "./key-pairs/operations/usage-report.js";
export type { RestoredKeyPair, RestoreReport } from "./key-pairs/operations/restore.js";
export type { EarlierRewrap, RewrapProgress, RewrappedKeyPair, RewrapReport } from "./key-pairs/operations/rewrap.js";
export type { AliasDriftStatus, KeyStoreStatus } from "./key-pairs/operations/status.js";
export type { StoreHeadReport } from "./key-pairs/operations/store-head.js";
export type { VouchedBy } from "./key-pairs/trust.js";
export {
  TestFailedError,
  testStepNames,
  type TestReport,
  type TestStep,
  type TestStepName,
} from "./key-pairs/operations/configuration-test.js";

export { InvalidInputError, RecordingKeyStoreError, type ErrorCode, type ErrorOptionsWithCause } from "./errors.js";
export { KmsError, type KmsFailureKind } from "./kms/kms-error.js";
export type { AliasDriftDiagnosis, KeyChangeAfterDrift } from "./kms/alias-drift.js";
export type { Diagnosis } from "./kms/diagnosis.js";
export type { KmsCallsUnderWay } from "./kms/call-limit.js";
export type { KmsProvider } from "./kms/kms-provider.js";
export type { KeyPairStore } from "./stores/key-pair-store.js";
export type { LastConfirmedStore } from "./stores/last-confirmed-store.js";
export { diagnosticsChannelName, type EventListener, type EventName, type RecordingKeyStoreEvents } from "./events.js";
export type { AuditEvent } from "./audit/event.js";
export type { AuditSink } from "./audit/sink.js";
export type { KeyStoreHealth } from "./key-pairs/key-manager.js";
export type { OperationEnd, OperationName, OperationObserver, OperationStart, OperationWatch } from "./operations.js";
export { systemClock, type Clock } from "./clock.js";
