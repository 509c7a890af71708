import { describe, expect, it } from "vitest";
import { ProcessLastConfirmedStore } from "../../src/stores/last-confirmed-store.js";
import { TestClock } from "../../src/testing/index.js";

describe("ProcessLastConfirmedStore", () => {
  it("gives a copy of a copy of what was saved last, and tells when that was", async () => {
    const clock = new TestClock();
    const store = new ProcessLastConfirmedStore(clock);
    clock.advance(5);
    const given = Buffer.from("document");
    await store.save("org-1", given);
    given.fill(0);
    clock.advance(5);
    const loaded = (await store.load("org-1"))!;
    expect(Buffer.from(loaded).toString()).toBe("document");
    loaded.fill(0);
    expect(Buffer.from((await store.load("org-1"))!).toString()).toBe("document");
    expect(store.confirmedAt("org-1")).toEqual({ wall: clock.now() - 5, monotonic: 5 });
  });

  it("knows nothing of other organizations", async () => {
    const store = new ProcessLastConfirmedStore(new TestClock());
    await store.save("org-1", Buffer.from("document"));
    expect(await store.load("org-2")).toBeUndefined();
    expect(store.confirmedAt("org-2")).toBeUndefined();
  });
});
