import { describe, expect, it, vi } from "vitest";
import { KmsError, type KmsProvider } from "../../../src/index.js";
import { decodeBirthRecord } from "../../../src/format/birth-record.js";
import type { KmsCalls } from "../../../src/key-pairs/kms-calls.js";
import {
  runTest,
  TestFailedError,
  testStepNames,
  type TestReport,
  type TestStep,
  type TestSubject,
} from "../../../src/key-pairs/operations/configuration-test.js";
import { kmsError, kmsFailureKinds } from "../../../src/kms/kms-error.js";
import type { KmsKeyDescription } from "../../../src/kms/kms-provider.js";
import { altered, decryptBy, isWiped, purposeOf, type Answers } from "../altered-kms.js";
import { configuration, contextKeyName, forRsa, homeRegion, kmsKeyAliasArn, organizationId, world } from "../world.js";

type Methods = (provider: KmsProvider) => Partial<KmsProvider>;

/** A configuration to be tested by a provider some of whose methods are a test's own. */
function testing(change: Methods = () => ({}), more: Partial<TestSubject> = {}) {
  const parts = world(forRsa);
  const { provider, clock } = parts;
  const { calls } = parts.worker({ kms: altered(provider, change(provider)) });
  const subject = { organizationId, homeRegion, contextKeyName, configuration, calls, clock, ...more };
  return { ...parts, calls, run: (signal?: AbortSignal) => runTest(subject, signal) };
}

const answering =
  (answers: Answers): Methods =>
  (provider) => ({ decrypt: decryptBy(provider, answers) });
const describing =
  (change: Partial<KmsKeyDescription>): Methods =>
  (provider) => ({
    describeKey: async (...args) => ({ ...(await provider.describeKey(...args)), ...change }),
  });

/** Lets a test read or alter what a method gives. */
function through<N extends "make" | "unwrap">(
  calls: KmsCalls,
  name: N,
  change: (result: Awaited<ReturnType<KmsCalls[N]>>) => object,
) {
  const method = calls[name].bind(calls) as (...args: unknown[]) => Promise<never>;
  vi.spyOn(calls, name).mockImplementation((async (...args: unknown[]) => {
    const result = await method(...args);
    return Object.assign(Object.create(null) as object, result, change(result));
  }) as never);
}

/** All steps passed before one that did not, and skipped behind it. */
function statuses(failed?: TestStep["name"], status: TestStep["status"] = "failed") {
  const at = failed === undefined ? testStepNames.length : testStepNames.indexOf(failed);
  return testStepNames.map((name, index) => ({
    name,
    status: index < at ? "passed" : index === at ? status : "skipped",
  }));
}
const stepsOf = ({ steps }: TestReport) => steps.map(({ name, status }) => ({ name, status }));
const failure = (kind: KmsError["kind"], message: string) => kmsError(kind, { operation: "Decrypt", message });
const denied = failure("access-denied", "not allowed");

