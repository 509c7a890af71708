export { FileKeyPairStore, type FileKeyPairStoreOptions } from "./file/file-key-pair-store.js";
export { FileLastConfirmedStore, type FileLastConfirmedStoreOptions } from "./file/file-last-confirmed-store.js";
export type {
  KeyPairListQuery,
  KeyPairStore,
  StoreCallOptions,
  StoredHead,
  StoredKeyPair,
  StoredWrapping,
} from "./key-pair-store.js";
export type { LastConfirmedStore } from "./last-confirmed-store.js";
