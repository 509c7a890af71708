import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { linkedSignal } from "../../src/util/abort.js";

describe("linkedSignal", () => {
  const listeners = (...controllers: AbortController[]) =>
    controllers.map(({ signal }) => getEventListeners(signal, "abort").length);

  it("aborts with the first of several signals, with its reason", () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const { signal, unlink } = linkedSignal(one.signal, undefined, other.signal);
    expect([signal.aborted, listeners(one, other)]).toEqual([false, [1, 1]]);
    other.abort("other");
    one.abort("one");
    expect([signal.aborted, signal.reason]).toEqual([true, "other"]);
    unlink();
    expect(listeners(one, other)).toEqual([0, 0]);
  });

  it("is aborted from the start if one of them is", () => {
    const open = new AbortController();
    const { signal } = linkedSignal(open.signal, AbortSignal.abort("before"), AbortSignal.abort("too"));
    expect([signal.aborted, signal.reason]).toEqual([true, "before"]);
  });

  it("leaves no listener, and aborts no more, once it is unlinked", () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const { signal, unlink } = linkedSignal(one.signal, other.signal);
    unlink();
    expect(listeners(one, other)).toEqual([0, 0]);
    one.abort();
    expect(signal.aborted).toBe(false);
  });
});