describe("the test of a configuration", () => {
  it("passes step by step, says how long each took, and what key it found", async () => {
    const { run, clock, keyArn, kms } = testing((provider) => ({
      encrypt: async (...args) => (clock.advance(10), provider.encrypt(...args)),
      decrypt: async (...args) => (clock.advance(100), provider.decrypt(...args)),
      describeKey: async (...args) => (clock.advance(1_000), provider.describeKey(...args)),
    }));
    const startedAt = new Date(clock.now());
    const took = { "make-key-pair": 20, "unwrap-private-key": 100, "confirm-public-key": 100, "describe-key": 1_000 };
    const durationOf = (name: string) => (took as Partial<Record<string, number>>)[name] ?? 0;
    expect(await run()).toEqual({
      ok: true,
      kmsKeyAliasArn,
      kmsKeyArn: keyArn,
      startedAt,
      durationMs: 1_220,
      steps: testStepNames.map((name) => ({ name, status: "passed", durationMs: durationOf(name) })),
    });
    expect(kms.journal.calls().map((call) => ({ operation: call.operation, for: purposeOf(call) }))).toEqual([
      { operation: "Encrypt", for: "private-key" },
      { operation: "Encrypt", for: "attestation" },
      { operation: "Decrypt", for: "private-key" },
      { operation: "Decrypt", for: "attestation" },
      { operation: "DescribeKey", for: undefined },
    ]);
  });

  it("makes a pair that can never be taken for a real one, of the kind that is to be configured", async () => {
    const rsa = { ...configuration, keyPairSpec: "RSA_2048", periodicKeyChange: "yearly" } as const;
    const { calls, clock, kms, store } = testing();
    const births: Buffer[] = [];
    through(calls, "make", ({ birthRecord }) => (births.push(birthRecord), {}));
    const subject = { organizationId, homeRegion, contextKeyName: "org", configuration: rsa, calls, clock };
    expect((await runTest(subject)).ok).toBe(true);
    expect(births.map((birth) => decodeBirthRecord(birth))).toEqual([
      {
        organizationId,
        keyPairId: expect.any(String),
        sequence: 1,
        spec: "RSA_2048",
        createdAt: clock.now(),
        kmsKeyAliasArn,
        periodicKeyChange: "yearly",
        scheduleAnchor: clock.now(),
        contextKeyName: "org",
        purpose: "test",
      },
    ]);
    expect(kms.journal.count("GenerateDataKeyPairWithoutPlaintext")).toBe(1);
    expect(await store.listKeyPairs(organizationId, { limit: 9 })).toEqual([]);
  });

  it("wipes the data key that it encrypted, and the one that it got back", async () => {
    const { calls, run } = testing();
    const [given, back]: [Uint8Array[], Uint8Array[]] = [[], []];
    const seen: boolean[] = [];
    through(calls, "make", ({ wrappingKey }) => ({
      wrappingKey: { wrap: (key: Uint8Array) => (given.push(key), seen.push(!isWiped(key)), wrappingKey.wrap(key)) },
    }));
    through(calls, "unwrap", (key) => ({
      unwrap: (bytes: Uint8Array) => {
        const opened = key.unwrap(bytes);
        back.push(opened);
        return opened;
      },
    }));
    expect((await run()).ok).toBe(true);
    expect({
      seen,
      sizes: [...given, ...back].map(({ length }) => length),
      wiped: [...given, ...back].map(isWiped),
    }).toEqual({
      seen: [true],
      sizes: [32, 32],
      wiped: [true, true],
    });
  });

  it("tells KMS of a caller who may leave", async () => {
    const { calls, run } = testing();
    const { signal } = new AbortController();
    const spies = (["make", "unwrap", "attests", "describeKey"] as const).map((name) => vi.spyOn(calls, name));
    await run(signal);
    expect(spies.map(({ mock }) => mock.lastCall?.at(-1))).toEqual(spies.map(() => signal));
  });
});

describe("a test that fails", () => {
  it.each<[step: TestStep["name"], kind: string, message: string, change: Methods]>([
    [
      "make-key-pair",
      "throttled",
      "slow down",
      () => ({ encrypt: () => Promise.reject(kmsError("throttled", { operation: "Encrypt", message: "slow down" })) }),
    ],
    ["unwrap-private-key", "access-denied", "not allowed", answering({ "private-key": denied })],
    [
      "unwrap-private-key",
      "unexpected-answer",
      "KMS unwrapped something that is no X25519 private key",
      answering({ "private-key": Buffer.alloc(5) }),
    ],
    [
      "decrypt-and-compare",
      "unexpected-answer",
      "the test data came back changed",
      answering({ "private-key": Buffer.alloc(32, 9) }),
    ],
    ["confirm-public-key", "timeout", "late", answering({ attestation: failure("timeout", "late") })],
    [
      "confirm-public-key",
      "unexpected-answer",
      "KMS attests another public key than the one stored",
      answering({ attestation: Buffer.alloc(32) }),
    ],
  ])("fails at %s with %s, in KMS's words, with advice, and goes no further", async (step, kind, message, change) => {
    const { run, keyArn } = testing(change);
    const report = await run();
    expect(stepsOf(report)).toEqual(statuses(step));
    expect(report.steps.find(({ status }) => status === "failed")?.detail).toContain(message);
    const told = expect.stringContaining(message) as string;
    expect(report).toMatchObject({
      ok: false,
      error: { kind, message: told },
      diagnosis: { kind, detail: report.error?.message },
    });
    expect(report.error).toBeInstanceOf(KmsError);
    expect(report.kmsKeyArn).toBe(step === "make-key-pair" ? undefined : keyArn);
    expect("kmsKeyArn" in report).toBe(step !== "make-key-pair");
  });

  it("advises with the organization's own names", async () => {
    const { run } = testing(answering({ "private-key": denied }), { contextKeyName: "my-org-key" });
    const { diagnosis } = await run();
    const both = new RegExp(`my-org-key.*${organizationId}|${organizationId}.*my-org-key`);
    expect(diagnosis?.whatToDo.join(" ")).toMatch(both);
  });

  it("notices test data that comes back changed, or longer", async () => {
    for (const change of [(key: Buffer) => Buffer.from(key).fill(1), (key: Buffer) => Buffer.concat([key, key])]) {
      const { calls, run, keyArn } = testing();
      through(calls, "unwrap", (key) => ({ unwrap: (bytes: Uint8Array) => change(key.unwrap(bytes)) }));
      const report = await run();
      expect(stepsOf(report)).toEqual(statuses("decrypt-and-compare"));
      const error = { kind: "unexpected-answer", operation: "Decrypt", keyId: keyArn };
      expect(report).toMatchObject({ ok: false, error: { ...error, message: "the test data came back changed" } });
    }
  });

  it("notices a private half that opens the test data and is another one's all the same", async () => {
    const { calls, run, keyArn } = testing();
    through(calls, "unwrap", () => ({ publicKey: Buffer.alloc(32, 1) }));
    const report = await run();
    expect(stepsOf(report)).toEqual(statuses("confirm-public-key"));
    const message = expect.stringMatching(/^key pair \S+: its public key is not that of its private half$/);
    expect(report.error).toMatchObject({ kind: "unexpected-answer", operation: "Decrypt", keyId: keyArn, message });
  });

  it("ends with its caller, and with a bug", async () => {
    const [leaving, left] = [new AbortController(), new Error("left")];
    const { run } = testing((provider) => ({
      describeKey: async (...args) => (leaving.abort(left), provider.describeKey(...args)),
    }));
    await expect(run(leaving.signal)).rejects.toBe(left);
    await expect(run(AbortSignal.abort(left))).rejects.toBe(left);
    const bug = new TypeError("a bug");
    for (const method of ["make", "describeKey", "attests"] as const) {
      const { calls, run } = testing();
      vi.spyOn(calls, method).mockRejectedValue(bug);
      await expect(run(), method).rejects.toBe(bug);
    }
  });
});

