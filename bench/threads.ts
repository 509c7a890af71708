/* From which size on it pays to start threads for one recording, in files and in memory. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import "./shared/worker-code.js";
import { memoryFolder } from "./shared/folder.js";
import { benchKeyStore } from "./shared/key-store.js";
import { byScale, bytesShown, interleaved, MiB, repeated, speedRatios, spread } from "./shared/measure.js";
import { plaintext } from "./shared/streams.js";
import type { Row, Scale, Subject } from "./shared/subject.js";

const recordingId = "recording-1";
/** Bytes that one measurement adds up to. */
const enough = 256 * MiB;

async function run(scale: Scale): Promise<Row[]> {
  const all = [32, 64, 128, 256, 512].map((size) => size * MiB);
  const sizes = byScale(scale, { quick: [8 * MiB], default: all, full: all });
  const rounds = byScale(scale, { quick: 1, default: 7, full: 21 });
  const folder = mkdtempSync(join(memoryFolder(3 * Math.max(...sizes)), "recording-keystore-bench-"));
  const { keyStore } = await benchKeyStore();
  try {
    const rows: Row[] = [];
    for (const size of sizes) {
      const audio = plaintext(size);
      const [plain, encrypted] = [join(folder, "plain"), join(folder, "encrypted")];
      writeFileSync(plain, audio);
      const times = Math.max(1, enough / size);
      const file = (threads: number) =>
        repeated(times, () => keyStore.encryptFile(plain, encrypted, { recordingId, threads, overwrite: true }));
      const bytes = (threads: number) =>
        repeated(times, () => keyStore.encryptRecording(audio, { recordingId, threads }));
      const took = await interleaved(rounds, {
        fileAlone: file(1),
        fileByTwo: file(2),
        bytesAlone: bytes(1),
        bytesByTwo: bytes(2),
      });
      rows.push({
        what: `encrypt ${bytesShown(size)} by 2 threads, their start included`,
        figure: `file ${spread(speedRatios(took.fileByTwo, took.fileAlone))}, memory ${spread(speedRatios(took.bytesByTwo, took.bytesAlone))}`,
        against: "of the calling thread alone",
      });
    }
    return rows;
  } finally {
    await keyStore.close();
    rmSync(folder, { recursive: true });
  }
}

export const threads: Subject = {
  title: "From which size threads pay",
  about:
    "Each recording has its threads started and ended. Unasked, bytes get a second one from 256 MiB on, files get 3 or 4 where there are so many cores.",
  run,
};
