import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock, elapsedSince, hasPassed, momentOf } from "../../../src/clock.js";
import type { KmsProvider } from "../../../src/index.js";
import type { UnwrappingKey } from "../../../src/format/data-key-wrapping.js";
import { PrivateKeyCustody, sharedCustody, type Lease } from "../../../src/key-pairs/custody/private-key-custody.js";
import { TestClock } from "../../../src/in-memory-kms/test-clock.js";

const key = (): UnwrappingKey => ({ publicKey: Buffer.alloc(32), unwrap: () => Buffer.alloc(32) });
const ref = (organizationId: string, pair = 1) => ({ organizationId, digest: Buffer.alloc(32, pair) });
const ttl = 60_000;

function custodyOn(clock: TestClock | typeof systemClock, limit?: number) {
  const custody = new PrivateKeyCustody(clock, limit);
  const unwrap = vi.fn(async () => key());
  const open = (
    organizationId = "org-1",
    { pair = 1, timeToLive = ttl, signal }: { pair?: number; timeToLive?: number; signal?: AbortSignal } = {},
  ) => custody.open(ref(organizationId, pair), timeToLive, unwrap, signal);
  return { custody, unwrap, open };
}

/** A call to KMS that a test lets end. */
function pending() {
  let finish!: (key: UnwrappingKey) => void;
  let fail!: (error: Error) => void;
  const answer = new Promise<UnwrappingKey>((resolve, reject) => ((finish = resolve), (fail = reject)));
  return { answer, finish: () => finish(key()), fail };
}

describe("time since a moment", () => {
  it.each([
    ["none", (_: TestClock) => undefined, 0],
    ["on both clocks", (clock: TestClock) => clock.advance(5), 5],
    ["on the wall clock alone, as after sleep", (clock: TestClock) => clock.set(clock.now() + 7), 7],
    [
      "on the monotonic clock, with the wall clock set back a little",
      (clock: TestClock) => (clock.advance(9), clock.set(clock.now() - 3)),
      9,
    ],
    [
      "nobody knows how much, with the wall clock set back behind it",
      (clock: TestClock) => (clock.advance(9), clock.set(clock.now() - 10)),
      Infinity,
    ],
  ])("%s", (_, pass, elapsed) => {
    const clock = new TestClock();
    clock.advance(1_000);
    const moment = momentOf(clock);
    pass(clock);
    expect(elapsedSince(moment, clock)).toBe(elapsed);
    expect([hasPassed(moment, elapsed, clock), hasPassed(moment, elapsed + 1, clock)]).toEqual([
      true,
      elapsed === Infinity,
    ]);
  });
});

