import type { InMemoryKms } from "../in-memory-kms/in-memory-kms.js";
import type { ConfigurationInput, RecordingKeyStoreOptions } from "../key-store/options.js";
import { RecordingKeyStore } from "../key-store/recording-key-store.js";
import type { KeyPairStore } from "../stores/key-pair-store.js";
import { MemoryKeyPairStore } from "../stores/memory.js";
import { TestClock } from "../in-memory-kms/test-clock.js";
import { createTestKms, longestKmsTimeout } from "./test-kms.js";

/** Options of {@link createTestKeyStore}: any of the key store's, with defaults for the rest. */
export interface TestKeyStoreOptions extends Partial<Omit<RecordingKeyStoreOptions, "kms" | "clock">> {
  /** Configuration besides the alias. `false` leaves the key store unconfigured. */
  configuration?: Omit<ConfigurationInput, "kmsKeyAliasArn"> | false;
  /** Account that owns the KMS key, 12 digits. Default `111122223333`. */
  customerAccountId?: string;
  /** Clock of key store and in-memory KMS. Default: a new one. */
  clock?: TestClock;
}

export interface TestKeyStore {
  keyStore: RecordingKeyStore;
  kms: InMemoryKms;
  store: KeyPairStore;
  /** Moves the key store and the in-memory KMS together. */
  clock: TestClock;
  kmsKeyArn: string;
  kmsKeyAliasArn: string;
}

/**
 * Creates a key store for a test: configured, on an in-memory KMS, a memory store and a test clock. The KMS key belongs to
 * one account and the caller to another, under the policy that organizations give their keys. Needs no AWS SDK. To test
 * through the SDK, give a key store an `AwsKmsProvider` over `kms.clientConfig(region)`.
 *
 * @example
 * ```ts
 * const { keyStore, kms, clock } = await createTestKeyStore();
 * ```
 * @throws InvalidInputError for options that the key store refuses
 */
export async function createTestKeyStore(options: TestKeyStoreOptions = {}): Promise<TestKeyStore> {
  const { configuration = {}, customerAccountId = "111122223333", clock = new TestClock(), ...rest } = options;
  const { organizationId = "org-1", homeRegion = "us-east-1", store = new MemoryKeyPairStore() } = rest;
  const { contextKeyName } = rest;
  const made = createTestKms({ organizationId, homeRegion, accountId: customerAccountId, contextKeyName, clock });
  const { kms, provider, kmsKeyArn, kmsKeyAliasArn } = made;
  const keyStore = new RecordingKeyStore({
    kmsTimeout: longestKmsTimeout,
    ...rest,
    organizationId,
    homeRegion,
    store,
    clock,
    trustedKmsKeys: rest.trustedKmsKeys ?? [customerAccountId],
    kms: provider,
  });
  if (configuration) await keyStore.configure({ ...configuration, kmsKeyAliasArn });
  return { keyStore, kms, store, clock, kmsKeyArn, kmsKeyAliasArn };
}
