import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, afterAll, beforeEach, describe, expect, it } from "vitest";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import { unframe } from "../../../src/stores/frame.js";
import { Layout } from "../../../src/stores/file/layout.js";
import { labelOf } from "../content.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { atLength } from "../../support/effort.js";
import { compileWorker, WorkerProcess } from "../../support/worker-process.js";

const organizationId = "Org/1";
const generations = atLength(200, 15);
const kills = atLength(300, 24);

describe("file store under several processes", () => {
  let worker: string;
  let removeWorker: () => Promise<void>;
  let directory: string;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const { folder, remove } = await temporaryFolder();
    removeWorker = remove;
    worker = await compileWorker(new URL("./process-worker.ts", import.meta.url), folder);
  });
  afterAll(() => removeWorker());
  beforeEach(async () => ({ folder: directory, remove } = await temporaryFolder()));
  afterEach(() => remove());

  it(`lets exactly one of 8 processes win each of ${generations} generations`, { timeout: 120_000 }, async () => {
    const racers = Array.from(
      { length: 8 },
      (_, index) => new WorkerProcess(worker, ["race", directory, organizationId, `${index}`]),
    );
    const store = new FileKeyPairStore({ directory });
    const wins = racers.map(() => 0);
    try {
      await Promise.all(racers.map((racer) => racer.line(0)));
      let revision = "none";
      for (let generation = 1; generation <= generations; generation += 1) {
        for (const racer of racers) racer.tell(revision);
        const answers = await Promise.all(racers.map((racer) => racer.line(generation)));
        const winners = answers.flatMap((answer, index) => (answer === "lost" ? [] : [index]));
        expect(winners, `winners of generation ${generation}`).toHaveLength(1);
        const winner = winners[0] as number;
        wins[winner] = (wins[winner] as number) + 1;
        const head = await store.readHead(organizationId);
        expect(`won ${head?.revision}`).toBe(answers[winner]);
        expect(labelOf(head?.document as Uint8Array)).toBe(`head ${winner} from ${revision}`);
        revision = head?.revision as string;
      }
      expect(wins.filter((count) => count > 0).length, "processes that won at all").toBeGreaterThan(1);
    } finally {
      await Promise.all(racers.map((racer) => racer.kill()));
    }
    expect(await readdir(new Layout(directory).headsFolder(organizationId))).toHaveLength(generations);
  });

  it("remembers in one process what another has confirmed under another host name", async () => {
    for (const [name, before] of [
      ["pod-1", "nothing"],
      ["pod-2", "key of pod-1"],
      ["pod-3", "key of pod-2"],
    ] as const) {
      const process = new WorkerProcess(worker, ["remember", directory, organizationId, name]);
      try {
        expect(await process.line(0)).toBe(`remembered ${before}`);
        expect(await process.line(1)).toBe("saved");
      } finally {
        await process.kill();
      }
    }
    const remembered = await new FileKeyPairStore({ directory }).hostLastConfirmed().load(organizationId);
    expect(labelOf(remembered as Uint8Array)).toBe("key of pod-3");
    expect(await readdir(directory)).toEqual([]);
  });

  it(
    `loses nothing acknowledged over ${kills} kill -9 during writes, and shows nothing torn`,
    { timeout: 240_000 },
    async () => {
      const lanes = 4;
      const acknowledged: string[] = [];
      const lastConfirmed = new Map<string, number>();
      let killed = 0;
      const files = async () => {
        const entries = await readdir(directory, { recursive: true, withFileTypes: true });
        return entries.filter((entry) => entry.isFile());
      };
      /** Number of writes that were hit between their first and last step. */
      const cutShort = async () => (await files()).filter(({ name }) => name.startsWith(".tmp-")).length;
      const lane = async (index: number): Promise<void> => {
        // Of these kills some four hit a write in its middle; by chance none does, and then it goes on.
        for (let life = 0; killed < kills || (await cutShort()) === 0; life += 1) {
          const name = `${index}-${life}`;
          const writer = new WorkerProcess(worker, ["write", directory, organizationId, name]);
          try {
            await writer.line(Math.floor(Math.random() * 5));
            await sleep(Math.random() * 10);
          } finally {
            await writer.kill();
          }
          killed += 1;
          for (const line of writer.lines) {
            if (line.startsWith("last-confirmed ")) lastConfirmed.set(name, Number(line.split(" ")[1]));
            else acknowledged.push(line);
          }
        }
      };
      let reads = 0;
      const reader = async (): Promise<void> => {
        const store = new FileKeyPairStore({ directory });
        let highest = 0;
        while (killed < kills) {
          const head = await store.readHead(organizationId);
          if (head) {
            labelOf(head.document);
            const number = parseInt(head.revision, 10);
            expect(number).toBeGreaterThanOrEqual(highest);
            highest = number;
          }
          const status = await store.readStatus(organizationId);
          if (status) labelOf(status);
          for (const pair of await store.listKeyPairs(organizationId, { limit: 5 })) labelOf(pair.document);
          reads += 1;
          await sleep(5);
        }
      };
      await Promise.all([reader(), ...Array.from({ length: lanes }, (_, index) => lane(index))]);

      expect(killed).toBeGreaterThanOrEqual(kills);
      expect(reads).toBeGreaterThan(10);
      const restarted = new FileKeyPairStore({ directory });
      const layout = new Layout(directory);
      for (const line of acknowledged) await expectStored(restarted, layout, line);
      expect(acknowledged.length).toBeGreaterThan(kills);

      // What was not acknowledged is whole too, or a temporary file that counts for nothing.
      const pairs = await restarted.listKeyPairs(organizationId, { limit: 1e9 });
      for (const { keyPairId, document } of pairs) {
        expect(labelOf(document)).toBe(`pair ${keyPairId}`);
        for (const wrapping of await restarted.listWrappings(organizationId, keyPairId)) labelOf(wrapping.document);
      }
      labelOf((await restarted.readStatus(organizationId)) as Uint8Array);
      for (const [name, round] of lastConfirmed) {
        const [, saved] = labelOf((await restarted.hostLastConfirmed().load(name)) as Uint8Array).split(" ");
        expect(Number(saved)).toBeGreaterThanOrEqual(round);
      }
      const left = await cutShort();
      for (const entry of (await files()).filter(({ name }) => name.endsWith(".record"))) {
        const path = join(entry.parentPath, entry.name);
        labelOf(unframe(await readFile(path), {}, path).document);
      }
      expect(left, "kills that hit a write between its first and last step").toBeGreaterThan(0);
      console.log(
        `${killed} kills, ${acknowledged.length} acknowledged writes kept, ${left} cut short, ${reads} concurrent reads`,
      );
    },
  );
});

/** Looks for what a writer said was stored. */
async function expectStored(store: FileKeyPairStore, layout: Layout, line: string): Promise<void> {
  const [kind, id = "", keyPairId] = line.split(" ");
  if (kind === "pair") {
    const pair = await store.readKeyPair(organizationId, id);
    expect(pair && labelOf(pair.document)).toBe(`pair ${id}`);
  } else if (kind === "wrapping") {
    const [wrapping] = await store.listWrappings(organizationId, id);
    expect(wrapping && labelOf(wrapping.document)).toBe(`wrapping ${id}`);
  } else if (kind === "head") {
    const [number, digest] = id.split("-");
    const { path, labels } = layout.head(organizationId, Number(number));
    const { checksum, document } = unframe(await readFile(path), labels, path);
    expect(checksum.slice(0, digest?.length)).toBe(digest);
    expect(labelOf(document)).toBe(`head ${keyPairId}`);
  } else {
    expect(kind).toBe("status");
  }
}
