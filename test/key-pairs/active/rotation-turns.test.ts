import { afterEach, describe, expect, it, vi } from "vitest";
import { claimDuration } from "../../../src/key-pairs/active/change-claims.js";
import { DueChangeTurn } from "../../../src/key-pairs/active/due-change-turn.js";
import { day, minute, world } from "../world.js";

afterEach(() => void vi.restoreAllMocks());

/** Two workers of an organization whose change is due, and a third that has claimed it. */
async function claimed() {
  const parts = world({ deadline: 30_000 });
  const { pair } = await parts.configured();
  parts.clock.advance(2 * day);
  const [one, other] = [parts.worker(), parts.worker()];
  for (const { active } of [one, other]) await active.acquire(false);
  const turn = new DueChangeTurn(parts.worker().context);
  expect(await turn.take(pair)).toBe(true);
  const sequence = ({ active }: typeof one) => active.vouched?.pair.birth.sequence;
  const inBackground = async ({ rotation }: typeof one) => {
    rotation.startWhenDue();
    await rotation.settled();
  };
  return { ...parts, pair, one, other, turn, sequence, inBackground };
}

describe("a due change that another worker has claimed", () => {
  it("is left to that worker in the background until the claim is over, and made then", async () => {
    const { one, clock, inBackground, sequence } = await claimed();
    await inBackground(one);
    expect([sequence(one), one.rotation.isRunning]).toEqual([1, false]);
    clock.advance(claimDuration - 1);
    one.rotation.startWhenDue();
    expect(one.rotation.isRunning).toBe(false);
    clock.advance(1);
    await inBackground(one);
    expect(sequence(one)).toBe(2);
  });

  it("is seen to be made, without a question to KMS for a pair of one's own", async () => {
    const { one, other, clock, kms, turn, inBackground, sequence } = await claimed();
    await inBackground(one);
    await turn.giveUp();
    await inBackground(other);
    expect(sequence(other)).toBe(2);
    clock.advance(claimDuration);
    kms.journal.clear();
    await inBackground(one);
    expect(sequence(one)).toBe(2);
    expect(kms.journal.count("GenerateDataKeyPairWithoutPlaintext") + kms.journal.count("Encrypt")).toBe(0);
  });
});

describe("a worker that has its turn and fails", () => {
  it.each([
    ["KMS refuses", new Error("denied")],
    ["its caller leaves", new Error("left")],
  ])("gives it to the others at once: %s", async (_, reason) => {
    const { one, other, kms, pair, turn } = await claimed();
    await turn.giveUp();
    const controller = new AbortController();
    const fault = kms.faults.accessDenied({ operation: "Encrypt" });
    if (reason.message === "left") {
      fault.remove();
      vi.spyOn(one.calls, "make").mockImplementation(() => {
        controller.abort(reason);
        return Promise.reject(reason);
      });
    }
    await expect(one.rotation.rotateDue(one.active.vouched!.pair, controller.signal)).rejects.toBeInstanceOf(Error);
    expect(await new DueChangeTurn(other.context).take(pair)).toBe(true);
  });

  it("tells of no failed change where the mistake is this process's own, and pauses all the same", async () => {
    const { one, turn, clock, inBackground, sequence } = await claimed();
    await turn.giveUp();
    const bug = new TypeError("a bug");
    vi.spyOn(one.calls, "make").mockRejectedValueOnce(bug);
    one.told();
    await expect(one.rotation.rotate({})).rejects.toBe(bug);
    expect([one.told(), one.health.trouble]).toEqual([[], undefined]);
    one.rotation.startWhenDue();
    expect(one.rotation.isRunning).toBe(false);
    clock.advance(minute);
    await inBackground(one);
    expect(sequence(one)).toBe(2);
  });
});
