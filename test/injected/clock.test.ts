import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Clock, RecordingKeyStore } from "../../src/index.js";
import { TestClock } from "../../src/testing/index.js";
import { textOfThrown } from "../../src/util/safe-cause.js";
import { atLength, everyOf } from "../support/effort.js";
import { oddAnswers, oddErrors } from "./odd-values.js";
import {
  audio,
  configuration,
  expectTyped,
  minute,
  organization,
  recording,
  resultOf,
  states,
} from "./organization.js";

/** How a clock may fail. */
interface WayOfClocks {
  readonly name: string;
  /** What it gives in the place of a reading. */
  readonly give: (right: number) => unknown;
  /** Whether it gives a number that cannot be told from a right one. */
  readonly plausible?: boolean;
}

const day = 24 * 60 * minute;
let readings = 0;

const useless: readonly WayOfClocks[] = [
  ...oddErrors.map(({ name, make }) => ({
    name: `throws ${name}`,
    give: () => {
      throw make();
    },
  })),
  ...oddAnswers.map(({ name, make }) => ({ name: `gives ${name}`, give: make })),
  ...[NaN, Infinity, -Infinity, 1e300, -1e300].map((value) => ({ name: `gives ${value}`, give: () => value })),
  { name: "gives a Date", give: (right) => new Date(right) },
  { name: "gives a bigint", give: (right) => BigInt(Math.trunc(right)) },
  { name: "rejects", give: () => Promise.reject(new Error("no time")) },
];
const plausible: readonly WayOfClocks[] = [
  { name: "gives fractions", give: (right) => right + 0.4 },
  { name: "goes back at every reading", give: (right) => right - (readings += 1_000) },
  { name: "jumps to and fro", give: (right) => right + ((readings += 1) % 2) * 40 * day },
  { name: "jumps to the year 9999", give: (right) => right + ((readings += 1) % 2) * Date.UTC(7_900, 0) },
];

/** A clock that is right until it is spoilt. */
class SpoiltClock implements Clock {
  readonly right = new TestClock();
  way: WayOfClocks | undefined;

  now(): number {
    return (this.way ? this.way.give(this.right.now()) : this.right.now()) as number;
  }

  monotonic(): number {
    return (this.way ? this.way.give(this.right.monotonic()) : this.right.monotonic()) as number;
  }
}

async function spoilable() {
  const clock = new SpoiltClock();
  return { ...(await organization({ clock })), clock };
}

const warned = vi.fn();

beforeEach(() => {
  readings = 0;
  warned.mockReset();
  vi.spyOn(process, "emitWarning").mockImplementation((warning) => void warned(textOfThrown(warning)));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Everything that can be called, all of which reads the time. */
async function expectAllWorks(keyStore: RecordingKeyStore): Promise<void> {
  const { body } = await resultOf(() => keyStore.encryptRecording(audio, recording));
  expect(audio.equals((await resultOf(() => keyStore.decryptRecording(body, recording))).body)).toBe(true);
  expect(await resultOf(() => keyStore.test(configuration))).toMatchObject({ ok: true });
  await resultOf(() => keyStore.rotate());
  await resultOf(() => keyStore.rotateIfDue());
  await resultOf(() => keyStore.configure(configuration));
  await resultOf(() => keyStore.rewrapKeyPairs());
  await resultOf(() => keyStore.confirm());
  expect((await resultOf(() => keyStore.keyPairs())).items.length).toBeGreaterThanOrEqual(3);
  const status = await resultOf(() => keyStore.status());
  expect(status).toMatchObject({ configuration: { kmsKeyAliasArn: configuration.kmsKeyAliasArn } });
  expect(JSON.stringify(status)).toContain(configuration.kmsKeyAliasArn); // which throws for a date that there is not
}

describe.each(atLength(useless, everyOf(3, useless)))("a clock that $name", (way) => {
  it("stops nothing, in no state of a process", async () => {
    for (const state of states) {
      const { clock, keyStoreIn } = await spoilable();
      clock.way = way;
      await expectAllWorks(keyStoreIn(state));
    }
  });

  it("stops no recording while KMS is away", async () => {
    const { clock, keyStoreIn, inMemoryKms } = await spoilable();
    for (const state of ["warm", "restarted"] as const) {
      clock.way = way;
      inMemoryKms.faults.outage();
      await vi.advanceTimersByTimeAsync(day);
      expect(await resultOf(() => keyStoreIn(state).encryptRecording(audio, recording))).toMatchObject({
        confirmation: "confirmed",
      });
    }
  });

  it("is told of once, by name", async () => {
    const { clock, warm } = await spoilable();
    clock.way = way;
    for (let call = 0; call < 3; call += 1) await resultOf(() => warm.encryptRecording(audio, recording));
    const texts = warned.mock.calls.flat().filter((text) => String(text).includes("clock"));
    expect(texts.sort()).toEqual([
      expect.stringMatching(/^recording-keystore: the injected clock's monotonic\(\) (gave|threw)/),
      expect.stringMatching(/^recording-keystore: the injected clock's now\(\) (gave|threw)/),
    ]);
  });

  it("keeps no private key for longer than its time", async () => {
    const { clock, warm, body, inMemoryKms } = await spoilable();
    const decrypts = () => inMemoryKms.journal.calls({ operation: "Decrypt" }).length;
    await resultOf(() => warm.decryptRecording(body, recording));
    const before = decrypts();
    clock.way = way;
    await vi.advanceTimersByTimeAsync(0.5 * minute);
    await resultOf(() => warm.decryptRecording(body, recording));
    expect(decrypts()).toBe(before);
    await vi.advanceTimersByTimeAsync(0.51 * minute);
    await resultOf(() => warm.decryptRecording(body, recording));
    expect(decrypts()).toBe(before + 1);
  });
});

describe.each(plausible)("a clock that $name", (way) => {
  it.each(states)("stops no recording in a process that is %s, and breaks nothing", async (state) => {
    const { clock, keyStoreIn } = await spoilable();
    clock.way = way;
    const keyStore = keyStoreIn(state);
    for (let call = 0; call < 5; call += 1)
      expect(await resultOf(() => keyStore.encryptRecording(audio, recording))).toMatchObject({
        confirmation: "confirmed",
      });
    for (const call of [
      () => keyStore.test(configuration),
      () => keyStore.rotate(),
      () => keyStore.rotateIfDue(),
      () => keyStore.configure(configuration),
      () => keyStore.confirm(),
      () => keyStore.keyPairs(),
      () => keyStore.status(),
    ])
      await expectTyped<unknown>(call);
    clock.way = undefined;
    clock.right.advance(61 * minute);
    await expectAllWorks(keyStore);
  });
});

it("a clock that gives fractions counts as one without them", async () => {
  const { clock, warm } = await spoilable();
  clock.way = plausible[0];
  const { createdAt } = await resultOf(() => warm.rotate());
  expect(createdAt).toEqual(new Date(clock.right.now()));
});
