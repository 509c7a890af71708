import { afterEach, describe, expect, it, vi } from "vitest";
import { HeldKeyPair } from "../../../src/key-pairs/active/held-key-pair.js";
import type { VouchedKeyPair } from "../../../src/key-pairs/trust.js";
import { invented } from "../inventions.js";
import { failure } from "../verdicts.js";
import { fleetSecret, minute, organizationId, second, world, type WorkerOptions } from "../world.js";

afterEach(() => void vi.restoreAllMocks());

/** A process that holds nothing, and vouched pairs of the history: 1, 2 and 3. */
function holding(options: WorkerOptions = {}) {
  const parts = world();
  const worker = parts.worker(options);
  const [first, pair, next] = [1, 2, 3].map((sequence) => worker.trust.vouchByHost(invented({ birth: { sequence } })));
  const held = new HeldKeyPair(worker.context);
  const vouched = { pair: pair!, confirmedAt: parts.clock.now() };
  parts.clock.advance(minute);
  return { ...parts, ...worker, held, vouched, first: first!, pair: pair!, next: next! };
}

const headOf = ({ birth, digest }: VouchedKeyPair) => ({ ...birth, digest, revision: "1" });
const tolerated = ({ trust }: ReturnType<typeof holding>) =>
  trust.tolerate(invented(), { status: "no-verdict", error: failure("unreachable") })!;

describe("a process that holds no pair", () => {
  it("has nothing to go behind, and KMS is to be asked", () => {
    const { held, pair } = holding();
    expect({ current: held.current, vouched: held.vouched, floor: held.hasFloor, due: held.isConfirmDue() }).toEqual({
      current: undefined,
      vouched: undefined,
      floor: false,
      due: true,
    });
    expect(() => held.checkFloor(headOf(pair))).not.toThrow();
    expect(held.isBehind(1)).toBe(false);
    held.dropUnconfirmed();
    held.disowned();
    expect(held.current).toBeUndefined();
  });
});

describe("holding a pair", () => {
  it("on KMS's word counts from now, says so, is saved, and ends the trouble with KMS", async () => {
    const { held, vouched, pair, clock, events, health, lastConfirmed } = holding();
    health.failed("confirm", failure("throttled"));
    events.splice(0);
    await held.hold({ ...vouched, vouchedBy: "kms" });
    const { keyPairId, sequence } = pair.birth;
    expect(held.current).toEqual({ ...vouched, vouchedBy: "kms", confirmation: "confirmed" });
    expect(held.vouched).toBe(held.current);
    expect(held.askedAt).toEqual({ wall: clock.now(), monotonic: clock.monotonic() });
    expect(events).toEqual([
      ["keyPairChanged", { keyPairId, sequence }],
      ["lastKnownKeyEnded", { since: clock.now() }],
      ["keyPairConfirmed", { keyPairId, sequence }],
    ]);
    const document = JSON.parse(Buffer.from((await lastConfirmed.load(organizationId))!).toString()) as object;
    expect(document).toMatchObject({ confirmedAt: vouched.confirmedAt });
  });

  it.each(["host", "fleet"] as const)(
    "on the word of %s counts from when KMS was asked, and ends no trouble",
    async (by) => {
      const { held, vouched, clock, health } = holding();
      health.failed("confirm", failure("throttled"));
      await held.hold({ ...vouched, vouchedBy: by });
      expect(held.askedAt).toEqual({ wall: vouched.confirmedAt, monotonic: clock.monotonic() - minute });
      expect(health.trouble?.task).toBe("confirm");
    },
  );

  it("on a word from the future counts from now on the clock that does not jump", async () => {
    const { held, pair, clock } = holding();
    await held.hold({ pair, vouchedBy: "fleet", confirmedAt: clock.now() + minute });
    expect(held.askedAt).toEqual({ wall: clock.now() + minute, monotonic: clock.monotonic() });
  });

  it("again tells that it was confirmed, and holding another that the key has changed", async () => {
    const { held, vouched, next, told } = holding();
    await held.hold({ ...vouched, vouchedBy: "fleet" });
    told();
    await held.hold({ ...vouched, vouchedBy: "kms" });
    expect(told()).toEqual(["keyPairConfirmed"]);
    await held.hold({ ...vouched, pair: next, vouchedBy: "kms" });
    expect(told()).toEqual(["keyPairChanged", "keyPairConfirmed"]);
  });

  it("waits until the host has it on record", async () => {
    const { held, vouched, lastConfirmedPair } = holding();
    let saved = false;
    const save = vi.spyOn(lastConfirmedPair, "save").mockImplementation(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      saved = true;
    });
    await held.hold({ ...vouched, vouchedBy: "kms" });
    expect({ saved, calls: save.mock.calls }).toEqual({
      saved: true,
      calls: [[vouched.pair, vouched.confirmedAt]],
    });
  });

  it("provisionally leaves no trace: an earlier head may follow, and nothing is saved", async () => {
    const { held, vouched, first, told, lastConfirmedPair } = holding();
    const save = vi.spyOn(lastConfirmedPair, "save");
    held.holdProvisionally({ ...vouched, vouchedBy: "kms" });
    expect(held.vouched).toMatchObject({ pair: vouched.pair, vouchedBy: "kms" });
    expect({ floor: held.hasFloor, told: told() }).toEqual({
      floor: false,
      told: ["keyPairChanged", "keyPairConfirmed"],
    });
    expect(() => held.checkFloor(headOf(first))).not.toThrow();
    expect(save).not.toHaveBeenCalled();
  });
});

