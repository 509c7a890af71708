export type {
  KeyPairListQuery,
  KeyPairStore,
  StoreCallOptions,
  StoredHead,
  StoredKeyPair,
  StoredWrapping,
} from "./key-pair-store.js";
export type { LastConfirmedStore } from "./last-confirmed-store.js";
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
