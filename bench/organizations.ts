/* Memory per organization in a process with many of them, by what the organization does. */
import { RecordingKeyStoreRegistry } from "../src/index.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore } from "../src/testing/index.js";
import { byScale, KiB } from "./shared/measure.js";
import type { Row, Scale, Subject } from "./shared/subject.js";

const homeRegion = "eu-west-1";
const accountId = "000000000000";

/** Bytes that are reachable. */
async function reachable(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    global.gc?.();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function run(scale: Scale): Promise<Row[]> {
  if (!global.gc) throw new Error("needs --expose-gc");
  const count = byScale(scale, { quick: 100, default: 10_000, full: 10_000 });
  const inMemoryKms = new InMemoryKms({ journalLimit: 1 });
  inMemoryKms.createKey({ region: homeRegion, alias: "alias/recordings" });
  const shared = {
    homeRegion,
    kms: new InMemoryKmsProvider(inMemoryKms),
    store: new MemoryKeyPairStore(),
    trustedKmsKeys: [accountId],
    confirmTimeout: 10_000,
  };
  const ids = Array.from({ length: count }, (_, index) => `org-${index}`);
  const setup = new RecordingKeyStoreRegistry({ ...shared, maxIdleKeyStores: 1 });
  for (const id of ids)
    await (
      await setup.for(id)
    ).configure({ kmsKeyAliasArn: `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings` });
  await setup.close();

  const rows: Row[] = [];
  const each = async (
    what: string,
    keyStores: RecordingKeyStoreRegistry,
    task: (id: string) => Promise<unknown>,
    before: number,
  ) => {
    for (const id of ids) await task(id);
    await reachable(); // lets go of what was still in use
    keyStores.status();
    rows.push({ what, figure: `${(((await reachable()) - before) / count / KiB).toFixed(1)} KiB each` });
  };
  const recordingId = "recording-1";
  const before = await reachable();
  const kept = new RecordingKeyStoreRegistry(shared);
  await each("only asked for", kept, (id) => kept.for(id), before);
  await each(
    "has encrypted, idle",
    kept,
    async (id) => (await kept.for(id)).encryptRecording(Buffer.from("audio"), { recordingId }),
    before,
  );
  await kept.close();
  const beforeLettingGo = await reachable();
  const letGo = new RecordingKeyStoreRegistry({ ...shared, maxIdleKeyStores: 1, maintenanceInterval: 10 });
  await each(
    "has encrypted, let go: what was confirmed is remembered",
    letGo,
    async (id) => (await letGo.for(id)).encryptRecording(Buffer.from("audio"), { recordingId }),
    beforeLettingGo,
  );
  await letGo.close();
  return rows;
}

export const organizations: Subject = {
  title: "Memory per organization",
  about:
    "`RecordingKeyStoreRegistry` with 10,000 organizations in one process, on a memory store whose records are not counted: what is reachable after garbage collection (heap and buffers), divided by their number.",
  run,
};
