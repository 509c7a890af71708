import { describe, expect, it, vi } from "vitest";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import {
  audio,
  configuration,
  expectHealed,
  minute,
  organization,
  recording,
  resultOf,
  settle,
  states,
} from "./organization.js";
import { expectNothingUnhandled } from "./unhandled.js";
import { withQuietTimers } from "./quiet-timers.js";
import { everyWay, late, spoil, type WayToFail } from "./ways-to-fail.js";

const methods = ["load", "save"] as const;
/** Without the way that only a constructor sees. */
const ways = everyWay.filter(({ name }) => name !== "is missing");
const never = ways.find(({ name }) => name === "never settles") as WayToFail;

expectNothingUnhandled();
withQuietTimers();

/** An organization whose hosts all have one memory. */
async function remembered() {
  const parts = await organization();
  const lastConfirmed = parts.lastConfirmed;
  return {
    ...parts,
    lastConfirmed,
    keyStoreIn: (state: string) => (state === "warm" ? parts.warm : parts.keyStoreWith()),
  };
}

describe.each(methods)("a memory of the last confirmed key whose %s()", (method) => {
  it.each(ways)("$name costs no recording and no change of key while KMS answers", async (way) => {
    for (const state of states) {
      const { keyStoreIn, lastConfirmed, clock, body } = await remembered();
      const mend = spoil(lastConfirmed, method, way);
      const keyStore = keyStoreIn(state);
      expect(await resultOf(() => keyStore.encryptRecording(audio, recording))).toMatchObject({
        confirmation: "confirmed",
      });
      expect(audio.equals((await resultOf(() => keyStore.decryptRecording(body, recording))).body)).toBe(true);
      await resultOf(() => keyStore.rotate());
      await resultOf(() => keyStore.configure(configuration));
      expect(await resultOf(() => keyStore.confirm())).toMatchObject({ confirmation: "confirmed" });
      mend();
      await expectHealed(keyStore, clock);
      await vi.advanceTimersByTimeAsync(late);
    }
  });

  it.each(ways)(
    "$name costs no recording of a process that knows its key while KMS and store are away",
    async (way) => {
      const { keyStoreIn, lastConfirmed, inMemoryKms, store, clock } = await remembered();
      const keyStore = keyStoreIn("warm");
      spoil(lastConfirmed, method, way);
      inMemoryKms.faults.outage();
      spoil(store, "readHead", never);
      for (const pause of [2 * minute, 24 * 60 * minute]) {
        clock.advance(pause);
        expect(await resultOf(() => keyStore.encryptRecording(audio, recording))).toMatchObject({
          confirmation: "confirmed",
        });
        await settle();
      }
      await vi.advanceTimersByTimeAsync(late);
    },
  );
});

describe("a memory of the last confirmed key", () => {
  it("that hangs is asked once for all recordings that wait, and by nobody who has his key", async () => {
    const { keyStoreWith, lastConfirmed, clock } = await organization();
    const load = vi.fn(() => new Promise<Uint8Array | undefined>(() => undefined));
    lastConfirmed.load = load;
    const keyStore = keyStoreWith();
    await resultOf(() => Promise.all(Array.from({ length: 10 }, () => keyStore.encryptRecording(audio, recording))));
    const asked = load.mock.calls.length;
    expect(asked).toBeLessThanOrEqual(2);
    for (let hour = 0; hour < 5; hour += 1) {
      clock.advance(60 * minute);
      await resultOf(() => keyStore.encryptRecording(audio, recording));
      await settle();
    }
    expect(load).toHaveBeenCalledTimes(asked);
  });

  it("that saves an earlier pair late has the later one in the end", async () => {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const { warm } = await organization({ lastConfirmed });
    const save = lastConfirmed.save.bind(lastConfirmed);
    let writeLate: () => Promise<void> = async () => undefined;
    lastConfirmed.save = (organizationId, document) =>
      new Promise((resolve) => {
        const copy = Uint8Array.from(document);
        writeLate = () => save(organizationId, copy).then(resolve);
      });
    await resultOf(() => warm.rotate());
    const hung = writeLate;
    lastConfirmed.save = save;
    await resultOf(() => warm.rotate());
    const saved = await lastConfirmed.load("org-1");
    await hung();
    await settle();
    expect(saved).toBeDefined();
    expect(await lastConfirmed.load("org-1")).toEqual(saved);
  });

  it.each([
    ["nothing that saves", () => ({ load: async () => undefined })],
    ["a promise", async () => new MemoryLastConfirmedStore()],
    ["a rejected promise", () => Promise.reject(new Error("no disk"))],
    ["null", () => null],
  ])("of which a store's hostLastConfirmed() gives %s is refused at once", async (_name, hostLastConfirmed) => {
    const { store, keyStoreWith } = await organization();
    Object.assign(store, { hostLastConfirmed });
    expect(() => keyStoreWith({ lastConfirmed: undefined as never })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_INPUT", field: "store" }),
    );
  });
});
