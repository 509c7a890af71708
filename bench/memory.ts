/* Peak resident memory of a process that encrypts, and of one that decrypts, by size of the recording. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { benchKms, clientOf, fileStoreIn, keyStoreOn, kmsKeyAliasArn } from "./shared/key-store.js";
import { byScale, bytesShown, GiB, median, MiB, spread } from "./shared/measure.js";
import { answerOf } from "./shared/processes.js";
import { below, type Row, type Scale, type Subject } from "./shared/subject.js";

/** `bare`: the same stream of segments by node:crypto alone, for what Node itself takes. */
const ways = ["encrypt", "decrypt", "bare"] as const;
type Way = (typeof ways)[number];

async function peakOf(way: Way, size: number, shared: { endpoint: string; folder: string }): Promise<number> {
  return (
    Number(
      await answerOf(
        new URL("memory-process.ts", import.meta.url),
        [way, String(size), shared.endpoint, shared.folder],
        process.execArgv,
      ),
    ) / MiB
  );
}

async function run(scale: Scale): Promise<Row[]> {
  const rounds = byScale(scale, { quick: 1, default: 5, full: 11 });
  const sizes = byScale<[number, number]>(scale, {
    quick: [MiB, 4 * MiB],
    default: [16 * MiB, 2 * GiB],
    full: [16 * MiB, 2 * GiB],
  });
  const kms = benchKms();
  const server = await kms.listen();
  const folder = await mkdtemp(path.join(os.tmpdir(), "recording-keystore-bench-"));
  try {
    const shared = { endpoint: server.url, folder };
    const keyStore = keyStoreOn(clientOf(server.url), { store: fileStoreIn(folder) });
    await keyStore.configure({ kmsKeyAliasArn });
    await keyStore.close();
    const peaks: Record<Way, [number[], number[]]> = { encrypt: [[], []], decrypt: [[], []], bare: [[], []] };
    for (let round = 0; round < rounds; round += 1) {
      for (const way of ways) {
        for (const which of [0, 1] as const) peaks[way][which].push(await peakOf(way, sizes[which], shared));
      }
    }
    return ways.map((way) => {
      const [little, much] = peaks[way];
      const growth = much.map((peak, round) => peak - (little[round] ?? NaN));
      return {
        what: `${way === "bare" ? "bare node:crypto, encrypt" : way} ${bytesShown(sizes[1])} instead of ${bytesShown(sizes[0])}`,
        figure: `grows by ${spread(growth, 0)} MiB`,
        against: `${spread(little, 0)} and ${spread(much, 0)} MiB`,
        ...(way === "bare" ? {} : { promise: below(median(growth), 32, " MiB") }),
      };
    });
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export const memory: Subject = {
  title: "Peak resident memory",
  about:
    "Each figure is of a process of its own that does nothing else: one encrypts a stream that is made as it is read, the other decrypts what an encrypting process sends it through a pipe. Resident memory is looked at every 2 ms and at every MiB. A cipher's output is memory of its own each time, and V8 collects it once there are 32 MiB of it: a recording of 16 MiB ends before that. What bare node:crypto grows by is Node's own, and more in Node 24 than in Node 20; a stream's reader has its output, so that nothing can be given back.",
  run,
};
