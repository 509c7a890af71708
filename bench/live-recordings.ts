/*
 * What a recording costs while it is being made: memory of one process that has 10,000 open at once, just begun and with
 * half a segment held. `tsx bench/live-recordings.ts` prints the rows by itself.
 */
import { spawnSync } from "node:child_process";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createTestKeyStore } from "../src/testing/index.js";

const recordings = 10_000;
const KiB = 1_024;
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

async function measure(shape: Shape, segmentSize: number): Promise<[begun: Footprint, held: Footprint]> {
  const { keyStore } = await createTestKeyStore();
  const open = async () => {
    const { source, push } = liveSource(shape);
    const { body } = await keyStore.encryptRecording(source as AsyncIterable<Uint8Array>, { recordingId: "r", segmentSize });
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

/** Rows of a Markdown table: what | figure | against | promised. Each combination is measured in a process of its own. */
export function liveRecordings(): string[] {
  const rows: string[] = [];
  for (const shape of ["Readable", "async iterable"] as const) {
    for (const segmentSize of [65_536, 4_096]) {
      const child = spawnSync(process.execPath, ["--import", "tsx", fileURLToPath(import.meta.url), shape, String(segmentSize)], { encoding: "utf8" });
      if (child.status !== 0) throw new Error(`the run of live recordings failed: ${child.stderr}`);
      const [begun, held] = JSON.parse(child.stdout) as [Footprint, Footprint];
      const shown = ({ heap, external, resident }: Footprint) => `${(resident / KiB).toFixed(1)} KiB (heap ${(heap / KiB).toFixed(1)}, buffers ${(external / KiB).toFixed(1)})`;
      const what = `live recording, ${shape}, segments of ${segmentSize / KiB} KiB, one of ${recordings}`;
      rows.push(`| ${what}, begun | ${shown(begun)} resident | | |`);
      rows.push(`| ${what}, half a segment held | ${shown(held)} resident | ${segmentSize / 2 / KiB} KiB of sound held | |`);
    }
  }
  return rows;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , shape, segmentSize] = process.argv;
  if (shape === "Readable" || shape === "async iterable") console.log(JSON.stringify(await measure(shape, Number(segmentSize))));
  else for (const row of liveRecordings()) console.log(row);
  process.exit(); // ten thousand recordings never end
}
