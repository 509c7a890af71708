import { readdir, readFile, writeFile } from "node:fs/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import type * as WorkerCode from "../../../src/recording/threads/worker-code.js";
import { encryptBody } from "../../../src/recording/bodies.js";
import { createTestKeyStore } from "../../../src/testing/index.js";
import { atLength } from "../../support/effort.js";
import { capacity, dataKey, header, released, segmentLength } from "../support.js";
import { flipped, watchSharedMemory } from "../threads/support.js";
import { audio, throughLanes, useFolder } from "./support.js";

const code = vi.hoisted(() => ({ own: undefined as (() => string | undefined) | undefined }));
vi.mock("../../../src/recording/threads/worker-code.js", async (original) => {
  const { workerCode } = await original<typeof WorkerCode>();
  return { workerCode: () => (code.own ?? workerCode)() };
});

const MiB = 1_048_576;
/** Of the whole header, and FLOE's. */
const preamble = header().length + 74;

describe("files over threads", () => {
  const at = useFolder();
  const { path } = at;
  afterEach(() => {
    code.own = undefined;
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  const encrypted = async (size: number) => {
    const { body } = await encryptBody(audio(size), { header: header(), dataKey: Buffer.from(dataKey), segmentLength });
    return Buffer.from(body);
  };
  const segmentAt = (index: number) => preamble + index * segmentLength;

  describe.each(atLength([0, 1, 2], [0, 2]))("through %i workers", (workers) => {
    it.each<[string, (bytes: Buffer) => Buffer]>([
      ["a bit of the first segment", (bytes) => flipped(bytes, segmentAt(0) + 100)],
      ["a bit of a segment in the middle", (bytes) => flipped(bytes, segmentAt(1_100) + 20)],
      ["a length field", (bytes) => flipped(bytes, segmentAt(700))],
      ["the last tag", (bytes) => flipped(bytes, bytes.length - 1)],
      ["two segments swapped", (bytes) => swapped(bytes, segmentAt(3), segmentAt(1_500))],
      ["a segment left out", (bytes) => Buffer.concat([bytes.subarray(0, segmentAt(5)), bytes.subarray(segmentAt(6))])],
      ["a segment twice", (bytes) => Buffer.concat([bytes.subarray(0, segmentAt(6)), bytes.subarray(segmentAt(5))])],
      ["the last segment left out", (bytes) => bytes.subarray(0, segmentAt(1_549))],
      ["one byte of the end missing", (bytes) => bytes.subarray(0, -1)],
      ["cut inside a segment", (bytes) => bytes.subarray(0, segmentAt(1_000) + 50)],
      ["cut to less than a tag", (bytes) => bytes.subarray(0, segmentAt(1_000) + 3)],
      ["nothing but the header", (bytes) => bytes.subarray(0, preamble)],
      ["one byte behind the end", (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
      ["40 bytes behind the end", (bytes) => Buffer.concat([bytes, Buffer.alloc(40)])],
      ["a segment behind the end", (bytes) => Buffer.concat([bytes, bytes.subarray(segmentAt(0), segmentAt(1))])],
    ])("tampering is refused as by a stream, and nothing is left: %s", async (_name, tamper) => {
      const bytes = tamper(await encrypted(1_549 * capacity + 1_000));
      await writeFile(path("in"), bytes);
      const { error } = await released(bytes, MiB);
      expect(error?.code).toMatch(/^ERR_RECORDING_(TAMPERED|TRUNCATED)$/);
      await expect(throughLanes("decrypt", path("in"), path("out"), { workers })).rejects.toMatchObject({
        code: error?.code,
        name: "RecordingKeyStoreError",
      });
      expect(await readdir(at.folder)).toEqual(["in"]);
    });

    it("of two failures the one at the lower position is told, whichever is met first", async () => {
      // The full last segment ends one range, and what follows it is a range of its own, much too short for a segment.
      const bytes = Buffer.concat([await encrypted(2_048 * capacity), Buffer.alloc(5)]);
      await writeFile(path("in"), bytes);
      expect((await released(bytes, MiB)).error?.code).toBe("ERR_RECORDING_TAMPERED");
      await expect(throughLanes("decrypt", path("in"), path("out"), { workers })).rejects.toMatchObject({
        code: "ERR_RECORDING_TAMPERED",
      });
    });

    it("an abort in the middle ends it with its reason, and nothing is left", async () => {
      await writeFile(path("in"), audio(30 * MiB));
      const controller = new AbortController();
      const reason = new Error("enough");
      let ranges = 0;
      const onRange = () => {
        ranges += 1;
        controller.abort(reason);
      };
      await expect(
        throughLanes("encrypt", path("in"), path("out"), { workers, signal: controller.signal, onRange }),
      ).rejects.toBe(reason);
      expect(ranges).toBeLessThan(30 / (workers === 0 ? 1 : 4));
      expect(await readdir(at.folder)).toEqual(["in"]);
    });

    it("keys that are not lent any more end it, and nothing is left", async () => {
      await writeFile(path("in"), await encrypted(20 * MiB));
      let lent = 0;
      const use = () => Promise.reject(new Error(`forgotten after ${(lent += 1)}`));
      await expect(throughLanes("decrypt", path("in"), path("out"), { workers, use })).rejects.toThrow(
        "forgotten after",
      );
      expect(await readdir(at.folder)).toEqual(["in"]);
    });
  });

  const losses: (readonly [workers: number, lost: number])[] = [
    [2, 1],
    [2, 2],
    [1, 1],
  ];
  it.each(["encrypt", "decrypt"] as const)(
    "%s: what a lost thread has not done is done by the others, or by the calling one",
    async (direction) => {
      const plaintext = audio(60 * MiB);
      await writeFile(path("plain"), plaintext);
      if (direction === "decrypt") await throughLanes("encrypt", path("plain"), path("encrypted"), { workers: 0 });
      for (const [workers, lost] of atLength(losses, losses.slice(1))) {
        let killed = 0;
        const onRange = (_bytes: number, workers: readonly { close(): Promise<void> }[]) => {
          for (const worker of workers.slice(0, lost)) if (killed < lost && (killed += 1)) void worker.close();
        };
        const [from, to] = direction === "encrypt" ? ["plain", "encrypted"] : ["encrypted", "again"];
        await throughLanes(direction, path(from), path(to), { workers, onRange, rescue: true });
        expect(killed).toBe(lost);
        if (direction === "encrypt") await throughLanes("decrypt", path("encrypted"), path("again"), { workers: 0 });
        expect((await readFile(path("again"))).equals(plaintext)).toBe(true);
      }
    },
  );

  it.each<[string, string | undefined]>([
    ["there is no code for them", undefined],
    ["they end at once", "process.exit(1)"],
    ["they fail at once", "throw new Error('no')"],
    ["their code can't be read", "}{"],
    ["they never say that they are ready", "setInterval(() => {}, 1000)"],
  ])("are done by the calling thread alone where %s", async (_name, own) => {
    code.own = () => own;
    const { keyStore } = await createTestKeyStore();
    const plaintext = audio(5 * MiB);
    await writeFile(path("plain"), plaintext);
    const { threads } = await keyStore.encryptFile(path("plain"), path("encrypted"), { recordingId: "r", threads: 3 });
    expect(threads).toBe(1);
    expect(
      await keyStore.decryptFile(path("encrypted"), path("again"), { recordingId: "r", threads: 3 }),
    ).toMatchObject({ threads: 1 });
    expect((await readFile(path("again"))).equals(plaintext)).toBe(true);
    await keyStore.close();
  });

  it("every copy of a key that a thread was lent is wiped, also after a failure", async () => {
    const lent = watchSharedMemory();
    const seen: boolean[] = [];
    await writeFile(path("plain"), audio(20 * MiB));
    const onRange = () => void seen.push(lent.some((key) => key.some((byte) => byte !== 0)));
    await throughLanes("encrypt", path("plain"), path("encrypted"), { workers: 2, onRange });
    expect(lent.length).toBeGreaterThanOrEqual(5);
    expect(seen, "a key was there while it was needed").toContain(true);
    const bytes = await readFile(path("encrypted"));
    await writeFile(path("encrypted"), flipped(bytes, bytes.length >> 1));
    await expect(throughLanes("decrypt", path("encrypted"), path("again"), { workers: 2 })).rejects.toMatchObject({
      code: "ERR_RECORDING_TAMPERED",
    });
    expect(lent.every((key) => key.every((byte) => byte === 0))).toBe(true);
  });

  it("take part in a file that is long enough, and leave this thread free", async () => {
    const { keyStore } = await createTestKeyStore();
    let threads = 1;
    // How long a thread takes to start depends on what else runs here.
    for (let size = 32 * MiB; threads < 2 && size <= 512 * MiB; size *= 2) {
      await writeFile(path("plain"), Buffer.alloc(size, 7));
      ({ threads } = await keyStore.encryptFile(path("plain"), path("encrypted"), {
        recordingId: "r",
        threads: 2,
        overwrite: true,
      }));
    }
    expect(threads).toBe(2);
    await keyStore.close();
  });
});

function swapped(bytes: Buffer, one: number, other: number): Buffer {
  const changed = Buffer.from(bytes);
  bytes.copy(changed, one, other, other + segmentLength);
  bytes.copy(changed, other, one, one + segmentLength);
  return changed;
}
