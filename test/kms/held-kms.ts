import { kmsError, type KmsFailureKind } from "../../src/kms/kms-error.js";
import { GuardedKmsProvider } from "../../src/kms/guarded-kms-provider.js";
import { defined } from "../../src/util/defined.js";
import type { KmsCallOptions, KmsProvider } from "../../src/kms/kms-provider.js";
import { encryptionContext, keyArn, rejection } from "./fixtures.js";

export const failure = (kind: KmsFailureKind, operation = "Decrypt", keyId = keyArn) =>
  kmsError(kind, { operation, keyId, message: `told: ${kind}`, awsErrorName: "Name", requestId: "request-1" });
/** Lets everything run that can. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

export interface Call {
  readonly keyId: string;
  readonly options: KmsCallOptions | undefined;
  succeed(): void;
  fail(error: unknown): void;
}

/** A provider whose calls end when, and as, the test says. */
class HeldKms {
  /** Calls that have begun, in order. */
  readonly calls: Call[] = [];
  /** Under way now. */
  open = 0;
  mostOpen = 0;

  readonly #hold = (request: { keyId: string }, options?: KmsCallOptions): Promise<never> => {
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    return new Promise<never>((resolve, reject) => {
      const end = (how: () => void) => () => {
        this.open -= 1;
        how();
      };
      const answer = {
        keyArn: request.keyId,
        plaintext: Buffer.from("plaintext"),
        ciphertext: Buffer.from("ciphertext"),
      } as never;
      this.calls.push({
        keyId: request.keyId,
        options,
        succeed: end(() => resolve(answer)),
        fail: (error) => end(() => reject(error))(),
      });
    });
  };

  readonly provider: KmsProvider = {
    describeKey: this.#hold,
    encrypt: this.#hold,
    decrypt: this.#hold,
    generateDataKeyPair: this.#hold,
  };
}

export function guarded(concurrency?: number) {
  const held = new HeldKms();
  const guard = new GuardedKmsProvider(held.provider, defined({ concurrency }));
  const decrypt = (options?: KmsCallOptions, keyId = keyArn) => {
    const answer = guard.decrypt({ keyId, ciphertext: Buffer.from("c"), encryptionContext }, options);
    answer.catch(() => undefined); // what a test leaves held fails at its time limit, long after the test
    return answer;
  };
  const settled: unknown[] = [];
  const watch = (promise: Promise<unknown>) =>
    void promise.then(
      () => settled.push("ok"),
      (error: unknown) => settled.push(error),
    );
  return { held, guard, decrypt, settled, watch };
}

/** A guard that has just met a failure. */
export async function failing(kind: KmsFailureKind = "timeout", concurrency?: number) {
  const parts = guarded(concurrency);
  const first = rejection(parts.decrypt());
  await turn();
  parts.held.calls[0]!.fail(failure(kind));
  await first;
  return parts;
}
