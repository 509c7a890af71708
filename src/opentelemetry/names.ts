/** Bounds of the histograms' buckets, in s: from a key in memory to a KMS call that ends at its deadline. */
export const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The instruments, named by OpenTelemetry's semantic conventions. The guide for operators says what each tells. */
export const metricNames = {
  /** Histogram, s. */
  operationDuration: "recording_keystore.operation.duration",
  /** Histogram, s. */
  unwrapDuration: "recording_keystore.private_key.unwrap.duration",
  /** Counter, {use}. */
  privateKeyUses: "recording_keystore.private_key.uses",
  /** Counter, {recording}. */
  degradedRecordings: "recording_keystore.recordings.degraded",
  /** Counter, {change}. */
  failedKeyChanges: "recording_keystore.key_changes.failed",
  /** Counter, {event}. */
  events: "recording_keystore.events",
  /** Gauge, s. */
  confirmationAge: "recording_keystore.confirmation.age",
  /** Gauge, {organization}. */
  lastKnownKey: "recording_keystore.organizations.last_known_key",
  /** Gauge, {organization}. */
  keyAtRisk: "recording_keystore.organizations.key_at_risk",
  /** Gauge, {organization}. */
  keyChangesDue: "recording_keystore.organizations.key_change_due",
  /** Gauge, {organization}. */
  aliasDrift: "recording_keystore.organizations.alias_drift",
} as const;

/** Attributes of spans and metrics. */
export const attributeNames = {
  operation: "recording_keystore.operation",
  event: "recording_keystore.event",
  /** `last_known_key`, `unconfirmed` or `key_at_risk`. */
  degradation: "recording_keystore.degradation",
  inMemory: "recording_keystore.private_key.in_memory",
  /** Code of the library's error; `AbortError`, `TimeoutError`, or `_OTHER` for an error of another party. */
  errorType: "error.type",
  organizationId: "recording_keystore.organization.id",
  recordingId: "recording_keystore.recording.id",
  asset: "recording_keystore.recording.asset",
  keyPairId: "recording_keystore.key_pair.id",
  plaintextSize: "recording_keystore.recording.plaintext_size",
  encryptedSize: "recording_keystore.recording.encrypted_size",
  confirmation: "recording_keystore.confirmation",
  usedLastKnownKey: "recording_keystore.used_last_known_key",
  keyAtRisk: "recording_keystore.key_at_risk",
} as const;
