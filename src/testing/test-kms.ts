import { InMemoryKms } from "../in-memory-kms/in-memory-kms.js";
import { InMemoryKmsProvider } from "../in-memory-kms/provider.js";
import { recordingKeyPolicy } from "../key-policy/write.js";
import type { KmsProvider } from "../kms/kms-provider.js";
import { defined } from "../util/defined.js";
import type { TestClock } from "../in-memory-kms/test-clock.js";

const serviceAccountId = "765628985471";
/** A key store's own limit on real time, in ms: no busy machine must reach it. A fault has the provider's deadline. */
export const longestKmsTimeout = 600_000;

/** What an in-memory KMS is made for. */
interface TestKmsOptions {
  readonly organizationId: string;
  readonly homeRegion: string;
  /** Account that owns the KMS key, 12 digits. */
  readonly accountId: string;
  readonly contextKeyName?: string | readonly string[] | undefined;
  readonly clock: TestClock;
  /** Whether it may run although `NODE_ENV` is `production`. Default false. */
  readonly allowInProduction?: boolean;
}

/** An in-memory KMS with an organization's key, and how the service, of another account, calls it. */
interface TestKms {
  readonly kms: InMemoryKms;
  readonly provider: KmsProvider;
  readonly kmsKeyArn: string;
  readonly kmsKeyAliasArn: string;
}

/** Makes a KMS key under the policy that organizations give theirs. */
export function createTestKms(options: TestKmsOptions): TestKms {
  const { organizationId, homeRegion, accountId, contextKeyName: names, clock, allowInProduction } = options;
  const kms = new InMemoryKms({ clock, pooledKeyPairs: true, ...defined({ allowInProduction }) });
  const caller = kms.addPrincipal({
    arn: `arn:aws:iam::${serviceAccountId}:role/recording`,
    identityPolicy: "administrator",
  });
  const contextKeyName = typeof names === "string" ? names : names?.[0];
  const kmsKeyArn = kms.createKey({
    accountId,
    region: homeRegion,
    alias: "alias/recordings",
    policy: recordingKeyPolicy({
      accountId,
      grants: [defined({ serviceAccountId, organizationIds: [organizationId], contextKeyName })],
    }),
  });
  const kmsKeyAliasArn = kmsKeyArn.replace(/:key\/.*$/, ":alias/recordings");
  return { kms, provider: new InMemoryKmsProvider(kms, caller), kmsKeyArn, kmsKeyAliasArn };
}
