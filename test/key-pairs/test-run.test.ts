import { describe, expect, it } from "vitest";
import { KmsError, type KmsProvider } from "../../src/index.js";
import { runTest, testStepNames, type TestSubject } from "../../src/key-pairs/test-run.js";
import { kmsError } from "../../src/kms/failures.js";
import type { KmsKeyDescription } from "../../src/kms/kms-provider.js";
import { configuration, forRsa, homeRegion, kmsKeyAliasArn, organizationId, world } from "./world.js";

function testing(change: (provider: KmsProvider) => Partial<KmsProvider> = () => ({}), more: Partial<TestSubject> = {}) {
  const parts = world(forRsa);
  const { provider, clock } = parts;
  const kms: KmsProvider = {
    describeKey: provider.describeKey.bind(provider),
    encrypt: provider.encrypt.bind(provider),
    decrypt: provider.decrypt.bind(provider),
    generateDataKeyPair: provider.generateDataKeyPair.bind(provider),
    ...change(provider),
  };
  const { decryptionUnder } = parts.worker({ kms }).context;
  const run = (signal?: AbortSignal) => runTest({ organizationId, homeRegion, configuration, kms, clock, decryptionUnder, ...more }, signal);
  return { ...parts, run };
}

const statuses = (...[failed, status = "failed"]: [failed?: (typeof testStepNames)[number], status?: string]) => {
  const at = failed === undefined ? testStepNames.length : testStepNames.indexOf(failed);
  return testStepNames.map((name, index) => [name, index < at ? "passed" : index === at ? status : "skipped"]);
};
const stepsOf = ({ steps }: Awaited<ReturnType<typeof runTest>>) => steps.map(({ name, status }) => [name, status]);

