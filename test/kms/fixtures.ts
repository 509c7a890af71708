import { KMSClient, type KMSClientConfig } from "@aws-sdk/client-kms";
import { mockClient } from "aws-sdk-client-mock";
import { AwsKmsProvider, type AwsKmsProviderOptions, type KmsClientLike } from "../../src/aws.js";
import type { KmsProvider } from "../../src/kms/kms-provider.js";
import { InMemoryKms } from "../../src/testing/index.js";

export const organizationAccount = "111122223333";
export const serviceAccount = "444455556666";
export const region = "eu-west-1";
export const keyAliasArn = `arn:aws:kms:${region}:${organizationAccount}:alias/recordings`;
export const keyArn = `arn:aws:kms:${region}:${organizationAccount}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
export const encryptionContext = { "genesys-cloud-organization-id": "org-1" };

export const operations = ["DescribeKey", "Encrypt", "Decrypt", "GenerateDataKeyPairWithoutPlaintext"] as const;

/** A client of which nothing but `send` is known. */
export const clientThat = (send: KmsClientLike["send"]): KmsClientLike => ({ send });

/** A client whose `send` is a stub, as aws-sdk-client-mock makes it. */
export function mockedClient() {
  const client = new KMSClient({ region, credentials: { accessKeyId: "AKIATEST", secretAccessKey: "test" } });
  return { client, mock: mockClient(client) };
}

/** An in-memory KMS with a key behind an alias, and the real SDK in front of it. */
export function inMemory(options: Omit<AwsKmsProviderOptions, "client"> = {}, clientConfig: KMSClientConfig = {}) {
  const kms = new InMemoryKms();
  const arn = kms.createKey({ accountId: organizationAccount, region });
  const alias = kms.createAlias("alias/recordings", arn);
  const { accessKeyId } = kms.addPrincipal({ arn: `arn:aws:iam::${organizationAccount}:root` });
  const client = (asked: string) =>
    new KMSClient({ ...kms.clientConfig(asked, { accessKeyId }), maxAttempts: 1, ...clientConfig });
  return { kms, keyArn: arn, keyAliasArn: alias, provider: new AwsKmsProvider({ client, ...options }), client };
}

/** One call of each operation of a provider. */
export function callsOf(
  provider: KmsProvider,
  keys: { alias: string; key: string; ciphertext?: Uint8Array },
  signal?: AbortSignal,
) {
  const options = signal ? { signal } : {};
  const ciphertext = keys.ciphertext ?? Buffer.from("ciphertext");
  return {
    DescribeKey: () => provider.describeKey({ keyId: keys.alias }, options),
    Encrypt: () =>
      provider.encrypt({ keyId: keys.alias, plaintext: Buffer.from("plaintext"), encryptionContext }, options),
    Decrypt: () => provider.decrypt({ keyId: keys.key, ciphertext, encryptionContext }, options),
    GenerateDataKeyPairWithoutPlaintext: () =>
      provider.generateDataKeyPair({ keyId: keys.alias, spec: "RSA_2048", encryptionContext }, options),
  };
}

export function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "no rejection",
    (error: unknown) => error,
  );
}
