import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { systemClock, momentOf } from "../../../src/clock.js";
import type { UnwrappingKey } from "../../../src/format/data-key-wrapping.js";
import { LeasedDataKey } from "../../../src/key-pairs/custody/data-key-lease.js";
import { PrivateKeyCustody } from "../../../src/key-pairs/custody/private-key-custody.js";
import { TestClock } from "../../../src/in-memory-kms/test-clock.js";

const key: UnwrappingKey = { publicKey: Buffer.alloc(32), unwrap: () => Buffer.alloc(32) };

function leasing(duration: number, clock = systemClock) {
  const custody = new PrivateKeyCustody(clock);
  const handedOut: Buffer[] = [];
  const open = vi.fn(async () => ({ key, since: momentOf(clock) }));
  const unwrap = () => {
    const dataKey = randomBytes(32);
    handedOut.push(dataKey);
    return dataKey;
  };
  return {
    custody,
    handedOut,
    open,
    start: () => LeasedDataKey.start({ custody, organizationId: "org-1", duration, open, unwrap }),
  };
}

describe("a leased data key", () => {
  it("is ended in time while nobody asks, and renewed for the next one who does", async () => {
    const { start, handedOut, open } = leasing(60);
    const lease = await start();
    const ended = vi.fn();
    lease.onEnd(ended);
    expect(lease.valid()).toBe(true);
    await sleep(250);
    expect(ended.mock.calls).toEqual([[undefined]]);
    expect(handedOut[0]!.every((byte) => byte === 0)).toBe(true); // nobody had taken it
    expect(lease.valid()).toBe(false);
    expect((await lease.dataKey()).equals(handedOut[1]!)).toBe(true);
    expect([lease.valid(), open.mock.calls.length]).toEqual([true, 2]);
    await sleep(250);
    expect(ended).toHaveBeenCalledTimes(2);
  });

  it("is ended soon although a longer lease was started before it", async () => {
    const { start, custody } = leasing(60);
    const end = vi.fn();
    custody.start({ organizationId: "org-2", since: momentOf(systemClock), duration: 60_000, end });
    const ended = vi.fn();
    (await start()).onEnd(ended);
    await sleep(250);
    expect([ended.mock.calls.length, end.mock.calls.length]).toEqual([1, 0]);
  });

  it("ends at once when its organization's keys are forgotten, for good, and no other's does", async () => {
    const { start, custody, handedOut } = leasing(60_000);
    const lease = await start();
    const ended = vi.fn();
    lease.onEnd(ended);
    custody.forget("org-2");
    expect(ended).not.toHaveBeenCalled();
    custody.forget("org-1");
    expect(ended.mock.calls[0]![0]).toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    expect(handedOut[0]!.every((byte) => byte === 0)).toBe(true);
    await expect(lease.dataKey()).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN", retryable: true });
  });

  it("is not leased where it was forgotten while the key was fetched", async () => {
    const { start, custody, open } = leasing(60_000);
    open.mockImplementation(async () => {
      custody.forget("org-1");
      return { key, since: momentOf(systemClock) };
    });
    await expect(start()).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
  });

  it("is heard of no more once it was released", async () => {
    const { start, custody } = leasing(60);
    const lease = await start();
    const ended = vi.fn();
    lease.onEnd(ended);
    lease.release();
    custody.forget("org-1");
    await sleep(150);
    expect(ended).not.toHaveBeenCalled();
  });

  it("is leased on either clock, whichever ends first", async () => {
    const clock = new TestClock();
    const { start } = leasing(60_000, clock);
    const lease = await start();
    clock.advance(59_999);
    expect(lease.valid()).toBe(true);
    clock.set(clock.now() + 1); // the wall clock alone
    expect(lease.valid()).toBe(false);
    const other = await start();
    clock.set(clock.now() - 1); // set back: nobody knows any more how long ago it began
    expect(other.valid()).toBe(false);
  });
});
