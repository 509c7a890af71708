import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../clock.js";
import { RecordingKeyStoreError } from "../../errors.js";
import { dataKeyLength, type UnwrappingKey } from "../../format/data-key-wrapping.js";
import type { KeyStoreConfiguration } from "../../format/vocabulary.js";
import { isKmsKeyArn, regionOf, replicaArn } from "../../kms/arn.js";
import { diagnose, type Diagnosis } from "../../kms/diagnosis.js";
import { kmsError, KmsError } from "../../kms/kms-error.js";
import type { KmsKeyDescription } from "../../kms/kms-provider.js";
import { callOthers } from "../../util/call-others.js";
import { defined } from "../../util/defined.js";
import { secretBuffer, wipe } from "../../util/secrets.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import type { KmsCalls } from "../kms-calls.js";

export const testStepNames = [
  "make-key-pair",
  "encrypt-test-data",
  "unwrap-private-key",
  "decrypt-and-compare",
  "confirm-public-key",
  "home-region",
  "describe-key",
] as const;
export type TestStepName = (typeof testStepNames)[number];

/** One step of a test. Frozen. */
export interface TestStep {
  readonly name: TestStepName;
  /** `unknown`: KMS did not tell, which is no fault. `skipped`: an earlier step failed. */
  readonly status: "passed" | "failed" | "unknown" | "skipped";
  /** Duration, in ms. */
  readonly durationMs: number;
  /** Why it failed, or what is unknown. */
  readonly detail?: string;
}

/** Result of `test()`. Plain data, for a settings page. */
export interface TestReport {
  readonly ok: boolean;
  readonly kmsKeyAliasArn: string;
  /** The key to which the alias resolves; missing where KMS has not told. */
  readonly kmsKeyArn?: string;
  readonly steps: readonly TestStep[];
  readonly startedAt: Date;
  /** Duration, in ms. */
  readonly durationMs: number;
  /** Why it failed; missing where it passed. */
  readonly error?: KmsError;
  /** What to do about `error`. */
  readonly diagnosis?: Diagnosis;
}

export type TestSubject = Pick<KeyPairContext, "organizationId" | "contextKeyName" | "calls" | "clock"> & {
  readonly homeRegion: string;
  readonly configuration: KeyStoreConfiguration;
  /** Whether a key is in use already. Default true. */
  readonly configured?: boolean;
  /** Told of each step of the report in its order, as soon as it has ended. */
  readonly onStep?: ((step: TestStep) => void) | undefined;
};

/**
 * Makes a test pair under the named KMS key, encrypts, decrypts through KMS and compares. Saves nothing. Rejects for an abort
 * alone: a failure of KMS is in the report.
 */
export async function runTest(subject: TestSubject, signal?: AbortSignal): Promise<TestReport> {
  const { configuration, contextKeyName, clock, calls, organizationId, homeRegion } = subject;
  const startedAt = new Date(clock.now());
  const begin = clock.monotonic();
  const run = new StepRunner(clock, subject.onStep, signal);
  let kmsKeyArn: string | undefined;
  let error: KmsError | undefined;
  const dataKey = secretBuffer(dataKeyLength);
  dataKey.set(randomBytes(dataKeyLength));
  try {
    const now = clock.now();
    const pair = await run.step("make-key-pair", () =>
      calls.make(
        {
          organizationId,
          sequence: 1,
          spec: configuration.keyPairSpec,
          createdAt: now,
          kmsKeyAliasArn: configuration.kmsKeyAliasArn,
          periodicKeyChange: configuration.periodicKeyChange,
          scheduleAnchor: now,
          contextKeyName,
          purpose: "test",
        },
        signal,
      ),
    );
    const keyArn = (kmsKeyArn = pair.wrapping.kmsKeyArn);
    const wrapped = await run.step("encrypt-test-data", () => pair.wrappingKey.wrap(dataKey));
    const privateKey = await run.step("unwrap-private-key", () => unwrapped(calls, pair, signal));
    await run.step("decrypt-and-compare", () => {
      if (!opensTo(privateKey, wrapped, dataKey))
        throw kmsError("unexpected-answer", {
          operation: "Decrypt",
          keyId: keyArn,
          message: "the test data came back changed",
        });
    });
    await run.step("confirm-public-key", () => checkAttestation(calls, pair, privateKey, signal));
    await run.step("home-region", () => checkHomeRegion(subject, keyArn));
    await run.step("describe-key", async () => {
      const description = await describe(calls, configuration.kmsKeyAliasArn, signal);
      if (!description)
        return run.unknown("kms:DescribeKey was not allowed or not answered; what it would have told is unknown");
      checkDescription(description);
    });
  } catch (failure) {
    signal?.throwIfAborted();
    if (!(failure instanceof KmsError)) throw failure;
    error = failure;
  } finally {
    wipe(dataKey);
  }
  run.skipRest();
  return {
    ok: error === undefined,
    kmsKeyAliasArn: configuration.kmsKeyAliasArn,
    ...defined({ kmsKeyArn }),
    steps: run.steps,
    startedAt,
    durationMs: clock.monotonic() - begin,
    ...defined({
      error,
      diagnosis:
        error &&
        diagnose(error, { organizationId, contextKeyName, homeRegion, ...defined({ configured: subject.configured }) }),
    }),
  };
}

/** Whether a private key unwraps to a data key. What is wrapped for another key does not unwrap at all. */
function opensTo(privateKey: UnwrappingKey, wrapped: Uint8Array, dataKey: Uint8Array): boolean {
  let opened: Buffer | undefined;
  try {
    opened = privateKey.unwrap(wrapped);
    return timingSafeEqual(opened, dataKey);
  } catch {
    return false;
  } finally {
    wipe(opened);
  }
}

