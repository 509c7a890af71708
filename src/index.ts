export { RecordingKeyStore } from "./key-store/recording-key-store.js";
export type { KeyOperations } from "./key-store/key-operations.js";
export { RecordingKeyStoreRegistry, type RecordingKeyStoreRegistryStatus } from "./key-store/registry.js";
export type {
  AuditedCallOptions,
  CallOptions,
  CloseOptions,
  ConfigurationInput,
  ConfigureOptions,
  DecryptFileOptions,
  DecryptOptions,
  DecryptRecordingOptions,
  EncryptFileOptions,
  EncryptOptions,
  ExportPublicBundleOptions,
  OrganizationOptions,
  OrganizationResolver,
  RecordingKeyStoreOptions,
  RecordingKeyStoreRegistryOptions,
  RecordingName,
  ThreadOptions,
} from "./key-store/options.js";
export type { ConfigureResult } from "./key-store/administration.js";
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

export type { Confirmation, KeyPairSpec, KeyStoreConfiguration, PeriodicKeyChange } from "./format/vocabulary.js";
export type { KeyStoreHealth } from "./key-pairs/key-manager.js";
export { TestFailedError } from "./key-pairs/operations/configuration-test.js";

export { InvalidInputError, RecordingKeyStoreError, type ErrorCode, type ErrorOptionsWithCause } from "./errors.js";
export { KmsError, type KmsFailureKind } from "./kms/kms-error.js";
export type { KmsProvider } from "./kms/kms-provider.js";
export type { KeyPairStore } from "./stores/key-pair-store.js";
export { systemClock, type Clock } from "./clock.js";
