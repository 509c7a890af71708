import { join } from "node:path";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { InMemoryKms } from "../../src/in-memory-kms/index.js";
import { recordingKeyPolicy } from "../../src/key-policy/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { run } from "./support.js";

export const accountId = "111122223333";
export const region = "eu-west-1";
export const organization = "org-1";
export const alias = `arn:aws:kms:${region}:${accountId}:alias/recordings`;
export const policy = recordingKeyPolicy({
  accountId,
  grants: [{ serviceAccountId: "444455556666", organizationIds: [organization] }],
});

export interface CliWorld {
  folder: string;
  kms: InMemoryKms;
  kmsKeyArn: string;
  /** Takes the KMS away. */
  stop: () => Promise<void>;
  /** Settings and credentials, as they stand in the environment. */
  environment: Readonly<Record<string, string>>;
}

/** Before each test a KMS over HTTP, as the AWS SDK finds it, a folder, and the settings in the environment. */
export function useWorld(): CliWorld {
  const world = {} as CliWorld;
  let remove: () => Promise<void>;
  beforeEach(async () => {
    const made = await temporaryFolder("cli-");
    ({ remove } = made);
    const kms = new InMemoryKms({ pooledKeyPairs: true });
    const { accessKeyId } = kms.addPrincipal({
      arn: "arn:aws:iam::444455556666:role/recordings",
      identityPolicy: "administrator",
    });
    const kmsKeyArn = kms.createKey({ accountId, region, alias: "alias/recordings", policy });
    const endpoint = await kms.listen({ port: 0 });
    const environment = {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: "secret",
      RECORDING_KEYSTORE_ORGANIZATION: organization,
      RECORDING_KEYSTORE_HOME_REGION: region,
      RECORDING_KEYSTORE_STORE: `file:${join(made.folder, "keys")}`,
      RECORDING_KEYSTORE_KMS_ENDPOINT: endpoint.url,
      RECORDING_KEYSTORE_TRUSTED_KMS_KEYS: accountId,
    };
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    Object.assign(world, { folder: made.folder, kms, kmsKeyArn, stop: () => endpoint.close(), environment });
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await world.stop();
    await remove();
  });
  return world;
}

export const configured = async () =>
  expect(await run(["configure", "--alias", alias])).toMatchObject({ code: 0, err: "" });

/** What a command prints with `--json`. */
export async function json(...argv: string[]): Promise<Record<string, unknown>> {
  const ran = await run([...argv, "--json"]);
  expect(ran.err).toBe("");
  return JSON.parse(ran.out) as Record<string, unknown>;
}
