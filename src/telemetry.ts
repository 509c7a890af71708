export { diagnosticsChannelName, type EventListener, type EventName, type RecordingKeyStoreEvents } from "./events.js";
export type { RecordingKeyStoreRegistryEvents } from "./key-store/registry.js";
export type { OperationEnd, OperationName, OperationObserver, OperationStart, OperationWatch } from "./operations.js";
