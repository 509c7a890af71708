import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { storeMethods } from "../support/store-methods.js";
import { audio, minute, organization, recording, resultOf, settle, states, turns } from "./organization.js";
import { expectNothingUnhandled } from "./unhandled.js";
import { everyWay, spoil } from "./ways-to-fail.js";

const never = everyWay.find(({ name }) => name === "never settles")!;

expectNothingUnhandled();
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** An organization whose store answers nothing. */
async function hanging(background = true) {
  const parts = await organization({ background });
  for (const method of [...storeMethods, "headChanges"] as const) spoil(parts.store, method, never);
  parts.clock.advance(16 * minute);
  return parts;
}

describe("a caller who leaves while the store hangs", () => {
  const calls = ["status", "keyPairs", "confirm", "rewrapKeyPairs", "removeOrphanedKeyPairs", "rotateIfDue"] as const;

  describe.each(states)("in a process that is %s", (state) => {
    it.each(calls)("hears of it at once: %s()", async (call) => {
      const { keyStoreIn } = await hanging(false);
      const [leaving, left] = [new AbortController(), new Error("left")];
      const ended = vi.fn();
      keyStoreIn(state)[call]({ signal: leaving.signal }).then(ended, ended);
      await turns();
      expect(ended).not.toHaveBeenCalled();
      leaving.abort(left);
      await turns();
      expect(ended.mock.calls).toEqual([[left]]);
    });
  });
});

describe("close()", () => {
  it("ends within a second of its signal, whatever hears of none", async () => {
    const { keyStoreIn, store } = await organization();
    const keyStore = keyStoreIn("warm");
    spoil(store, "swapHead", never);
    const rotating = keyStore.rotate().catch(() => undefined);
    await turns();
    const closing = vi.fn();
    keyStore.close({ signal: AbortSignal.abort() }).then(closing, closing);
    await vi.advanceTimersByTimeAsync(1_000);
    await turns();
    expect(closing.mock.calls).toEqual([[undefined]]);
    await settle();
    await rotating;
  });
});

describe("recordings of an idle process whose store hangs", () => {
  it("wait once for all, and are flagged when the store counts as away", async () => {
    const { keyStoreIn } = await hanging();
    const keyStore = keyStoreIn("warm");
    const first = vi.fn();
    void keyStore.encryptRecording(audio, recording).then(first);
    await turns();
    expect(first).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(500);
    await turns();
    expect(first).toHaveBeenCalledOnce();
    const second = vi.fn();
    void keyStore.encryptRecording(audio, recording).then(second);
    await turns();
    expect(second).toHaveBeenCalledOnce();
    await settle();
    const after = await resultOf(() => keyStore.encryptRecording(audio, recording));
    expect(after).toMatchObject({ usedLastKnownKey: true, confirmation: "confirmed" });
  });
});
