import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import { bytesSource, type RecordingKeyStore } from "../../src/index.js";
import { createTestKeyStore } from "../../src/testing/index.js";

afterEach(() => vi.restoreAllMocks());

const recordingId = "recording-1";
const many = 30;

it.each<
  [string, (keyStore: RecordingKeyStore, encrypted: Uint8Array, go: Promise<void>) => Promise<{ body?: unknown }>]
>([
  [
    "encryptions",
    async (keyStore, _encrypted, go) => go.then(() => keyStore.encryptRecording(Buffer.from("hello"), { recordingId })),
  ],
  [
    "decryptions of bytes",
    async (keyStore, encrypted, go) => go.then(() => keyStore.decryptRecording(encrypted, { recordingId })),
  ],
  [
    "decryptions whose headers come at once",
    (keyStore, encrypted, go) => keyStore.decryptRecording(Readable.from(after(go, encrypted)), { recordingId }),
  ],
  [
    "readers whose headers come at once",
    async (keyStore, encrypted, go) => {
      const source = bytesSource(encrypted);
      await keyStore.openRecording(
        { size: source.size, read: (offset, length) => go.then(() => source.read(offset, length)) },
        { recordingId },
      );
      return {};
    },
  ],
])("many %s do not begin in one turn of the event loop", async (_name, begin) => {
  const { keyStore } = await createTestKeyStore();
  const { body } = await keyStore.encryptRecording(Buffer.from("hello"), { recordingId });
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  let now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => (now += 10)); // as if each step took that long
  let turns = 0;
  const begunIn = new Set<number>();
  const all = Promise.all(
    Array.from({ length: many }, async () => {
      const { body: begun } = await begin(keyStore, body, gate);
      begunIn.add(turns);
      if (begun instanceof Readable) begun.destroy();
    }),
  );
  let running = true;
  void all.then(() => (running = false));
  await turn();
  open();
  for (; running; turns += 1) await turn();
  await all;
  expect(begunIn.size).toBeGreaterThan(many / 2);
  await keyStore.close();
});

async function* after(go: Promise<void>, bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await go;
  yield bytes;
}
