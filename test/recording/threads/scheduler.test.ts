import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { SegmentWorker } from "../../../src/recording/threads/segment-worker.js";
import { encryptionLayout } from "../../../src/format/segments.js";
import { Scheduler } from "../../../src/recording/threads/scheduler.js";

const layout = encryptionLayout(10 * 4_064, { preambleLength: 100, segmentLength: 4_096 });
const noSignal = new AbortController().signal;

describe("the scheduler", () => {
  it.each([
    [
      [30, 20, 1, 10],
      [2, 3, 1, 0],
    ],
    [
      [30, 1, 20, 10],
      [1, 3, 2, 0],
    ],
  ])(
    "tells the failure at the lowest position, waits for what is under way and hands out nothing more: %j",
    async (durations, order) => {
      const begun: number[] = [];
      const ended: number[] = [];
      const worker: SegmentWorker = {
        rangeBytes: 1,
        depth: 4,
        async run({ first }) {
          begun.push(first);
          await sleep(durations[first]);
          ended.push(first);
          if (first > 0) throw new Error(`range ${first}`);
        },
      };
      await expect(new Scheduler(layout, worker, noSignal, () => undefined).run()).rejects.toThrow("range 1");
      expect(begun).toEqual([0, 1, 2, 3]);
      expect(ended).toEqual(order);
    },
  );

  it("hands out every segment once, also when workers join on the way", async () => {
    const done: number[] = [];
    const laneOf = (depth: number, rangeBytes: number): SegmentWorker => ({
      rangeBytes,
      depth,
      async run({ first, count }) {
        await sleep(1);
        for (let index = 0; index < count; index += 1) done.push(first + index);
      },
    });
    let bytes = 0;
    const scheduler = new Scheduler(layout, laneOf(2, 1), noSignal, (more) => (bytes += more));
    const running = scheduler.run();
    scheduler.join(laneOf(1, 12_192));
    await running;
    scheduler.join(laneOf(1, 1)); // too late: there is nothing left
    await sleep(5);
    expect(done.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(bytes).toBe(10 * 4_064);
  });
});
