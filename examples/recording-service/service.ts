import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RecordingKeyStoreRegistry, type RecordingKeyStoreRegistryOptions } from "recording-keystore";
import { AwsKmsProvider } from "recording-keystore/aws";
import { EmbeddedKms, proposedAliases, type KmsCondition } from "./embedded-kms.js";
import { KeyChanges } from "./key-changes.js";
import { LiveCalls } from "./live-calls.js";
import { Recordings } from "./recordings.js";
import type { Settings } from "./settings.js";
import { openStore } from "./stores.js";

/** What the pages work with. */
export interface Service {
  readonly settings: Settings;
  readonly keyStores: RecordingKeyStoreRegistry;
  readonly recordings: Recordings;
  readonly liveCalls: LiveCalls;
  readonly keyChanges: KeyChanges;
  /** Absent with AWS KMS itself. */
  readonly embeddedKms: EmbeddedKms | undefined;
  close(): Promise<void>;
}

/** @param more - other options of the key stores, for tests */
export async function openService(
  settings: Settings,
  more: Partial<RecordingKeyStoreRegistryOptions> = {},
): Promise<Service> {
  const { organizations, fleetSecret } = settings;
  const folder = settings.dataFolder ?? (await mkdtemp(join(tmpdir(), "recording-service-")));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const embeddedKms = settings.kms === "embedded" ? new EmbeddedKms(settings) : undefined;
  const { store, close } = await openStore(settings.store, folder);
  const keyChanges = await KeyChanges.open(join(folder, "key-changes.jsonl"));
  const keyStores = new RecordingKeyStoreRegistry({
    kms: embeddedKms?.provider ?? new AwsKmsProvider(),
    store,
    auditSink: keyChanges,
    ...(fleetSecret && { fleetSecret }),
    resolveOrganization: (organizationId) => {
      const found = organizations.find(({ id }) => id === organizationId);
      if (!found) throw new Error("unknown organization");
      return { homeRegion: found.homeRegion, trustedKmsKeys: [found.kmsAccountId] };
    },
    ...more,
  });
  const liveCalls = new LiveCalls();
  const service: Service = {
    settings,
    keyStores,
    recordings: new Recordings(join(folder, "recordings")),
    liveCalls,
    keyChanges,
    embeddedKms,
    async close() {
      await liveCalls.close();
      await keyStores.close({ timeout: 10_000 });
      await close();
      if (settings.dataFolder === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
  if (embeddedKms) await configureFirst(service);
  return service;
}

/** The first organization of the demonstration can record at once; the second one shows how it begins. */
async function configureFirst({ settings, keyStores }: Service): Promise<void> {
  const [first] = settings.organizations;
  const [kmsKeyAliasArn] = first ? proposedAliases(first) : [];
  if (!first || kmsKeyAliasArn === undefined) return;
  const keyStore = await keyStores.for(first.id);
  await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "monthly" }, { actor: "set-up", onlyIfChanged: true });
}

/** Throws the demonstration's switch, and lets everybody see at once what the background would notice in its time. */
export async function changeKms({ settings, keyStores, embeddedKms }: Service, condition: KmsCondition): Promise<void> {
  if (!embeddedKms) return;
  embeddedKms.condition = condition;
  keyStores.forgetPrivateKeys(); // or recordings play on for up to a minute
  await Promise.all(
    settings.organizations.map(async ({ id }) => {
      const keyStore = await keyStores.for(id);
      if ((await keyStore.status()).configured) await keyStore.confirm();
    }),
  );
}
