/* The shared KMS as a test file has it: its control, a client that does not try again, and a key of the file's own. */
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { KmsControl } from "recording-keystore/kms-testing";
import { inject } from "vitest";

const endpoint = inject("kmsUrl");

export const control = new KmsControl(endpoint);

/** By default the SDK tries three times, and what is wrong once never shows. */
export const client = new KMSClient({
  endpoint,
  region: "eu-west-1",
  credentials: { accessKeyId: "anybody", secretAccessKey: "any" },
  maxAttempts: 1,
});

/** @returns the key's ARN: a fault that names it hits no other file's calls */
export async function createKey(): Promise<string> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
  return KeyMetadata?.Arn ?? "";
}
