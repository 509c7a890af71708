import { RecordingKeyStore } from "../key-store/recording-key-store.js";
import type { KmsProvider } from "../kms/kms-provider.js";
import { defined } from "../util/defined.js";
import { wipe } from "../util/secrets.js";
import { UsageError } from "./io.js";
import { noStore, openStore } from "./key-pair-stores.js";
import { optionalPackage } from "./optional-package.js";
import { required, type Settings } from "./settings.js";
import { readNamed } from "./named-files.js";

interface OpenKeyStoreOptions {
  /** Whether the store may be new. */
  readonly create?: boolean;
  /** Whether recordings with what opens them are enough. */
  readonly storeOptional?: boolean;
}

/**
 * How long KMS is waited for, in ms, by a person who can wait: a service's recordings can't, and go on with the last known key
 * sooner. One attempt, one call with all attempts, and a first use, which is longer than its calls, so that KMS answers or fails.
 */
const patience = { attemptTimeout: 5_000, deadline: 10_000, confirmTimeout: 30_000 } as const;

/** Runs work with the key store of the settings. Nothing runs in its background. @throws UsageError */
export async function withKeyStore<T>(
  settings: Settings,
  { create = false, storeOptional = false }: OpenKeyStoreOptions,
  work: (keyStore: RecordingKeyStore) => Promise<T>,
): Promise<T> {
  const organizationId = required(settings, "organization");
  const homeRegion = required(settings, "homeRegion");
  const { trustedKmsKeys, embeddedKeys, decryptRegions, contextKeyName } = settings;
  const without = storeOptional && settings.store === undefined && embeddedKeys !== undefined;
  const kms = await awsKms(settings.kmsEndpoint);
  const opened = without ? noStore() : await openStore(required(settings, "store"), { create });
  try {
    const fleetSecret = await readSecret(settings.fleetSecretFile);
    const keyStore = new RecordingKeyStore({
      organizationId,
      homeRegion,
      kms,
      store: opened.store,
      background: false,
      confirmTimeout: patience.confirmTimeout,
      ...defined({ trustedKmsKeys, embeddedKeys, decryptRegions, contextKeyName, fleetSecret }),
    });
    if (fleetSecret) wipe(fleetSecret);
    try {
      return await work(keyStore);
    } finally {
      await keyStore.close();
    }
  } finally {
    await opened.close();
  }
}

async function awsKms(endpoint: string | undefined): Promise<KmsProvider> {
  if (endpoint !== undefined && !URL.canParse(endpoint)) throw new UsageError("--kms-endpoint: must be a URL");
  const { KMSClient } = await optionalPackage("@aws-sdk/client-kms", () => import("@aws-sdk/client-kms"));
  const { AwsKmsProvider } = await import("../kms/aws/aws-kms-provider.js");
  const { attemptTimeout, deadline } = patience;
  const client = (region: string) => new KMSClient({ region, ...defined({ endpoint }) });
  return new AwsKmsProvider({ client, attemptTimeout, deadline });
}

async function readSecret(path: string | undefined): Promise<Buffer | undefined> {
  return path === undefined ? undefined : readNamed(`--fleet-secret-file ${path}`, path);
}