describe("a pair that nobody has vouched for", () => {
  it("is held without a floor, and dropped", () => {
    const parts = holding();
    const { held } = parts;
    const pair = tolerated(parts);
    held.holdUnconfirmed(pair);
    expect(held.current).toEqual({ pair, confirmation: "unconfirmed" });
    expect({ vouched: held.vouched, floor: held.hasFloor }).toEqual({ vouched: undefined, floor: false });
    held.dropUnconfirmed();
    expect(held.current).toBeUndefined();
  });

  it("is not what is dropped where somebody has vouched", async () => {
    const { held, vouched } = holding();
    await held.hold({ ...vouched, vouchedBy: "host" });
    held.dropUnconfirmed();
    expect(held.vouched?.pair).toBe(vouched.pair);
  });
});

describe("a pair that KMS disowns", () => {
  it.each([
    ["kms", true],
    ["host", false],
    ["fleet", false],
  ] as const)("on the word of %s serves on: %s", async (vouchedBy, stays) => {
    const { held, vouched } = holding();
    await held.hold({ ...vouched, vouchedBy });
    held.disowned();
    expect({ held: held.current !== undefined, floor: held.hasFloor }).toEqual({ held: stays, floor: stays });
  });

  it("on nobody's word ends", () => {
    const parts = holding();
    parts.held.holdUnconfirmed(tolerated(parts));
    parts.held.disowned();
    expect(parts.held.current).toBeUndefined();
  });
});

describe("what was seen before", () => {
  it("bars a head behind it, or of another pair in its place, and no later one", async () => {
    const { held, vouched, first, pair, next } = holding();
    await held.hold({ ...vouched, vouchedBy: "kms" });
    const message = (sequence: number) =>
      `the store's head is at key pair ${sequence}, and this host has seen 2; ` +
      "if the store was restored on purpose, call acceptRestoredStore()";
    const rolledBack = (sequence: number) =>
      expect.objectContaining({ code: "ERR_STORE_ROLLED_BACK", message: message(sequence) }) as unknown as Error;
    expect(() => held.checkFloor(headOf(first))).toThrow(rolledBack(1));
    expect(() => held.checkFloor({ ...headOf(pair), digest: first.digest })).toThrow(rolledBack(2));
    expect(() => held.checkFloor({ ...headOf(pair), sequence: 1 })).toThrow(rolledBack(1));
    for (const seen of [pair, next]) expect(() => held.checkFloor(headOf(seen))).not.toThrow();
    expect([1, 2, 3].map((sequence) => held.isBehind(sequence))).toEqual([true, false, false]);
    held.forgetFloor();
    expect(() => held.checkFloor(headOf(first))).not.toThrow();
    expect(held.isBehind(1)).toBe(false);
  });

  it("makes nobody wait for this host's record who holds a vouched pair", async () => {
    const { held, vouched, lastConfirmedPair } = holding();
    const load = vi.spyOn(lastConfirmedPair, "load");
    await held.hold({ ...vouched, vouchedBy: "kms" });
    await held.loadLastConfirmed();
    expect(load).not.toHaveBeenCalled();
  });

  it("stays when a pair without anybody's word takes its place", async () => {
    const parts = holding();
    await parts.held.hold({ ...parts.vouched, vouchedBy: "kms" });
    parts.held.holdUnconfirmed(tolerated(parts));
    expect(parts.held.isBehind(1)).toBe(true);
  });
});

