/*
 * What a recording costs while it is being made: memory of one process that has 10,000 open at once, just begun and with
 * half a segment held. `live-recordings.ts SHAPE BYTES` measures one combination and reports it to who started it.
 */
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createTestKeyStore } from "../src/testing/index.js";
import { byScale, bytesShown, KiB } from "./shared/measure.js";
import { answerOf } from "./shared/processes.js";
import type { Row, Scale, Subject } from "./shared/subject.js";

/** 20 ms of 16 kHz speech, bytes: how telephony hands it over. */
const chunkLength = 640;

interface Footprint {
  /** JavaScript objects, bytes. */
  readonly heap: number;
  /** Buffers, bytes. */
  readonly external: number;
  readonly resident: number;
}

/** A live source of either kind that is pushed to from outside, and the body that comes of it. */
type Push = (chunk: Uint8Array) => void;
type Shape = "Readable" | "async iterable";

function liveSource(shape: Shape): { source: Readable | AsyncIterable<Uint8Array>; push: Push } {
  if (shape === "Readable") {
    const source = new Readable({ read: () => undefined });
    return { source, push: (chunk) => void source.push(chunk) };
  }
  let wake: (chunk: Uint8Array) => void = () => undefined;
  async function* live() {
    for (;;) yield await new Promise<Uint8Array>((resolve) => (wake = resolve));
  }
  return { source: live(), push: (chunk) => wake(chunk) };
}

/** Everything that can be freed is. */
async function footprint(): Promise<Footprint> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 4; round += 1) {
    await turn();
    collect();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed, external, resident: rss };
}

async function measure(
  shape: Shape,
  segmentSize: number,
  recordings: number,
): Promise<[begun: Footprint, held: Footprint]> {
  const { keyStore } = await createTestKeyStore();
  const open = async () => {
    const { source, push } = liveSource(shape);
    const { body } = await keyStore.encryptRecording(source as AsyncIterable<Uint8Array>, {
      recordingId: "r",
      segmentSize,
    });
    void (async () => {
      for await (const _piece of body) continue;
    })();
    return push;
  };
  for (let warm = 0; warm < 100; warm += 1) await open();
  const before = await footprint();
  const pushes: Push[] = [];
  for (let index = 0; index < recordings; index += 1) pushes.push(await open());
  const begun = await footprint();
  for (let held = 0; held + chunkLength <= segmentSize / 2; held += chunkLength) {
    for (const push of pushes) push(Buffer.alloc(chunkLength, 1));
    await turn();
  }
  const held = await footprint();
  const since = (after: Footprint): Footprint => ({
    heap: (after.heap - before.heap) / recordings,
    external: (after.external - before.external) / recordings,
    resident: (after.resident - before.resident) / recordings,
  });
  return [since(begun), since(held)];
}

async function run(scale: Scale): Promise<Row[]> {
  const recordings = byScale(scale, { quick: 100, default: 10_000, full: 10_000 });
  const rows: Row[] = [];
  for (const shape of ["Readable", "async iterable"] as const) {
    for (const segmentSize of [65_536, 4_096]) {
      const [begun, held] = (await answerOf(
        new URL(import.meta.url),
        [shape, String(segmentSize), String(recordings)],
        process.execArgv,
      )) as [Footprint, Footprint];
      const shown = ({ heap, external, resident }: Footprint) =>
        `${(resident / KiB).toFixed(1)} KiB (heap ${(heap / KiB).toFixed(1)}, buffers ${(external / KiB).toFixed(1)})`;
      const what = `${shape}, segments of ${bytesShown(segmentSize)}`;
      rows.push({ what: `${what}, begun`, figure: shown(begun) });
      rows.push({
        what: `${what}, half a segment held`,
        figure: shown(held),
        against: `${bytesShown(segmentSize / 2)} of sound held`,
      });
    }
  }
  return rows;
}

export const liveRecordings: Subject = {
  title: "Live recordings",
  about:
    "Resident memory of each of 10,000 recordings that are being encrypted in one process, chunks of 20 ms of speech arriving for all of them in turn; each kind of source in a process of its own, measured once.",
  run,
};

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , shape, segmentSize, recordings] = process.argv;
  const footprints = await measure(shape as Shape, Number(segmentSize), Number(recordings));
  process.send(footprints, () => process.exit()); // ten thousand recordings never end
}
