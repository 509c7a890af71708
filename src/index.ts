export { RecordingKeyStore } from "./key-store/recording-key-store.js";
export {
  RecordingKeyStoreRegistry,
  type RecordingKeyStoreRegistryEvents,
  type RecordingKeyStoreRegistryStatus,
} from "./key-store/registry.js";
export {
  requiredPermission,
  permissions,
  type AdministrationMethod,
  type ConfigureResult,
  type KeyStoreAdministration,
  type Permission,
} from "./key-store/administration.js";
export type {
  CallOptions,
  ConfigurationInput,
  ConfigureOptions,
  DecryptFileOptions,
  DecryptOptions,
  DecryptRecordingOptions,
  DryRunOptions,
  EncryptFileOptions,
  EncryptOptions,
  FileOptions,
  OrganizationResolver,
  OrganizationOptions,
  PageOptions,
  RecordingKeyStoreOptions,
  RecordingKeyStoreRegistryOptions,
  RecordingName,
  ThreadOptions,
} from "./key-store/options.js";
export type {
  BodyOf,
  ByteStream,
  DecryptedRecording,
  EncryptedRecording,
  RecordingInput,
  Streamed,
  StreamTotals,
} from "./recording/bodies.js";
export type { SalvagedRecording, SalvageTotals } from "./recording/salvage.js";
export type { RecordingMetadata } from "./key-store/recording-cipher.js";
export { bytesSource, type RandomAccessSource } from "./recording/random-access-source.js";
export type { RangeOptions, ReadOptions, RecordingReader } from "./recording/reader/recording-reader.js";
export type { FileProgress } from "./recording/files/progress.js";
export type { DecryptedFile, EncryptedFile } from "./recording/files/recording-files.js";
export type { KeyPairInfo, KeyPairPage } from "./key-pairs/operations/history.js";
export type { OrphanedKeyPair, OrphanReport } from "./key-pairs/operations/orphans.js";
export type { RewrapReport } from "./key-pairs/operations/rewrap.js";
export type { KeyStoreStatus } from "./key-pairs/operations/status.js";
export type { StoreHeadReport } from "./key-pairs/operations/store-head.js";
export type { VouchedBy } from "./key-pairs/trust.js";
export type { TestReport, TestStep, TestStepName } from "./key-pairs/operations/configuration-test.js";
export type { Confirmation, KeyPairReason, KeyPairSpec, PeriodicKeyChange } from "./format/vocabulary.js";

export { InvalidInputError, RecordingKeyStoreError, type ErrorCode } from "./errors.js";
export { diagnosticsChannelName, type EventListener, type EventName, type RecordingKeyStoreEvents } from "./events.js";

export type {
  EncryptionContext,
  KmsCallOptions,
  KmsDataKeyPairSpec,
  KmsKeyDescription,
  KmsProvider,
} from "./kms/kms-provider.js";
export {
  kmsError,
  kmsFailureGroup,
  kmsFailureKinds,
  type KmsFailureGroup,
  type KmsFailureKind,
} from "./kms/kms-error.js";
export { checkKeyPolicy, type KeyPolicyCheckOptions, type KeyPolicyReport } from "./key-policy/check.js";
export {
  keyPolicyFindingCodes,
  type KeyPolicyFinding,
  type KeyPolicyFindingCode,
  type KeyPolicyStatementPlace,
} from "./key-policy/findings.js";
export type { KeyAccess, RecordingKeyGrant } from "./key-policy/grant.js";
export {
  recordingKeyPolicy,
  recordingKeyStatements,
  recordingRolePolicy,
  type KeyPolicy,
  type KeyPolicyStatement,
  type RecordingKeyPolicyOptions,
  type RecordingRolePolicyOptions,
  type RolePolicy,
} from "./key-policy/write.js";
export { diagnose, type Diagnosis, type DiagnosisContext } from "./kms/diagnosis.js";

export type {
  KeyPairListQuery,
  KeyPairStore,
  StoreCallOptions,
  StoredHead,
  StoredKeyPair,
  StoredWrapping,
} from "./stores/key-pair-store.js";
export type { LastConfirmedStore } from "./stores/last-confirmed-store.js";
export { systemClock, type Clock } from "./clock.js";
export { KmsError } from "./kms/kms-error.js";
export { TestFailedError } from "./key-pairs/operations/configuration-test.js";
export { NotPermittedError } from "./key-store/administration.js";
export type { KeyStoreConfiguration } from "./format/vocabulary.js";
