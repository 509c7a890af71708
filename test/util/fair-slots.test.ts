import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { FairSlots } from "../../src/util/fair-slots.js";

const never = new AbortController().signal;

describe("slots shared fairly", () => {
  it("go to whoever has the fewest, and the last quarter to who has none", async () => {
    const slots = new FairSlots(8);
    const [one, other] = [{}, {}];
    const order: string[] = [];
    for (let call = 0; call < 9; call += 1) void slots.take(one, never).then(() => order.push("one"));
    void slots.take(other, never).then(() => order.push("other"));
    void slots.take(other, never).then(() => order.push("other again"));
    await turn();
    expect(order).toEqual([...Array<string>(6).fill("one"), "other"]);
    expect({ taken: slots.taken, waiting: slots.waiting }).toEqual({ taken: 7, waiting: 4 });
    slots.release(one);
    slots.release(one);
    await turn();
    expect(order.slice(7)).toEqual(["other again"]);
  });

  it("are not handed to who has left the queue, and all come back", async () => {
    const slots = new FairSlots(1);
    const [one, other] = [{}, {}];
    expect([slots.tryTake(one), slots.tryTake(other)]).toEqual([true, false]);
    await expect(slots.take(other, AbortSignal.abort(new Error("left before")))).rejects.toThrow("left before");
    const leaving = new AbortController();
    const left = slots.take(other, leaving.signal);
    leaving.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    const waiting = slots.take(other, never);
    slots.release(one);
    await waiting;
    slots.release(other);
    expect({ taken: slots.taken, waiting: slots.waiting }).toEqual({ taken: 0, waiting: 0 });
  });
});
