import { mock } from "node:test";
import { describe, expect, it, vi } from "vitest";

describe("the event loop under timers that were faked before the library was loaded", () => {
  it("has its turns all the same", async () => {
    mock.timers.enable();
    try {
      vi.resetModules();
      const { nextEventLoopIteration, turnOf } = await import("../../src/util/event-loop.js");
      await nextEventLoopIteration();
      let now = 0;
      vi.spyOn(performance, "now").mockImplementation(() => (now += 100)); // each step takes so long
      for (let step = 0; step < 5; step += 1) await turnOf(undefined);
      expect(now).toBeGreaterThanOrEqual(200);
    } finally {
      mock.timers.reset();
      vi.restoreAllMocks();
    }
  });
});