describe("whoever watches a test", () => {
  it("is told of each step as it ends, before the next one begins", async () => {
    const seen: string[] = [];
    const { run } = testing(
      (provider) => ({
        encrypt: async (...args) => (seen.push("encrypt"), provider.encrypt(...args)),
        decrypt: async (...args) => (seen.push("decrypt"), provider.decrypt(...args)),
        describeKey: async (...args) => (seen.push("describeKey"), provider.describeKey(...args)),
      }),
      { onStep: ({ name, status }) => void seen.push(`${name} ${status}`) },
    );
    await run();
    expect(seen).toEqual([
      ...["encrypt", "encrypt", "make-key-pair passed"],
      "encrypt-test-data passed",
      ...["decrypt", "unwrap-private-key passed"],
      "decrypt-and-compare passed",
      ...["decrypt", "confirm-public-key passed"],
      "home-region passed",
      ...["describeKey", "describe-key passed"],
    ]);
  });

  it.each<[what: string, change: Methods, more?: Partial<TestSubject>]>([
    ["passes", () => ({})],
    ["fails in its first step", () => ({ encrypt: () => Promise.reject(denied) })],
    ["fails in the middle", answering({ attestation: failure("timeout", "late") })],
    ["fails in its last step", describing({ keySpec: "RSA_2048" })],
    ["leaves something unknown", () => ({ describeKey: () => Promise.reject(denied) })],
  ])("of a configuration that %s is told all that the report says, and can change none of it", async (_, change) => {
    const told: TestStep[] = [];
    const { run } = testing(change, { onStep: (step) => void told.push(step) });
    const report = await run();
    expect(told).toEqual(report.steps);
    expect(told.map((step) => Object.isFrozen(step) && Object.getPrototypeOf(step) === Object.prototype)).toEqual(
      testStepNames.map(() => true),
    );
  });

  it("is told nothing more once the caller has left, nor of the step that this broke off", async () => {
    const [leaving, left] = [new AbortController(), new Error("left")];
    const told: string[] = [];
    const { run } = testing(
      (provider) => ({
        decrypt: (...args) => {
          leaving.abort(left);
          return provider.decrypt(...args).then(() => Promise.reject(denied));
        },
      }),
      { onStep: ({ name }) => void told.push(name) },
    );
    await expect(run(leaving.signal)).rejects.toBe(left);
    expect(told).toEqual(["make-key-pair", "encrypt-test-data"]);
  });

  it("may leave in the middle of being told", async () => {
    const [leaving, left] = [new AbortController(), new Error("left")];
    const told: string[] = [];
    const onStep = ({ name }: TestStep) => {
      told.push(name);
      leaving.abort(left);
    };
    const { run, kms } = testing(undefined, { onStep });
    await expect(run(leaving.signal)).rejects.toBe(left);
    expect({ told, decrypts: kms.journal.count("Decrypt") }).toEqual({ told: ["make-key-pair"], decrypts: 0 });
  });

  it("is told nothing of a bug, which is no verdict", async () => {
    const told: string[] = [];
    const { calls, run } = testing(undefined, { onStep: ({ name }) => void told.push(name) });
    vi.spyOn(calls, "unwrap").mockRejectedValue(new TypeError("a bug that holds a secret"));
    await expect(run()).rejects.toThrow("a bug");
    expect(told).toEqual(["make-key-pair", "encrypt-test-data"]);
  });
});

