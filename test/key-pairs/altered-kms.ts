import type { KmsProvider } from "../../src/index.js";
import type { InMemoryKms } from "../../src/testing/index.js";
import { homeRegion } from "./world.js";

/** A provider some of whose methods are a test's own. */
export function altered(provider: KmsProvider, methods: Partial<KmsProvider> = {}): KmsProvider {
  return {
    describeKey: provider.describeKey.bind(provider),
    encrypt: provider.encrypt.bind(provider),
    decrypt: provider.decrypt.bind(provider),
    generateDataKeyPair: provider.generateDataKeyPair.bind(provider),
    ...methods,
  };
}

/** What a test's Decrypt says instead of KMS: a plaintext or a failure. */
export type Answers = Partial<Record<"private-key" | "attestation", Error | Uint8Array>>;

/** Decrypt with answers by the purpose in the encryption context; without one KMS itself answers. */
export function decryptBy(provider: KmsProvider, answers: Answers): KmsProvider["decrypt"] {
  return async (request, options) => {
    const purpose = request.encryptionContext["recording-keystore:purpose"] as keyof Answers;
    const answer = answers[purpose];
    if (answer instanceof Error) throw answer;
    if (!answer) return provider.decrypt(request, options);
    return { keyArn: request.keyId, plaintext: Uint8Array.from(answer) };
  };
}

export const purposeOf = ({
  encryptionContext,
}: {
  encryptionContext?: Readonly<Record<string, string>> | undefined;
}) => encryptionContext?.["recording-keystore:purpose"];

/** A provider that keeps hold of every secret it is given or gives, so that a test sees whether they were wiped. */
export function remembering(provider: KmsProvider) {
  const secrets: Uint8Array[] = [];
  const kms = altered(provider, {
    encrypt: async (request, options) => {
      secrets.push(request.plaintext);
      return provider.encrypt(request, options);
    },
    decrypt: async (request, options) => {
      const answer = await provider.decrypt(request, options);
      secrets.push(answer.plaintext);
      return answer;
    },
  });
  return { kms, secrets, allWiped: () => secrets.length > 0 && secrets.every(isWiped) };
}

export const isWiped = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

/** A key of another account that anybody may use, and its alias. */
export function keyElsewhere({ kms }: { readonly kms: InMemoryKms }, foreign: string): string {
  const statement = { Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" };
  const policy = { Version: "2012-10-17", Statement: [statement] };
  const keyArn = kms.createKey({ accountId: foreign, region: homeRegion, policy, alias: "alias/elsewhere" });
  return keyArn.replace(/key\/.*/, "alias/elsewhere");
}