describe("the test of a configuration", () => {
  it("passes step by step, says how long each took, and what key it found", async () => {
    const { run, clock, keyArn, kms } = testing((provider) => ({
      encrypt: async (...args) => (clock.advance(10), provider.encrypt(...args)),
      decrypt: async (...args) => (clock.advance(100), provider.decrypt(...args)),
      describeKey: async (...args) => (clock.advance(1_000), provider.describeKey(...args)),
    }));
    const startedAt = new Date(clock.now());
    const report = await run();
    expect(report).toEqual({
      ok: true,
      kmsKeyAliasArn,
      kmsKeyArn: keyArn,
      startedAt,
      durationMs: 1_220,
      steps: testStepNames.map((name) => ({ name, status: "passed", durationMs: { "make-key-pair": 20, "unwrap-private-key": 100, "confirm-public-key": 100, "describe-key": 1_000 }[name as string] ?? 0 })),
    });
    expect(kms.journal.calls().map(({ operation, encryptionContext }) => [operation, encryptionContext?.["recording-keystore:purpose"]])).toEqual([
      ["Encrypt", "private-key"],
      ["Encrypt", "attestation"],
      ["Decrypt", "private-key"],
      ["Decrypt", "attestation"],
      ["DescribeKey", undefined],
    ]);
  });

  it("makes a pair that can never be taken for a real one, of the kind that is to be configured", async () => {
    const documents: (string | undefined)[] = [];
    const { run, kms } = testing(undefined, { configuration: { ...configuration, keyPairSpec: "RSA_2048", contextKeyName: "org" } });
    expect((await run()).ok).toBe(true);
    for (const { encryptionContext } of kms.journal.calls({ operation: "Encrypt" })) documents.push(encryptionContext?.["org"]);
    expect([documents, kms.journal.count("GenerateDataKeyPairWithoutPlaintext")]).toEqual([[organizationId], 1]);
  });

  const denied = kmsError("access-denied", { operation: "Decrypt", message: "not allowed" });
  const byPurpose = (provider: KmsProvider, answers: Partial<Record<string, Error | Uint8Array>>): KmsProvider["decrypt"] => async (request, options) => {
    const answer = answers[request.encryptionContext["recording-keystore:purpose"] ?? ""];
    if (answer instanceof Error) throw answer;
    return answer ? { keyArn: request.keyId, plaintext: Uint8Array.from(answer) } : provider.decrypt(request, options);
  };

  it.each<[step: (typeof testStepNames)[number], kind: string, message: string, change: (provider: KmsProvider) => Partial<KmsProvider>]>([
    ["make-key-pair", "throttled", "slow down", () => ({ encrypt: () => Promise.reject(kmsError("throttled", { operation: "Encrypt", message: "slow down" })) })],
    ["unwrap-private-key", "access-denied", "not allowed", (provider) => ({ decrypt: byPurpose(provider, { "private-key": denied }) })],
    ["unwrap-private-key", "unexpected-answer", "KMS unwrapped something that is no X25519 private key", (provider) => ({ decrypt: byPurpose(provider, { "private-key": Buffer.alloc(5) }) })],
    ["confirm-public-key", "timeout", "late", (provider) => ({ decrypt: byPurpose(provider, { attestation: kmsError("timeout", { operation: "Decrypt", message: "late" }) }) })],
    ["confirm-public-key", "unexpected-answer", "KMS attests another public key than the one stored", (provider) => ({ decrypt: byPurpose(provider, { attestation: Buffer.alloc(32) }) })],
  ])("fails at %s with %s, in KMS's words, with advice, and goes no further", async (step, kind, message, change) => {
    const { run, keyArn } = testing(change);
    const report = await run();
    expect(stepsOf(report)).toEqual(statuses(step));
    expect(report.steps.find(({ status }) => status === "failed")?.detail).toContain(message);
    expect(report).toMatchObject({ ok: false, error: { kind, message: expect.stringContaining(message) as string }, diagnosis: { kind, detail: report.error?.message } });
    expect([report.kmsKeyArn, report.error instanceof KmsError]).toEqual([step === "make-key-pair" ? undefined : keyArn, true]);
    expect("kmsKeyArn" in report).toBe(step !== "make-key-pair");
  });

  it("advises with the organization's own names", async () => {
    const { run } = testing((provider) => ({ decrypt: byPurpose(provider, { "private-key": denied }) }), { configuration: { ...configuration, contextKeyName: "my-org-key" } });
    const { diagnosis } = await run();
    expect(diagnosis?.whatToDo.join(" ")).toMatch(new RegExp(`my-org-key.*${organizationId}|${organizationId}.*my-org-key`));
  });

  it("notices a private half that does not open what was encrypted for the pair", async () => {
    const { run, keyArn } = testing((provider) => ({ decrypt: byPurpose(provider, { "private-key": Buffer.alloc(32, 9) }) }));
    const report = await run();
    expect(stepsOf(report)).toEqual(statuses("decrypt-and-compare"));
    expect(report).toMatchObject({ ok: false, error: { kind: "unexpected-answer", operation: "Decrypt", keyId: keyArn, message: "the test data came back changed" } });
  });

  it("is not failed by a DescribeKey that is not allowed, and not passed over in silence", async () => {
    const { run, kms } = testing();
    kms.faults.accessDenied({ operation: "DescribeKey" });
    const report = await run();
    expect([report.ok, stepsOf(report)]).toEqual([true, statuses("describe-key", "unknown")]);
    expect(report.steps.at(-1)).toEqual({ name: "describe-key", status: "unknown", durationMs: 0, detail: "kms:DescribeKey was not allowed or not answered; what it would have told is unknown" });
    expect("error" in report || "diagnosis" in report).toBe(false);
  });

  it.each<[Partial<KmsKeyDescription>, string]>([
    [{ keyArn: kmsKeyAliasArn }, "is not a key ARN"],
    [{ keySpec: "RSA_2048" }, "has the spec RSA_2048; a SYMMETRIC_DEFAULT key is needed"],
    [{ keyUsage: "SIGN_VERIFY" }, "has the usage SIGN_VERIFY; an ENCRYPT_DECRYPT key is needed"],
    [{ keyManager: "AWS" }, "is managed by AWS; a customer managed key is needed"],
  ])("fails for a key that is described as %j", async (change, rule) => {
    const { run, keyArn } = testing((provider) => ({ describeKey: async (...args) => ({ ...(await provider.describeKey(...args)), ...change }) }));
    const report = await run();
    const arn = change.keyArn ?? keyArn;
    expect(stepsOf(report)).toEqual(statuses("describe-key"));
    expect(report.error).toMatchObject({ kind: "key-unsupported", operation: "DescribeKey", keyId: arn, message: `${arn} ${rule}` });
  });

  it("does without a word about who manages the key", async () => {
    const { run } = testing((provider) => ({ describeKey: async (...args) => ({ ...(await provider.describeKey(...args)), keyManager: undefined as never }) }));
    expect((await run()).ok).toBe(true);
  });

  it("fails for a key that is not in the home Region", async () => {
    const { run, keyArn } = testing(undefined, { homeRegion: "eu-central-1" });
    const report = await run();
    expect(stepsOf(report)).toEqual(statuses("home-region"));
    expect(report.error).toMatchObject({
      kind: "key-unsupported",
      operation: "Encrypt",
      keyId: keyArn,
      message: `${kmsKeyAliasArn} is in ${homeRegion}; the key must exist in the home Region eu-central-1, itself or (multi-Region keys) as primary or replica`,
    });
  });

  it("ends with its caller, and with what is no answer of KMS", async () => {
    const left = new Error("left");
    const leaving = new AbortController();
    const { run } = testing((provider) => ({ describeKey: async (...args) => (leaving.abort(left), provider.describeKey(...args)) }));
    await expect(run(leaving.signal)).rejects.toBe(left);
    await expect(run(AbortSignal.abort(left))).rejects.toBe(left);
    const bug = new TypeError("a bug");
    for (const method of ["encrypt", "describeKey"] as const) await expect(testing(() => ({ [method]: () => Promise.reject(bug) })).run()).rejects.toBe(bug);
  });
});
