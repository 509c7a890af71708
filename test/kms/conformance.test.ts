import { describe, it } from "vitest";
import { GuardedKmsProvider } from "../../src/kms/guarded-kms-provider.js";
import type { KmsProvider } from "../../src/kms/kms-provider.js";
import { kmsProviderConformance, type FaultKind } from "../../src/testing/index.js";
import { inMemory, organizationAccount, region } from "./fixtures.js";

const outages: FaultKind[] = ["connection-refused", "hang", "internal-error"];
const wrappings: Record<string, (provider: KmsProvider) => KmsProvider> = {
  AwsKmsProvider: (provider) => provider,
  GuardedKmsProvider: (provider) => new GuardedKmsProvider(provider),
};

for (const [name, wrap] of Object.entries(wrappings)) {
  for (const fault of outages) {
    describe(`${name}, outage by ${fault}`, () => {
      kmsProviderConformance({ describe, it }, async () => {
        const { kms, provider, keyArn, keyAliasArn } = inMemory({ deadline: 300 });
        return {
          provider: wrap(provider),
          keyArn,
          keyAliasArn,
          otherKeyArn: kms.createKey({ accountId: organizationAccount, region }),
          outage: { begin: () => void kms.faults.inject(fault), end: () => kms.faults.heal(), endsWithin: 2_000 },
        };
      });
    });
  }
}
