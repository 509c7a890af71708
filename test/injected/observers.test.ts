import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import type { AuditSink } from "../../src/audit/index.js";
import { testStepNames } from "../../src/administration.js";
import type { OperationWatch } from "../../src/telemetry.js";
import { audio, configuration, organization, recording, resultOf, settle, turns } from "./organization.js";
import { oddErrors } from "./odd-values.js";
import { expectNothingUnhandled } from "./unhandled.js";
import { withQuietTimers } from "./quiet-timers.js";
import { everyWay, late, returning, someWays, throwing } from "./ways-to-fail.js";

const ways = [...everyWay, ...returning].filter(({ name }) => !/does its work late/.test(name));

withQuietTimers();

describe("observers", () => {
  expectNothingUnhandled();

  it.each(ways)("one of which, in any of its functions, $name, disturb nothing", async (way) => {
    const { warm } = await organization();
    const spoilt = way.inPlaceOf(() => undefined) as () => undefined;
    const within = spoilt as NonNullable<OperationWatch["within"]>;
    warm.observe({ started: spoilt, privateKeyUsed: spoilt });
    warm.observe({ started: () => ({ ended: spoilt }) });
    warm.observe({ started: () => ({ within, ended: () => undefined }) });
    const heard: string[] = [];
    warm.observe({ started: ({ operation }) => ({ ended: () => void heard.push(operation) }) });
    const { body } = await resultOf(() => warm.encryptRecording(audio, recording));
    await resultOf(() => warm.decryptRecording(body, recording));
    await settle();
    expect(heard).toEqual(["encryptRecording", "unwrapPrivateKey", "decryptRecording"]);
    await vi.advanceTimersByTimeAsync(late);
  });

  it.each([undefined, null, 5, "observer", () => undefined])(
    "of which one is %s are refused at once",
    async (observer) => {
      const { warm } = await organization();
      expect(() => warm.observe(observer as never)).toThrow(/^observer: must be an object/);
    },
  );
});

async function drained(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) expect(chunk).toBeInstanceOf(Uint8Array);
}

/** Errors that say that they are this library's, with anything in the place of their code. */
const codes = {
  "a text of a driver": "host=db password=hunter2",
  "a number": 7,
  "an object": { toString: () => "hunter2" },
};
const strangers = Object.entries(codes).map(([name, code]) => ({
  name: `an error of this library's brand whose code is ${name}`,
  make: () => Object.assign(new Error("odd"), { [Symbol.for("recording-keystore.error")]: true, code }),
}));

describe("onProgress of rewrapKeyPairs()", () => {
  expectNothingUnhandled();

  it.each(someWays.filter(({ name }) => name !== "is missing"))("that $name disturbs nothing", async (way) => {
    const { warm } = await organization();
    await resultOf(() => warm.rotate());
    const onProgress = vi.fn(way.inPlaceOf(() => undefined));
    const report = resultOf(() => warm.rewrapKeyPairs({ onProgress }));
    await expect(report).resolves.toMatchObject({ complete: true, already: 2 });
    expect(onProgress).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(late);
  });
});

describe("onStep of test() and configure()", () => {
  expectNothingUnhandled();

  it.each([...someWays, ...throwing].filter(({ name }) => name !== "is missing"))(
    "that $name neither fails nor delays the test",
    async (way) => {
      const { warm } = await organization();
      const onStep = vi.fn(way.inPlaceOf(() => undefined));
      const tested = resultOf(() => warm.test(configuration, { onStep }));
      await expect(tested).resolves.toMatchObject({ ok: true });
      expect(onStep).toHaveBeenCalledTimes(testStepNames.length);
      const saved = resultOf(() => warm.configure(configuration, { onStep }));
      await expect(saved).resolves.toMatchObject({ changed: true, report: { ok: true } });
      expect(onStep).toHaveBeenCalledTimes(2 * testStepNames.length);
      await vi.advanceTimersByTimeAsync(late);
    },
  );
});

describe("a recording's source that fails in the middle", () => {
  expectNothingUnhandled();

  it.each([...oddErrors, ...strangers])(
    "with $name is told as a code, to observers and audit log",
    async ({ make }) => {
      const codesTold: unknown[] = [];
      const auditSink: AuditSink = {
        append: async ({ status_code }) => {
          if (status_code !== undefined) codesTold.push(status_code);
        },
      };
      const { warm, body } = await organization({ auditSink });
      warm.observe({ started: ({ operation }) => ({ ended: ({ error }) => void codesTold.push(operation, error) }) });
      // Not a Readable, of which Node itself looks at the error.
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield body.subarray(0, -1);
        throw make();
      }
      const { body: decrypted } = await resultOf(() => warm.decryptRecording(failing(), recording));
      await resultOf(() => drained(decrypted)).catch(() => undefined);
      await turns();
      const code = expect.stringMatching(/^(?:ERR_[A-Z_]+|OTHER)$/);
      expect(codesTold).toEqual(expect.arrayContaining(["decryptRecording", code, code]));
      expect(codesTold.filter((told) => told === undefined)).toHaveLength(1); // that of unwrapPrivateKey
      expect(inspect(codesTold)).not.toContain("hunter2");
    },
  );
});
