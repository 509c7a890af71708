import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  RecordingKeyStoreRegistry,
  type KmsProvider,
  type RecordingKeyStoreRegistryOptions,
} from "../../../src/index.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore, TestClock } from "../../../src/testing/index.js";

export const homeRegion = "eu-west-1";
export const accountId = "000000000000";
export const kmsKeyAliasArn = `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`;
export const audio = randomBytes(300);
export const minute = 60_000;
export const day = 86_400_000;

/** A process's registry on an in-memory KMS with one key for all, and the clock of both. */
export function world(options: Partial<RecordingKeyStoreRegistryOptions> = {}) {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock });
  const keyArn = kms.createKey({ region: homeRegion, alias: "alias/recordings" });
  const store = new MemoryKeyPairStore();
  const provider: KmsProvider = new InMemoryKmsProvider(kms, { deadline: 200 });
  const registryWith = (more: Partial<RecordingKeyStoreRegistryOptions> = {}) =>
    new RecordingKeyStoreRegistry({
      homeRegion,
      kms: provider,
      store,
      clock,
      trustedKmsKeys: [accountId],
      confirmTimeout: 150,
      maintenanceInterval: 10,
      ...options,
      ...more,
    });
  const stores = registryWith();
  const configure = async (...organizationIds: string[]) => {
    for (const id of organizationIds)
      await (await stores.for(id)).configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
  };
  const encrypt = async (organizationId: string, recordingId = "r") =>
    (await stores.for(organizationId)).encryptRecording(audio, { recordingId });
  const opens = async (organizationId: string, body: Uint8Array, recordingId = "r") =>
    audio.equals((await (await stores.for(organizationId)).decryptRecording(body, { recordingId })).body);
  return { clock, kms, keyArn, store, provider, registryWith, stores, configure, encrypt, opens };
}

export const ids = (count: number) => Array.from({ length: count }, (_, index) => `org-${index}`);

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Collects what nobody holds. A WeakRef that was read holds its object until the turn is over. */
export async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await turn();
    collect();
  }
}

export async function drain(body: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of body) size += chunk.length;
  return size;
}