describe("the public key", () => {
  it("counts as confirmed by the private half where decrypting attestations is not allowed", async () => {
    const report = await testing(answering({ attestation: denied })).run();
    expect({ ok: report.ok, steps: stepsOf(report) }).toEqual({ ok: true, steps: statuses() });
  });

  it.each(kmsFailureKinds.filter((kind) => kind !== "access-denied"))("is not confirmed after %s", async (kind) => {
    const report = await testing(answering({ attestation: failure(kind, "no") })).run();
    expect(stepsOf(report)).toEqual(statuses("confirm-public-key"));
    expect(report.error?.kind).toBe(kind);
  });
});

describe("the home Region", () => {
  it("is not that of a key elsewhere", async () => {
    const { run, keyArn } = testing(undefined, { homeRegion: "eu-central-1" });
    const report = await run();
    expect(stepsOf(report)).toEqual(statuses("home-region"));
    expect(report.error).toMatchObject({
      kind: "key-unsupported",
      operation: "Encrypt",
      keyId: keyArn,
      message:
        `${kmsKeyAliasArn} is in ${homeRegion}; the key must exist in the home Region eu-central-1, ` +
        "itself or (multi-Region keys) as primary or replica",
    });
  });

  it("is also that of a multi-Region key elsewhere", async () => {
    const { run, kms } = testing(undefined, { homeRegion: "eu-central-1" });
    const keyArn = kms.createKey({ region: homeRegion, multiRegion: true });
    kms.pointAlias(kmsKeyAliasArn, keyArn);
    const report = await run();
    expect({ ok: report.ok, key: report.kmsKeyArn, steps: stepsOf(report) }).toEqual({
      ok: true,
      key: keyArn,
      steps: statuses(),
    });
  });
});

describe("the description of a key", () => {
  const unknown = "kms:DescribeKey was not allowed or not answered; what it would have told is unknown";

  it.each(["accessDenied", "outage", "serverError"] as const)("is unknown, and no failure, after %s", async (fault) => {
    const { run, kms } = testing();
    kms.faults[fault]({ operation: "DescribeKey" });
    const report = await run();
    expect({ ok: report.ok, steps: stepsOf(report) }).toEqual({ ok: true, steps: statuses("describe-key", "unknown") });
    expect(report.steps.at(-1)).toEqual({ name: "describe-key", status: "unknown", durationMs: 0, detail: unknown });
    expect("error" in report || "diagnosis" in report).toBe(false);
  });

  it.each<[Partial<KmsKeyDescription>, string]>([
    [{ keyArn: kmsKeyAliasArn }, "is not a key ARN"],
    [{ keySpec: "RSA_2048" }, "has the spec RSA_2048; a SYMMETRIC_DEFAULT key is needed"],
    [{ keyUsage: "SIGN_VERIFY" }, "has the usage SIGN_VERIFY; an ENCRYPT_DECRYPT key is needed"],
    [{ keyManager: "AWS" }, "is managed by AWS; a customer managed key is needed"],
  ])("fails the test that says %j", async (change, rule) => {
    const { run, keyArn } = testing(describing(change));
    const report = await run();
    const keyId = change.keyArn ?? keyArn;
    expect(stepsOf(report)).toEqual(statuses("describe-key"));
    const message = `${keyId} ${rule}`;
    expect(report.error).toMatchObject({ kind: "key-unsupported", operation: "DescribeKey", keyId, message });
  });

  it("need not say who manages the key", async () => {
    expect((await testing(describing({ keyManager: undefined as never })).run()).ok).toBe(true);
  });
});

describe("the error of a configuration that fails its test", () => {
  const report = (more: Partial<TestReport>) =>
    ({ ok: false, kmsKeyAliasArn, steps: [], ...more }) as unknown as TestReport;
  const diagnosis = { summary: "The service may not use the key." } as TestReport["diagnosis"] & object;
  const passing = failure("unreachable", "no route");

  it.each<[more: Partial<TestReport>, what: string, retryable: boolean]>([
    [{ diagnosis, error: denied }, diagnosis.summary, true],
    [{ error: passing }, passing.message, true],
    [{}, "see the report", false],
  ])("says what is known: %o", (more, what, retryable) => {
    const given = report(more);
    const error = new TestFailedError(given);
    expect(error).toMatchObject({ code: "ERR_TEST_FAILED", name: "TestFailedError", retryable });
    expect(error.message).toBe(`the test of ${kmsKeyAliasArn} failed: ${what}`);
    expect(error.cause).toBe(more.error);
    expect(error.report).toBe(given);
    expect(TestFailedError.errorName).toBe("TestFailedError");
  });
});