describe("an unwrapped private key", () => {
  it("serves until its time is over, counted from the request, and no longer for being used", async () => {
    const clock = new TestClock();
    const { custody, open, unwrap } = custodyOn(clock);
    const since = momentOf(clock);
    unwrap.mockImplementationOnce(async () => (clock.advance(10_000), key()));
    const first = await open();
    expect(first.since).toEqual(since);
    clock.advance(40_000);
    expect((await open()).key).toBe(first.key);
    clock.advance(9_999);
    expect((await open()).key).toBe(first.key);
    expect(custody.size).toBe(1);
    clock.advance(1);
    expect((await open()).key).not.toBe(first.key);
    expect(unwrap).toHaveBeenCalledTimes(2);
  });

  it.each([
    ["kept for long, asked for by somebody who trusts it for a short while", 60_000, 10_000],
    ["kept for a short while, asked for by somebody who would keep it for long", 10_000, 60_000],
  ])("%s", async (_, kept, asked) => {
    const clock = new TestClock();
    const { open, unwrap } = custodyOn(clock);
    await open("org-1", { timeToLive: kept });
    clock.advance(9_999);
    await open("org-1", { timeToLive: asked });
    expect(unwrap).toHaveBeenCalledTimes(1);
    clock.advance(1);
    await open("org-1", { timeToLive: asked });
    expect(unwrap).toHaveBeenCalledTimes(2);
  });

  it("is never kept with a time to live of 0", async () => {
    const { custody, open, unwrap } = custodyOn(new TestClock());
    await open("org-1", { timeToLive: 0 });
    expect(custody.size).toBe(0);
    await open("org-1", { timeToLive: 0 });
    expect(unwrap).toHaveBeenCalledTimes(2);
  });

  it("is not kept when its time was over before KMS had answered", async () => {
    const clock = new TestClock();
    const { custody, open, unwrap } = custodyOn(clock);
    unwrap.mockImplementationOnce(async () => (clock.advance(ttl), key()));
    await open();
    expect(custody.size).toBe(0);
    unwrap.mockImplementationOnce(async () => (clock.advance(ttl - 1), key()));
    await open();
    expect(custody.size).toBe(1);
  });

  it("goes once its time is over, also where KMS gives it to nobody any more", async () => {
    const clock = new TestClock();
    const { custody, unwrap, open } = custodyOn(clock);
    await open();
    clock.advance(ttl);
    unwrap.mockRejectedValueOnce(new Error("denied"));
    await expect(open()).rejects.toThrow("denied");
    expect(custody.size).toBe(0);
  });

  it.each([
    [1_000, ttl],
    [ttl, 1_000],
  ])("is kept for the longest time that those want who wait for one answer: %i and %i ms", async (one, other) => {
    const clock = new TestClock();
    const { unwrap, open } = custodyOn(clock);
    const { answer, finish } = pending();
    unwrap.mockReturnValueOnce(answer);
    const asked = [open("org-1", { timeToLive: one }), open("org-1", { timeToLive: other })];
    finish();
    await Promise.all(asked);
    clock.advance(ttl - 1);
    await open();
    expect(unwrap).toHaveBeenCalledTimes(1);
  });

  it("that is unwrapped anew for who wants a short time is kept no shorter than the one before it was", async () => {
    const clock = new TestClock();
    const { unwrap, open } = custodyOn(clock);
    await open();
    clock.advance(20_000);
    await open("org-1", { timeToLive: 10_000 });
    expect(unwrap).toHaveBeenCalledTimes(2);
    clock.advance(39_999);
    await open();
    expect(unwrap).toHaveBeenCalledTimes(2);
    clock.advance(1);
    await open();
    expect(unwrap).toHaveBeenCalledTimes(3);
  });

  it("is one organization's and one pair's own", async () => {
    const { custody, open, unwrap } = custodyOn(new TestClock());
    const names = [
      ["org-1", 1],
      ["org-1", 2],
      ["org-2", 1],
      ["org", 1],
      ["org-1:", 1],
      ["1:org-1", 1],
    ] as const;
    for (const [organizationId, pair] of names) await open(organizationId, { pair });
    expect([custody.size, unwrap.mock.calls.length]).toEqual([6, 6]);
    custody.drop(ref("org-1", 2));
    expect(custody.size).toBe(5);
    await open("org-1", { pair: 1 });
    expect(unwrap).toHaveBeenCalledTimes(6);
    custody.forget("org-1");
    expect(custody.size).toBe(4);
    for (const [organizationId, pair] of names.slice(2)) await open(organizationId, { pair });
    expect(unwrap).toHaveBeenCalledTimes(6);
  });

  it("is one of so many at most: the one unwrapped first is evicted first", async () => {
    const { custody, open, unwrap } = custodyOn(new TestClock(), 2);
    for (const pair of [1, 2]) await open("org-1", { pair });
    expect(custody.size).toBe(2);
    await open("org-1", { pair: 3 });
    expect(custody.size).toBe(2);
    for (const pair of [2, 3]) await open("org-1", { pair });
    expect(unwrap).toHaveBeenCalledTimes(3);
    await open("org-1", { pair: 1 });
    expect(unwrap).toHaveBeenCalledTimes(4);
  });
});

describe("unwrapping", () => {
  it("is done once for all who ask meanwhile; who leaves leaves the others alone", async () => {
    const { open, unwrap } = custodyOn(new TestClock());
    const kms = pending();
    unwrap.mockImplementationOnce(() => kms.answer);
    const leaving = new AbortController();
    const [first, second] = [open("org-1", { signal: leaving.signal }), open()];
    leaving.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
    kms.finish();
    const { key: shared } = await second;
    expect((await open()).key).toBe(shared);
    expect(unwrap).toHaveBeenCalledTimes(1);
  });

  it("is not begun for somebody who has left already", async () => {
    const { open, unwrap } = custodyOn(new TestClock());
    await expect(open("org-1", { signal: AbortSignal.abort(new Error("left")) })).rejects.toThrow("left");
    expect(unwrap).not.toHaveBeenCalled();
  });

  it("is tried again by the next one after it failed", async () => {
    const { open, unwrap } = custodyOn(new TestClock());
    unwrap.mockRejectedValueOnce(new Error("KMS is away"));
    await expect(Promise.all([open(), open()])).rejects.toThrow("KMS is away");
    await expect(open()).resolves.toBeDefined();
    expect(unwrap).toHaveBeenCalledTimes(2);
  });

  it.each([
    ["its organization's keys", (custody: PrivateKeyCustody) => custody.forget("org-1")],
    ["all keys", (custody: PrivateKeyCustody) => custody.forgetAll()],
  ])("that was under way when %s were forgotten gives and keeps no key, and bars nobody", async (_, forget) => {
    const { custody, open, unwrap } = custodyOn(new TestClock());
    const [before, after] = [pending(), pending()];
    unwrap.mockImplementationOnce(() => before.answer).mockImplementationOnce(() => after.answer);
    const first = open();
    forget(custody);
    const second = open();
    before.finish();
    await expect(first).rejects.toMatchObject({
      code: "ERR_KEYS_FORGOTTEN",
      retryable: true,
      message: "private keys were forgotten while one was being unwrapped",
    });
    expect(custody.size).toBe(0);
    const third = open(); // shares what the second has begun, although the first has ended meanwhile
    after.finish();
    expect(await second).toBe(await third);
    expect([unwrap.mock.calls.length, custody.size]).toEqual([2, 1]);
  });

  it("goes on when another organization's keys are forgotten", async () => {
    const { custody, open, unwrap } = custodyOn(new TestClock());
    const kms = pending();
    unwrap.mockImplementationOnce(() => kms.answer);
    const [first, second] = [open(), open()];
    custody.forget("org-2");
    const third = open();
    kms.finish();
    expect(await first).toBe(await second);
    expect(await first).toBe(await third);
    expect(unwrap).toHaveBeenCalledTimes(1);
  });
});

