import { InMemoryKms } from "../in-memory-kms/in-memory-kms.js";
import { InMemoryKmsProvider } from "../in-memory-kms/provider.js";
import { recordingKeyPolicy } from "../key-policy/write.js";
import type { ConfigurationInput, RecordingKeyStoreOptions } from "../key-store/options.js";
import { RecordingKeyStore } from "../key-store/recording-key-store.js";
import type { KeyPairStore } from "../stores/key-pair-store.js";
import { MemoryKeyPairStore } from "../stores/memory.js";
import { defined } from "../util/defined.js";
import { TestClock } from "./test-clock.js";

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

const serviceAccountId = "765628985471";
/** The key store's own limit on real time, in ms: no busy machine must reach it. A fault has the provider's deadline. */
const longestKmsTimeout = 600_000;

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
  const kms = new InMemoryKms({ clock, pooledKeyPairs: true });
  const caller = kms.addPrincipal({ arn: `arn:aws:iam::${serviceAccountId}:role/recording` });
  const contextKeyName = typeof rest.contextKeyName === "string" ? rest.contextKeyName : rest.contextKeyName?.[0];
  const kmsKeyArn = kms.createKey({
    accountId: customerAccountId,
    region: homeRegion,
    alias: "alias/recordings",
    policy: recordingKeyPolicy({
      accountId: customerAccountId,
      grants: [defined({ serviceAccountId, organizationIds: [organizationId], contextKeyName })],
    }),
  });
  const kmsKeyAliasArn = kmsKeyArn.replace(/:key\/.*$/, ":alias/recordings");
  const keyStore = new RecordingKeyStore({
    kmsTimeout: longestKmsTimeout,
    ...rest,
    organizationId,
    homeRegion,
    store,
    clock,
    trustedKmsKeys: rest.trustedKmsKeys ?? [customerAccountId],
    kms: new InMemoryKmsProvider(kms, caller),
  });
  if (configuration) await keyStore.configure({ ...configuration, kmsKeyAliasArn });
  return { keyStore, kms, store, clock, kmsKeyArn, kmsKeyAliasArn };
}
