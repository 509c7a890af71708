export { FileKeyPairStore, type FileKeyPairStoreOptions } from "./file/file-key-pair-store.js";
export { FileLastConfirmedStore, type FileLastConfirmedStoreOptions } from "./file/file-last-confirmed-store.js";
