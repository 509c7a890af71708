import { getEventListeners } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { abortable, boundedCall, linkedSignal, whenAborted } from "../../src/util/abort.js";

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

describe("whenAborted", () => {
  it("puts one listener on a signal, however many wait, and none once nobody does", () => {
    const { signal } = new AbortController();
    const leave = Array.from({ length: 50 }, () => whenAborted(signal, () => undefined));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    for (const end of leave) end();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    whenAborted(signal, () => undefined);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
  });

  it("calls each that still waits once, in the order in which they came", () => {
    const controller = new AbortController();
    const calls: string[] = [];
    const same = () => void calls.push("same");
    const leaves: (() => void)[] = [];
    whenAborted(controller.signal, same);
    whenAborted(controller.signal, () => leaves[0]?.());
    leaves.push(whenAborted(controller.signal, () => void calls.push("left under way")));
    whenAborted(controller.signal, () => void calls.push("left before"))();
    whenAborted(controller.signal, same);
    controller.abort();
    controller.abort();
    expect(calls).toEqual(["same", "same"]);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    whenAborted(controller.signal, () => void calls.push("at once"));
    expect(calls).toEqual(["same", "same", "at once"]);
    expect(() => whenAborted(undefined, same)()).not.toThrow();
  });

  it("calls the others when one throws, and reports the error as an EventTarget does", async () => {
    const controller = new AbortController();
    const called = vi.fn();
    const reported = new Promise((resolve) => {
      const others = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException").once("uncaughtException", (error) => {
        for (const other of others) process.on("uncaughtException", other);
        resolve(error);
      });
    });
    whenAborted(controller.signal, () => {
      throw new Error("own fault");
    });
    whenAborted(controller.signal, called);
    controller.abort();
    expect(called).toHaveBeenCalledOnce();
    await expect(reported).resolves.toMatchObject({ message: "own fault" });
  });
});

describe("waits under one signal", () => {
  it("warn of no leak, and leave nothing, however many there are", async () => {
    const warned = vi.fn();
    process.on("warning", warned);
    const { signal } = new AbortController();
    let finish: () => void = () => undefined;
    const work = new Promise<void>((resolve) => (finish = resolve));
    const waits = Array.from({ length: 50 }, () => [
      abortable(work, signal),
      boundedCall(() => work, { deadline: 60_000, signal }),
    ]).flat();
    const links = Array.from({ length: 50 }, () => linkedSignal(signal));
    await new Promise((resolve) => setImmediate(resolve)); // warnings are told in a later turn
    finish();
    await Promise.all(waits);
    for (const { unlink } of links) unlink();
    process.off("warning", warned);
    expect(warned).not.toHaveBeenCalled();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
