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

it("tells by Decrypt which key material made a ciphertext, also after others have taken its place", async () => {
  const kms = new InMemoryKms();
  const keyArn = kms.createKey();
  const provider = new InMemoryKmsProvider(kms);
  const encryptionContext = { a: "b" };
  const encrypt = () => provider.encrypt({ keyId: keyArn, plaintext: Buffer.alloc(1), encryptionContext });
  const materialOf = async ({ ciphertext }: Awaited<ReturnType<typeof encrypt>>) =>
    (await provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext })).keyMaterialId;
  const before = await encrypt();
  const first = await materialOf(before);
  kms.rotateKey(keyArn);
  const second = await materialOf(await encrypt());
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  expect(second).toMatch(/^[0-9a-f]{64}$/);
  expect([await materialOf(before), second === first]).toEqual([first, false]);
});

it("a call that hangs ends within its deadline", async () => {
  const kms = new InMemoryKms();
  kms.faults.hang();
  const provider = new InMemoryKmsProvider(kms, { deadline: 50 });
  await expect(provider.describeKey({ keyId: kms.createKey() })).rejects.toMatchObject({ kind: "timeout" });
});
