import { describe, expect, it } from "vitest";
import { InMemoryKms, InMemoryKmsProvider, kmsProviderConformance } from "../../src/testing/index.js";

kmsProviderConformance({ describe, it }, async () => {
  const kms = new InMemoryKms();
  const keyArn = kms.createKey({ alias: "alias/conformance" });
  return {
    provider: new InMemoryKmsProvider(kms),
    keyArn,
    keyAliasArn: keyArn.replace(/:key\/.*/, ":alias/conformance"),
    otherKeyArn: kms.createKey(),
    outage: { begin: () => void kms.faults.outage(), end: () => kms.faults.heal(), endsWithin: 1_000 },
  };
});

it("a call that hangs ends within its deadline", async () => {
  const kms = new InMemoryKms();
  kms.faults.hang();
  const provider = new InMemoryKmsProvider(kms, { deadline: 50 });
  await expect(provider.describeKey({ keyId: kms.createKey() })).rejects.toMatchObject({ kind: "timeout" });
});
