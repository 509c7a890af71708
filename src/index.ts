export { RecordingKeyStore, type ConfigureResult } from "./recording-key-store.js";
export {
  RecordingKeyStores,
  type RecordingKeyStoresEvents,
  type RecordingKeyStoresStatus,
} from "./recording-key-stores.js";
export {
  permissionNeeded,
  permissions,
  type AdministrationMethod,
  type KeyStoreAdministration,
  type Permission,
} from "./administration.js";
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
  OrganizationLookup,
  OrganizationOptions,
  RecordingKeyStoreOptions,
  RecordingKeyStoresOptions,
  RecordingName,
  ThreadOptions,
} from "./configuration.js";
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
export type { RecordingMetadata } from "./recording-cipher.js";
export { bytesSource, type RandomAccessSource } from "./recording/random-access-source.js";
export type { RangeOptions, ReadOptions, RecordingReader } from "./recording/recording-reader.js";
export type { FileProgress } from "./files/progress.js";
export type { DecryptedFile, EncryptedFile } from "./files/recording-files.js";

export type { KeyStoreConfiguration } from "./key-pairs/rotation.js";
export type { KeyPairInfo, KeyPairPage } from "./key-pairs/history.js";
export type { OrphanedKeyPair, OrphanReport } from "./key-pairs/orphans.js";
export type { RewrapReport } from "./key-pairs/rewrap.js";
export type { KeyStoreStatus } from "./key-pairs/status.js";
export type { StoreHeadReport } from "./key-pairs/store-head.js";
export type { VouchedBy } from "./key-pairs/trust.js";
export type { TestReport, TestStep, TestStepName } from "./key-pairs/test-run.js";
export type { Confirmation, KeyPairReason, KeyPairSpec, PeriodicKeyChange } from "./key-pairs/vocabulary.js";

export {
  InvalidInputError,
  KmsError,
  NotPermittedError,
  RecordingKeyStoreError,
  TestFailedError,
  type ErrorCode,
} from "./errors.js";
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
} from "./kms/failures.js";
export { checkKeyPolicy, type KeyPolicyCheckOptions, type KeyPolicyReport } from "./kms/key-policy/check.js";
export {
  keyPolicyFindingCodes,
  type KeyPolicyFinding,
  type KeyPolicyFindingCode,
  type KeyPolicyStatementPlace,
} from "./kms/key-policy/findings.js";
export type { KeyAccess, RecordingKeyGrant } from "./kms/key-policy/grant.js";
export {
  recordingKeyPolicy,
  recordingKeyStatements,
  recordingRolePolicy,
  type KeyPolicy,
  type KeyPolicyStatement,
  type RecordingKeyPolicyOptions,
  type RecordingRolePolicyOptions,
  type RolePolicy,
} from "./kms/key-policy/write.js";
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