describe("KMS is to be asked", () => {
  const dueAfter = ({ held, clock }: ReturnType<typeof holding>, ms: number, share?: number) => {
    clock.advance(ms - 1);
    const before = held.isConfirmDue(share);
    clock.advance(1);
    return { before, then: held.isConfirmDue(share) };
  };

  it("after confirmEvery, or a share of it", async () => {
    const parts = holding();
    await parts.held.hold({ ...parts.vouched, vouchedBy: "kms" });
    expect(parts.held.confirmInterval).toBe(15 * minute);
    expect(dueAfter(parts, 7.5 * minute, 0.5)).toEqual({ before: false, then: true });
    expect(dueAfter(parts, 7.5 * minute)).toEqual({ before: false, then: true });
  });

  it("after 30 seconds in trouble, or about a pair that nobody has vouched for", async () => {
    const parts = holding();
    await parts.held.hold({ ...parts.vouched, vouchedBy: "kms" });
    parts.health.failed("read-store", failure("throttled"));
    expect(parts.held.confirmInterval).toBe(30 * second);
    expect(dueAfter(parts, 30 * second)).toEqual({ before: false, then: true });
    const others = holding();
    others.held.holdUnconfirmed(tolerated(others));
    expect(others.held.confirmInterval).toBe(30 * second);
  });

  it("in trouble not less often than otherwise", async () => {
    const { held, vouched, health } = holding({ times: { confirmEvery: 10 * second } });
    await held.hold({ ...vouched, vouchedBy: "kms" });
    health.failed("confirm", failure("throttled"));
    expect(held.confirmInterval).toBe(10 * second);
  });
});

describe("the last confirmed pair of this host", () => {
  async function confirmedBefore(options: WorkerOptions = {}) {
    const parts = holding(options);
    const { lastConfirmedPair, vouched } = parts;
    const load = vi.spyOn(lastConfirmedPair, "load").mockResolvedValue(vouched);
    return { ...parts, load };
  }

  it("is held from then on, with its floor, and nothing new is told", async () => {
    const { held, vouched, told } = await confirmedBefore();
    await held.loadLastConfirmed();
    expect(held.current).toEqual({ ...vouched, confirmation: "confirmed", vouchedBy: "host" });
    expect({ askedAt: held.askedAt, told: told(), behind: held.isBehind(1) }).toEqual({
      askedAt: undefined,
      told: [],
      behind: true,
    });
    expect(() => held.checkFloor(headOf(vouched.pair))).not.toThrow();
  });

  it("counts from when this very process asked, if it was this process", async () => {
    const { held, lastConfirmedPair } = await confirmedBefore();
    const at = { wall: 5, monotonic: 5 };
    vi.spyOn(lastConfirmedPair, "confirmedAt", "get").mockReturnValue(at);
    await held.loadLastConfirmed();
    expect(held.askedAt).toBe(at);
    const later = await confirmedBefore();
    later.held.asked();
    const { askedAt } = later.held;
    vi.spyOn(later.lastConfirmedPair, "confirmedAt", "get").mockReturnValue(at);
    await later.held.loadLastConfirmed();
    expect(askedAt).toBeDefined();
    expect(later.held.askedAt).toBe(askedAt);
  });

  it("changes nothing where there is none, or a vouched pair is held", async () => {
    const { held, load, vouched, next } = await confirmedBefore();
    load.mockResolvedValueOnce(undefined);
    await held.loadLastConfirmed();
    expect(held.current).toBeUndefined();
    await held.hold({ ...vouched, pair: next, vouchedBy: "kms" });
    await held.loadLastConfirmed();
    expect(held.current?.pair).toBe(next);
  });

  it("goes before a pair that nobody has vouched for", async () => {
    const parts = await confirmedBefore();
    parts.held.holdUnconfirmed(tolerated(parts));
    await parts.held.loadLastConfirmed();
    expect(parts.held.vouched).toMatchObject({ pair: parts.pair, vouchedBy: "host" });
  });
});

it("a fleet's secret alone makes no pair held", async () => {
  const { held } = holding({ fleetSecret: fleetSecret() });
  await held.followFleet();
  expect(held.current).toBeUndefined();
});
