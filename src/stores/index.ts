export type {
  HeadChanges,
  KeyPairListQuery,
  KeyPairStore,
  StoreCallOptions,
  StoredHead,
  StoredKeyPair,
  StoredWrapping,
} from "./key-pair-store.js";
export type { LastConfirmedStore } from "./last-confirmed-store.js";
export { diagnoseStoreFailure, type StoreDiagnosis } from "./store-diagnosis.js";
export { StoreError, type StoreErrorFacts, type StoreFailureKind } from "./store-error.js";
export {
  checkDocument,
  checkKeyPair,
  checkListQuery,
  checkOrganizationId,
  checkRecordId,
  checkWrapping,
  compareListPositions,
  maxDocumentLength,
  type ListPosition,
} from "./input.js";