/** The private half of the pair that was just made: what is wrong with it then is KMS's answer. */
async function unwrapped(
  calls: KmsCalls,
  pair: ClaimedKeyPair,
  signal: AbortSignal | undefined,
): Promise<UnwrappingKey> {
  try {
    return await calls.unwrap(pair, pair.wrapping, signal);
  } catch (error) {
    if (error instanceof KmsError || !(error instanceof RecordingKeyStoreError)) throw error;
    const { message } = error;
    throw kmsError("unexpected-answer", { operation: "Decrypt", keyId: pair.wrapping.kmsKeyArn, message });
  }
}

/** Checks that KMS vouches for the public key: by the attestation or, where the policy denies that, by the private half. */
async function checkAttestation(
  calls: KmsCalls,
  pair: ClaimedKeyPair,
  privateKey: UnwrappingKey,
  signal: AbortSignal | undefined,
): Promise<void> {
  const fail = (message: string) =>
    kmsError("unexpected-answer", { operation: "Decrypt", keyId: pair.attestation.kmsKeyArn, message });
  if (!privateKey.publicKey.equals(pair.publicKey))
    throw fail(`key pair ${pair.birth.keyPairId}: its public key is not that of its private half`);
  try {
    if (!(await calls.attests(pair, signal)))
      throw fail(`key pair ${pair.birth.keyPairId}: KMS attests another public key than the one stored`);
  } catch (error) {
    if (!(error instanceof KmsError && error.kind === "access-denied")) throw error;
  }
}

/** Checks that the key exists in the home Region. Of a multi-Region key, the pair was just unwrapped there. */
function checkHomeRegion({ homeRegion, configuration }: TestSubject, kmsKeyArn: string): void {
  if (regionOf(kmsKeyArn) === homeRegion || replicaArn(kmsKeyArn, homeRegion) !== undefined) return;
  throw kmsError("key-unsupported", {
    operation: "Encrypt",
    keyId: kmsKeyArn,
    message: `${configuration.kmsKeyAliasArn} is in ${String(regionOf(kmsKeyArn))}; the key must exist in the home Region ${homeRegion}, itself or (multi-Region keys) as primary or replica`,
  });
}

async function describe(
  calls: KmsCalls,
  keyId: string,
  signal: AbortSignal | undefined,
): Promise<KmsKeyDescription | undefined> {
  try {
    return await calls.describeKey(keyId, signal);
  } catch (error) {
    // The call carries no encryption context, so the reference policy always denies it.
    if (error instanceof KmsError) return undefined;
    throw error;
  }
}

function checkDescription(description: KmsKeyDescription): void {
  const { keyArn, keySpec, keyUsage, keyManager } = description;
  const fail = (rule: string) => {
    throw kmsError("key-unsupported", { operation: "DescribeKey", keyId: keyArn, message: `${keyArn} ${rule}` });
  };
  if (!isKmsKeyArn(keyArn)) fail("is not a key ARN");
  if (keySpec !== "SYMMETRIC_DEFAULT") fail(`has the spec ${keySpec}; a SYMMETRIC_DEFAULT key is needed`);
  if (keyUsage !== "ENCRYPT_DECRYPT") fail(`has the usage ${keyUsage}; an ENCRYPT_DECRYPT key is needed`);
  if (keyManager === "AWS") fail("is managed by AWS; a customer managed key is needed");
}

class StepRunner {
  readonly #clock: Clock;
  readonly #onStep: TestSubject["onStep"];
  readonly #signal: AbortSignal | undefined;
  readonly #steps: TestStep[] = [];
  #unknown: string | undefined;

  constructor(clock: Clock, onStep: TestSubject["onStep"], signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#onStep = onStep;
    this.#signal = signal;
  }

  /** Those that have ended, in order. */
  get steps(): readonly TestStep[] {
    return this.#steps;
  }

  async step<T>(name: TestStepName, task: () => T | Promise<T>): Promise<T> {
    const begin = this.#clock.monotonic();
    const end = (status: TestStep["status"], detail?: string) =>
      this.#end({ name, status, durationMs: this.#clock.monotonic() - begin, ...defined({ detail }) });
    try {
      this.#unknown = undefined;
      const result = await task();
      end(this.#unknown === undefined ? "passed" : "unknown", this.#unknown);
      return result;
    } catch (error) {
      // Anything else is no verdict: the test rejects with it.
      if (error instanceof KmsError) end("failed", error.message);
      throw error;
    }
  }

  /** Ends the steps that were not reached. */
  skipRest(): void {
    for (const name of testStepNames.slice(this.#steps.length)) this.#end({ name, status: "skipped", durationMs: 0 });
  }

  /** A caller who has left is told nothing more. */
  #end(step: TestStep): void {
    this.#steps.push(Object.freeze(step));
    if (this.#onStep && !this.#signal?.aborted) callOthers(() => this.#onStep?.(step));
  }

  unknown(detail: string): void {
    this.#unknown = detail;
  }
}

/** `configure()` got a configuration that fails its test. Nothing has changed. */
export class TestFailedError extends RecordingKeyStoreError {
  static override readonly errorName = "TestFailedError";
  override readonly name = "TestFailedError";
  /** Each step, and what to do. */
  readonly report: TestReport;

  constructor(report: TestReport) {
    super(
      "ERR_TEST_FAILED",
      `the test of ${report.kmsKeyAliasArn} failed: ${report.diagnosis?.summary ?? report.error?.message ?? "see the report"}`,
      {
        cause: report.error,
        retryable: report.error?.retryable ?? false,
      },
    );
    this.report = report;
  }
}
