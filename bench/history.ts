/* What a history of ten years of daily changes costs whoever asks for it: calls counted, time and memory as they were. */
import { RecordingKeyStore } from "../src/index.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore, TestClock } from "../src/testing/index.js";
import { byScale, MiB, seconds } from "./shared/measure.js";
import { below, type Row, type Scale, type Subject } from "./shared/subject.js";

const homeRegion = "eu-west-1";
const accountId = "000000000000";
const kmsKeyAliasArn = `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`;
const recordingId = "recording-1";
const day = 86_400_000;

interface Measured {
  readonly time: number;
  readonly kmsCalls: number;
  /** Growth of the heap that outlasts the call, in bytes. */
  readonly kept: number;
}

async function run(scale: Scale): Promise<Row[]> {
  const pairs = byScale(scale, { quick: 50, default: 3_650, full: 3_650 });
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock, journalLimit: 1_000_000 });
  const keyArn = kms.createKey({ accountId, region: homeRegion, alias: "alias/recordings" });
  const provider = new InMemoryKmsProvider(kms);
  const options = { organizationId: "org-1", homeRegion, kms: provider, trustedKmsKeys: [accountId], clock };
  const store = new MemoryKeyPairStore();
  const first = new RecordingKeyStore({ ...options, store });
  await first.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
  const { body } = await first.encryptRecording(Buffer.from("audio"), { recordingId });
  while ((await first.status()).activeKeyPair?.sequence !== pairs) {
    clock.advance(day);
    await first.rotate();
  }
  await first.close();

  // Each in a key store that knows nothing yet, as after a restart.
  const measure = async (task: (keyStore: RecordingKeyStore) => Promise<unknown>): Promise<Measured> => {
    const keyStore = new RecordingKeyStore({ ...options, store });
    await keyStore.confirm();
    const [calls, heap] = [kms.journal.count(), heapUsed()];
    const time = await seconds(() => task(keyStore));
    const measured = { time, kmsCalls: kms.journal.count() - calls, kept: heapUsed() - heap };
    await keyStore.close();
    return measured;
  };
  const row = (what: string, { time, kmsCalls, kept }: Measured, most?: number): Row => ({
    what,
    figure: `${kmsCalls.toLocaleString("en-US")} KMS calls, ${(time * 1_000).toLocaleString("en-US", { maximumFractionDigits: 1 })} ms, ${Math.max(0, kept / MiB).toFixed(1)} MiB kept`,
    ...(most === undefined
      ? {}
      : { promise: { ...below(kmsCalls, most + 1), rule: `≤ ${most} KMS calls`, exact: true } }),
  });
  const rows = [
    row("status()", await measure((keyStore) => keyStore.status()), 0),
    row("keyPairs(), a page of 50", await measure((keyStore) => keyStore.keyPairs({ limit: 50 })), 0),
    row("keyPairs(), all pages of 50", await measure((keyStore) => allPages(keyStore)), 0),
    row(
      "a recording of the first pair",
      await measure((keyStore) => keyStore.decryptRecording(body, { recordingId })),
      1,
    ),
    row("rotate()", await measure((keyStore) => keyStore.rotate()), 4),
  ];
  clock.advance(day);
  kms.pointAlias(kmsKeyAliasArn, kms.createKey({ accountId, region: homeRegion }));
  rows.push(
    row("rotate() to another KMS key", await measure((keyStore) => keyStore.rotate())),
    row("rewrapKeyPairs() under it", await measure((keyStore) => keyStore.rewrapKeyPairs())),
    row("rewrapKeyPairs() again", await measure((keyStore) => keyStore.rewrapKeyPairs())),
  );
  kms.disableKey(keyArn);
  rows.push(
    row(
      "a recording of the first pair, its own KMS key disabled",
      await measure((keyStore) => keyStore.decryptRecording(body, { recordingId })),
    ),
  );
  return rows;
}

async function allPages(keyStore: RecordingKeyStore): Promise<void> {
  let cursor: string | undefined;
  do {
    const { nextCursor } = await keyStore.keyPairs({ limit: 50, ...(cursor === undefined ? {} : { cursor }) });
    cursor = nextCursor;
  } while (cursor !== undefined);
}

function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

export const history: Subject = {
  title: "A long history",
  about:
    "Ten years of daily changes, 3,650 key pairs, in a store and a KMS in memory, whose answers take no time: what the library itself does. Each row in a key store that has asked KMS about the active pair and knows nothing else; once, not repeated.",
  run,
};
