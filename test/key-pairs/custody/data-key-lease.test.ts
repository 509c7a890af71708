import { afterEach, describe, expect, it, vi } from "vitest";
import type { UnwrappingKey } from "../../../src/format/data-key-wrapping.js";
import { LeasedDataKey } from "../../../src/key-pairs/custody/data-key-lease.js";
import { PrivateKeyCustody } from "../../../src/key-pairs/custody/private-key-custody.js";
import { TestClock } from "../../../src/in-memory-kms/test-clock.js";
import { momentOf } from "../../../src/clock.js";

const key: UnwrappingKey = { publicKey: Buffer.alloc(32), unwrap: () => Buffer.alloc(32) };
const duration = 60_000;
afterEach(() => void vi.restoreAllMocks());

async function leased() {
  const clock = new TestClock();
  const custody = new PrivateKeyCustody(clock);
  const handedOut: Buffer[] = [];
  const open = vi.fn(async (_signal?: AbortSignal) => ({ key, since: momentOf(clock) }));
  const unwrap = vi.fn(() => {
    const dataKey = Buffer.alloc(32, handedOut.length + 1);
    handedOut.push(dataKey);
    return dataKey;
  });
  const { signal } = new AbortController();
  const lease = await LeasedDataKey.start({ custody, organizationId: "org-1", duration, open, unwrap }, signal);
  const ended = vi.fn();
  lease.onEnd(ended);
  return { clock, custody, handedOut, open, unwrap, lease, ended, signal };
}

const wiped = Buffer.alloc(32);

describe("a leased data key", () => {
  it("says whose it is, for how long, and since when", async () => {
    const { lease, clock, open, signal } = await leased();
    expect([lease.organizationId, lease.duration, lease.since, open.mock.calls]).toEqual([
      "org-1",
      duration,
      momentOf(clock),
      [[signal]],
    ]);
  });

  it("is handed over once as it is, and opened anew for each renewal, which counts from then", async () => {
    const { lease, clock, open, handedOut, custody } = await leased();
    const start = vi.spyOn(custody, "start");
    expect(await lease.dataKey()).toBe(handedOut[0]);
    clock.advance(duration);
    expect([lease.valid(), open.mock.calls.length]).toEqual([false, 1]);
    const { signal } = new AbortController();
    expect(await lease.dataKey(signal)).toBe(handedOut[1]);
    expect([lease.valid(), lease.since, open.mock.lastCall, start.mock.calls]).toEqual([
      true,
      momentOf(clock),
      [signal],
      [[lease]],
    ]);
    expect(handedOut[0]).not.toEqual(wiped); // is the caller's now
  });

  it("that nobody has taken is wiped when the lease ends, and when it is released", async () => {
    const over = await leased();
    over.lease.end(false);
    expect([over.handedOut[0], over.ended.mock.calls]).toEqual([wiped, [[undefined]]]);
    expect(await over.lease.dataKey()).toBe(over.handedOut[1]);
    const back = await leased();
    back.lease.release();
    expect([back.handedOut[0], back.ended.mock.calls]).toEqual([wiped, []]);
  });

  it("that was forgotten gives no key any more, whatever comes after, and says why", async () => {
    const { lease, custody, ended, open, handedOut } = await leased();
    custody.forget("org-1");
    const forgotten = {
      code: "ERR_KEYS_FORGOTTEN",
      retryable: true,
      message: "private keys were forgotten while the recording was open",
    };
    expect(ended.mock.calls).toEqual([[expect.objectContaining(forgotten)]]);
    lease.end(false);
    expect([lease.valid(), handedOut[0]]).toEqual([false, wiped]);
    await expect(lease.dataKey()).rejects.toMatchObject(forgotten);
    expect(open).toHaveBeenCalledTimes(1);
  });

  it("is not handed over when it was forgotten during a renewal", async () => {
    const { lease, custody, open, unwrap, clock } = await leased();
    await lease.dataKey();
    open.mockImplementationOnce(async () => {
      custody.forget("org-1");
      return { key, since: momentOf(clock) };
    });
    await expect(lease.dataKey()).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    expect(unwrap).toHaveBeenCalledTimes(1);
  });

  it("that was released is watched no more, even if a renewal from before ends later", async () => {
    const { lease, custody, ended } = await leased();
    await lease.dataKey();
    const start = vi.spyOn(custody, "start");
    const next = lease.dataKey();
    lease.release();
    await next;
    custody.forget("org-1");
    expect([start.mock.calls, ended.mock.calls]).toEqual([[], []]);
  });

  it("may end before anybody listens", async () => {
    const clock = new TestClock();
    const custody = new PrivateKeyCustody(clock);
    const lease = await LeasedDataKey.start({
      custody,
      organizationId: "org-1",
      duration,
      open: async () => ({ key, since: momentOf(clock) }),
      unwrap: () => Buffer.alloc(32, 1),
    });
    custody.forget("org-1");
    expect(lease.valid()).toBe(false);
  });
});