describe("forgetting", () => {
  it("is counted for each organization and for all, so that who began before knows", () => {
    const { custody } = custodyOn(new TestClock());
    const counts = () => [custody.timesForgotten("org-1"), custody.timesForgotten("org-2")];
    expect(counts()).toEqual([0, 0]);
    custody.forget("org-1");
    custody.forget("org-1");
    expect(counts()).toEqual([2, 0]);
    custody.forgetAll();
    expect(counts()).toEqual([3, 1]);
  });

  it("all drops every key and ends every lease, once", async () => {
    const clock = new TestClock();
    const { custody, open } = custodyOn(clock);
    for (const organizationId of ["org-1", "org-2"]) await open(organizationId);
    const ends = ["org-1", "org-2"].map((organizationId) => {
      const end = vi.fn();
      custody.start({ organizationId, since: momentOf(clock), duration: ttl, end });
      return end;
    });
    custody.forgetAll();
    expect(custody.size).toBe(0);
    custody.forgetAll();
    custody.forget("org-1");
    for (const end of ends) expect(end.mock.calls).toEqual([[true]]);
  });
});

describe("while nobody asks", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    // In this order: what is restored later is the fake that was spied on.
    vi.restoreAllMocks();
    vi.useRealTimers();
  });
  const lease = (duration: number) => ({
    organizationId: "org-1",
    since: momentOf(systemClock),
    duration,
    end: vi.fn<Lease["end"]>(),
  });

  it("each key goes when its time is over, by one timer, which runs only when something is due", async () => {
    const { custody, open } = custodyOn(systemClock);
    const timers = vi.spyOn(globalThis, "setTimeout");
    await open("org-1", { pair: 1 });
    await open("org-1", { pair: 2 });
    await vi.advanceTimersByTimeAsync(20_000);
    await open("org-1", { pair: 3 });
    await vi.advanceTimersByTimeAsync(10_000);
    await open("org-1", { pair: 4 });
    const sizes: number[] = [];
    for (const step of [29_999, 1, 19_999, 1, 9_999, 1]) {
      await vi.advanceTimersByTimeAsync(step);
      sizes.push(custody.size);
    }
    expect(sizes).toEqual([4, 2, 2, 1, 1, 0]);
    expect(timers).toHaveBeenCalledTimes(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("what is due sooner is not kept waiting by what is due later, whichever came first", async () => {
    const { custody } = custodyOn(systemClock);
    const leases = [1_000, 500, 2_000].map(lease);
    for (const each of leases) custody.start(each);
    const ended: number[][] = [];
    for (const step of [499, 1, 499, 1, 999, 1]) {
      await vi.advanceTimersByTimeAsync(step);
      ended.push(leases.map(({ end }) => end.mock.calls.length));
    }
    expect(ended).toEqual([
      [0, 0, 0],
      [0, 1, 0],
      [0, 1, 0],
      [1, 1, 0],
      [1, 1, 0],
      [1, 1, 1],
    ]);
    expect(leases[0]!.end.mock.calls).toEqual([[false]]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("two rounds lie at least 50 ms apart", async () => {
    const { custody } = custodyOn(systemClock);
    const leases = [1_000, 1_010].map(lease);
    for (const each of leases) custody.start(each);
    await vi.advanceTimersByTimeAsync(1_049);
    expect(leases.map(({ end }) => end.mock.calls.length)).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(1);
    expect(leases.map(({ end }) => end.mock.calls.length)).toEqual([1, 1]);
  });

  it("a lease that was released is left alone", async () => {
    const { custody } = custodyOn(systemClock);
    const [kept, back] = [lease(1_000), lease(1_000)];
    custody.start(kept);
    custody.start(back);
    custody.release(back);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([kept.end.mock.calls, back.end.mock.calls]).toEqual([[[false]], []]);
    expect(custody.valid(kept)).toBe(false);
  });
});

it("all key stores on one provider and clock share one custody, and no others do", () => {
  const [one, other] = [{} as KmsProvider, {} as KmsProvider];
  const clock = new TestClock();
  expect(sharedCustody(one, clock)).toBe(sharedCustody(one, clock));
  const custodies = [
    sharedCustody(one, clock),
    sharedCustody(other, clock),
    sharedCustody(one, systemClock),
    sharedCustody(other, systemClock),
  ];
  expect(new Set(custodies).size).toBe(4);
  expect(sharedCustody(one, clock)).toBe(custodies[0]);
});
