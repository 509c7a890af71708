import { join } from "node:path";
import { KMSClient } from "@aws-sdk/client-kms";
import { AwsKmsProvider } from "../../src/aws.js";
import { RecordingKeyStore } from "../../src/index.js";
import { FileKeyPairStore } from "../../src/stores/file.js";
import { InMemoryKms, MemoryKeyPairStore } from "../../src/testing/index.js";

const accountId = "111122223333";
export const kmsKeyAliasArn = `arn:aws:kms:eu-west-1:${accountId}:alias/recordings`;
const accessKeyId = "AKIASERVICE";
/** Milliseconds: for as long as it may be, so that all is warm. */
export const privateKeyTtl = 300_000;

type Options = Partial<ConstructorParameters<typeof RecordingKeyStore>[0]>;

/** An in-memory KMS with the key that {@link keyStoreOn} uses. */
export function benchKms(): InMemoryKms {
  const kms = new InMemoryKms();
  kms.createAlias("alias/recordings", kms.createKey({ accountId, region: "eu-west-1" }));
  kms.addPrincipal({ accessKeyId, arn: `arn:aws:iam::${accountId}:root` });
  return kms;
}

/** A key store behind the real SDK, as in production. */
export function keyStoreOn(client: (region: string) => KMSClient, options: Options = {}): RecordingKeyStore {
  return new RecordingKeyStore({
    organizationId: "org-1",
    homeRegion: "eu-west-1",
    kms: new AwsKmsProvider({ client }),
    store: new MemoryKeyPairStore(),
    trustedKmsKeys: [accountId],
    privateKeyTtl,
    ...options,
  });
}

/** A file store that leaves nothing outside the folder. */
export function fileStoreIn(folder: string): FileKeyPairStore {
  return new FileKeyPairStore({ directory: join(folder, "key-pairs"), hostDirectory: join(folder, "host") });
}

/** A configured key store on an in-memory KMS of its own, all in this process. */
export async function benchKeyStore(): Promise<{ keyStore: RecordingKeyStore; kms: InMemoryKms }> {
  const kms = benchKms();
  const keyStore = keyStoreOn((region) => new KMSClient(kms.clientConfig(region, { accessKeyId })));
  await keyStore.configure({ kmsKeyAliasArn });
  return { keyStore, kms };
}

/** The same against an in-memory KMS that another process serves. */
export function clientOf(endpoint: string): (region: string) => KMSClient {
  return (region) => new KMSClient({ region, endpoint, credentials: { accessKeyId, secretAccessKey: "any" } });
}
