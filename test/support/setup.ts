import { KMSClient } from "@aws-sdk/client-kms";
import { RecordingKeyStore, type KeyPairStore, type RecordingKeyStoreOptions } from "../../src/index.js";
import { AwsKmsProvider } from "../../src/aws.js";
import { InMemoryKms, MemoryKeyPairStore, TestClock } from "../../src/testing/index.js";

export const accountId = "111122223333";
export const homeRegion = "eu-west-1";
export const organizationId = "org-1";
export const kmsKeyAliasArn = `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`;

/** Times of KMS calls that no busy machine reaches. */
const patient = { attemptTimeout: 20_000, deadline: 30_000 };
/** For tests in which KMS hangs and must be given up soon, yet answers healthy calls on a busy machine. */
export const impatient = { attemptTimeout: 1_000, deadline: 2_000 };

/** Parts of a test: an organization's KMS key behind an alias, and a factory of key stores on the same parts. */
export function setup(options: Partial<RecordingKeyStoreOptions> = {}, kmsTimes = patient) {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock });
  const keyArn = kms.createKey({ accountId, region: homeRegion });
  kms.createAlias("alias/recordings", keyArn);
  const store = new MemoryKeyPairStore();
  const provider = (times = kmsTimes) =>
    new AwsKmsProvider({
      client: (region) =>
        new KMSClient({ ...kms.clientConfig(region, { accessKeyId: "AKIASERVICE" }), maxAttempts: 1 }),
      ...times,
    });
  kms.addPrincipal({ accessKeyId: "AKIASERVICE", arn: `arn:aws:iam::${accountId}:root` });
  const keyStoreWith = (more: Partial<RecordingKeyStoreOptions> = {}) =>
    new RecordingKeyStore({
      organizationId,
      homeRegion,
      kms: provider(),
      store,
      trustedKmsKeys: [accountId],
      clock,
      confirmTimeout: 20_000,
      ...options,
      ...more,
    });
  return { clock, kms, keyArn, store, provider, keyStoreWith, keyStore: keyStoreWith() };
}

export async function configured(...given: Parameters<typeof setup>) {
  const parts = setup(...given);
  await parts.keyStore.configure({ kmsKeyAliasArn });
  return parts;
}

/** The store with some methods replaced. */
export function overridden(
  store: KeyPairStore,
  methods: { [K in keyof KeyPairStore]?: KeyPairStore[K] | undefined },
): KeyPairStore {
  return new Proxy(store, {
    get(target, name) {
      if (name in methods) return (methods as Record<PropertyKey, unknown>)[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
