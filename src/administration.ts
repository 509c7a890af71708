export {
  NotPermittedError,
  permissions,
  requiredPermission,
  type AdministrationMethod,
  type AdministrationMethods,
  type KeyStoreAdministration,
  type Permission,
} from "./key-store/administration.js";
export type {
  DryRunOptions,
  KeyUsageOptions,
  PageOptions,
  RecordingsToRead,
  RewrapOptions,
  TestOptions,
} from "./key-store/options.js";
export { keyPairSpecs, periodicKeyChanges, type KeyPairReason } from "./format/vocabulary.js";
export {
  testStepNames,
  type TestReport,
  type TestStep,
  type TestStepName,
} from "./key-pairs/operations/configuration-test.js";
export type { KeyPairInfo, KeyPairPage } from "./key-pairs/operations/history.js";
export type { OrphanedKeyPair, OrphanReport } from "./key-pairs/operations/orphans.js";
export type { RestoredKeyPair, RestoreReport } from "./key-pairs/operations/restore.js";
export type { EarlierRewrap, RewrapProgress, RewrappedKeyPair, RewrapReport } from "./key-pairs/operations/rewrap.js";
export type { AliasDriftStatus, KeyStoreStatus } from "./key-pairs/operations/status.js";
export type { StoreHeadReport } from "./key-pairs/operations/store-head.js";
export {
  keyPairStates,
  type KeyMaterialUsage,
  type KeyPairState,
  type KeyPairUsage,
  type KeyUsageReport,
  type KmsKeyUsage,
} from "./key-pairs/operations/usage-report.js";
export type { VouchedBy } from "./key-pairs/trust.js";
export type { AliasDriftDiagnosis, KeyChangeAfterDrift } from "./kms/alias-drift.js";
export type { KmsCallsUnderWay } from "./kms/call-limit.js";
export type { Diagnosis } from "./kms/diagnosis.js";
