import diagnosticsChannel from "node:diagnostics_channel";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { diagnosticsChannelName, type EventName } from "../../src/telemetry.js";
import { audio, minute, organization, recording, resultOf, settle } from "./organization.js";
import { expectNothingUnhandled } from "./unhandled.js";
import { withQuietTimers } from "./quiet-timers.js";
import { everyWay, late, returning, throwing } from "./ways-to-fail.js";

const ways = [...everyWay, ...throwing, ...returning].filter(({ name }) => !/is missing|does its work late/.test(name));
const names = [
  "keyPairChanged",
  "keyPairConfirmed",
  "lastKnownKeyInUse",
  "lastKnownKeyEnded",
  "keyChangeFailed",
] as const;

withQuietTimers();

/** Has every event of `names` emitted, and expects that all goes on. */
async function expectUndisturbed({ warm, clock, inMemoryKms }: Awaited<ReturnType<typeof organization>>) {
  await resultOf(() => warm.rotate());
  inMemoryKms.faults.outage();
  clock.advance(16 * minute);
  await resultOf(() => warm.confirm());
  await expect(resultOf(() => warm.rotate())).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
  expect(await resultOf(() => warm.encryptRecording(audio, recording))).toMatchObject({ usedLastKnownKey: true });
  inMemoryKms.faults.heal();
  clock.advance(16 * minute);
  await resultOf(() => warm.rotate());
  await resultOf(() => warm.confirm());
  expect(await resultOf(() => warm.encryptRecording(audio, recording))).toMatchObject({ usedLastKnownKey: false });
  await settle();
}

describe("a listener", () => {
  expectNothingUnhandled();

  it.each(ways)("that $name disturbs neither the key store nor other listeners", async (way) => {
    const parts = await organization();
    const [before, after] = [vi.fn<(name: EventName) => void>(), vi.fn<(name: EventName) => void>()];
    for (const name of names) {
      parts.warm.on(name, () => before(name));
      parts.warm.on(name, way.inPlaceOf(() => undefined) as () => void);
      parts.warm.on(name, () => after(name));
    }
    await expectUndisturbed(parts);
    expect(new Set(before.mock.calls.flat())).toEqual(new Set(names));
    expect(after.mock.calls).toEqual(before.mock.calls);
    await vi.advanceTimersByTimeAsync(late);
  });

  it("that is a revoked proxy of a function disturbs nothing", async () => {
    const parts = await organization();
    for (const name of names) {
      const { proxy, revoke } = Proxy.revocable(() => undefined, {});
      parts.warm.on(name, proxy);
      revoke();
    }
    await expectUndisturbed(parts);
  });
});

describe("a subscriber of the diagnostics channel", () => {
  const subscribed: ((message: unknown) => void)[] = [];
  const uncaught = vi.fn();
  let others: NodeJS.UncaughtExceptionListener[] = [];

  beforeEach(() => {
    uncaught.mockReset();
    // Node takes what a subscriber throws for an uncaught exception, which ends the test run unless it is caught here.
    others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", uncaught);
  });
  afterEach(() => {
    for (const listener of subscribed.splice(0)) diagnosticsChannel.unsubscribe(diagnosticsChannelName, listener);
    process.removeAllListeners("uncaughtException");
    for (const listener of others) process.on("uncaughtException", listener);
  });

  it("that throws disturbs no recording and no other subscriber, and is told of by Node", async () => {
    const parts = await organization();
    const failure = new Error("a subscriber's own");
    const heard = vi.fn();
    subscribed.push(() => {
      throw failure;
    }, heard);
    for (const listener of subscribed) diagnosticsChannel.subscribe(diagnosticsChannelName, listener);
    await expectUndisturbed(parts);
    expect(heard.mock.calls.length).toBeGreaterThanOrEqual(names.length);
    expect(uncaught.mock.calls.map(([error]) => error as unknown)).toEqual(heard.mock.calls.map(() => failure));
  });
});
