import { expect, test } from "vitest";
import { kmsFailureKinds, type KmsFailureKind } from "../../src/kms/failures.js";
import { decryptionInRegions } from "../../src/kms/guarded-kms-provider.js";
import type { KmsCallOptions, KmsProvider } from "../../src/kms/kms-provider.js";
import { encryptionContext, keyArn, region, rejection } from "./fixtures.js";
import { failure } from "./held-kms.js";

const id = `mrk-${"0".repeat(32)}`;
const inRegion = (name: string) => `arn:aws:kms:${name}:111122223333:key/${id}`;
const [home, second, third] = [region, "us-east-1", "ap-southeast-2"] as const;

/** Decrypts under a key stored with another Region's ARN, with an outcome for each Region asked. */
async function decryptWith(outcomes: Record<string, KmsFailureKind | "ok" | "other-key">, stored = inRegion(second), regions: readonly string[] = [home, second, third]) {
  const asked: string[] = [];
  const kms = {
    decrypt: async ({ keyId }: { keyId: string }) => {
      const where = keyId.split(":")[3]!;
      asked.push(where);
      const outcome = outcomes[where] ?? "ok";
      if (outcome === "other-key") return { keyArn, plaintext: Buffer.from(where) };
      if (outcome !== "ok") throw failure(outcome, "Decrypt", keyId);
      return { keyArn: keyId, plaintext: Buffer.from(where) };
    },
  } as unknown as KmsProvider;
  const result = await decryptionInRegions(kms, stored, regions)({ ciphertext: Buffer.from("c"), encryptionContext }).then(String, (error: unknown) => error);
  return { asked, result };
}

test("the home Region alone is asked while it answers", async () => {
  expect(await decryptWith({})).toEqual({ asked: [home], result: home });
});

test.each(kmsFailureKinds)("after %s in the home Region", async (kind) => {
  const { asked, result } = await decryptWith({ [home]: kind });
  if (["unreachable", "timeout", "service-error"].includes(kind)) expect({ asked, result }).toEqual({ asked: [home, second], result: second });
  else expect({ asked, result }).toMatchObject({ asked: [home], result: { kind, keyId: inRegion(home) } });
});

test("Regions are asked in order, each once, and if none helps the home Region's failure counts", async () => {
  expect(await decryptWith({ [home]: "timeout", [second]: "unreachable" }, inRegion(home), [home, second, home, third])).toEqual({ asked: [home, second, third], result: third });
  const none = await decryptWith({ [home]: "timeout", [second]: "service-error", [third]: "unreachable" });
  expect(none).toMatchObject({ asked: [home, second, third], result: { kind: "timeout", keyId: inRegion(home) } });
  const refused = await decryptWith({ [home]: "timeout", [second]: "access-denied" });
  expect(refused).toMatchObject({ asked: [home, second], result: { kind: "timeout", keyId: inRegion(home) } });
});

test.each([
  ["a single-Region key", keyArn, [third, home]],
  ["a multi-Region key and no Region of its partition", inRegion(region), ["us-gov-west-1"]],
])("%s is asked only where it is", async (_, stored, regions) => {
  const { asked, result } = await decryptWith({ [home]: "unreachable" }, stored, regions);
  expect({ asked, result }).toMatchObject({ asked: [home], result: { kind: "unreachable" } });
});

test("an answer from another key is none, and its secret is wiped", async () => {
  const plaintext = Buffer.from("secret");
  const kms = { decrypt: async () => ({ keyArn, plaintext }) } as unknown as KmsProvider;
  await rejection(decryptionInRegions(kms, inRegion(home), [home])({ ciphertext: Buffer.from("c"), encryptionContext }));
  expect(plaintext.every((byte) => byte === 0)).toBe(true);
  expect(await decryptWith({ [home]: "other-key" })).toMatchObject({ asked: [home], result: { kind: "unexpected-answer" } });
});

test("an abort is passed on, and ends it", async () => {
  const kms = { decrypt: async (_: unknown, options: KmsCallOptions) => Promise.reject(options.signal!.reason) } as unknown as KmsProvider;
  const decrypt = decryptionInRegions(kms, inRegion(home), [home, second]);
  expect(await rejection(decrypt({ ciphertext: Buffer.from("c"), encryptionContext }, AbortSignal.abort("enough")))).toBe("enough");
});
