import assert from "node:assert/strict";
import { RecordingKeyStoreError } from "../../errors.js";
import { kmsFailureKinds, type KmsError, type KmsFailureKind } from "../../kms/kms-error.js";
import type { KmsCallOptions, KmsProvider } from "../../kms/kms-provider.js";

/** A provider with a KMS key, made anew for each test. */
export interface KmsProviderUnderTest {
  readonly provider: KmsProvider;
  /** Alias ARN of an enabled, symmetric key that the provider may use for everything. */
  readonly keyAliasArn: string;
  /** ARN of the key behind the alias. */
  readonly keyArn: string;
  /** ARN of a second such key. Without it decryption under the wrong key is not tested. */
  readonly otherKeyArn?: string;
  /** Makes KMS unreachable, and reachable again. Without it outages are not tested. */
  readonly outage?: {
    /** Makes calls hang, or their connections fail. */
    begin(): void;
    end(): void;
    /** Longest time that a call may take to fail, in ms. */
    readonly endsWithin: number;
  };
  /** Called at the end of each test. */
  close?(): Promise<void>;
}

export type Check = (name: string, body: (subject: KmsProviderUnderTest) => Promise<void>) => void;

/** Two entries, so that they have an order. */
export const encryptionContext = {
  "genesys-cloud-organization-id": "org-1",
  "recording-keystore:purpose": "private-key",
};

/** Bytes that no other text holds by chance. */
export function plaintextOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 37 + 11) % 256));
}

/** Every operation of a provider, with valid arguments. */
export function operationsOf({ provider, keyAliasArn, keyArn }: KmsProviderUnderTest, ciphertext: Uint8Array) {
  return {
    describeKey: (options?: KmsCallOptions) => provider.describeKey({ keyId: keyAliasArn }, options),
    encrypt: (options?: KmsCallOptions) =>
      provider.encrypt({ keyId: keyAliasArn, plaintext: plaintextOf(32), encryptionContext }, options),
    decrypt: (options?: KmsCallOptions) => provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext }, options),
    generateDataKeyPair: (options?: KmsCallOptions) =>
      provider.generateDataKeyPair({ keyId: keyAliasArn, spec: "RSA_2048", encryptionContext }, options),
  };
}

/** The KmsError that a call rejects with, asserted to be of one of `kinds`. */
export async function failureOf(call: () => Promise<unknown>, ...kinds: KmsFailureKind[]): Promise<KmsError> {
  const error = await rejectionOf(call);
  assert(isKmsError(error), `rejects with a KmsError, and not with ${String(error)}`);
  assert(
    kinds.length === 0 || kinds.includes(error.kind),
    `the kind is ${kinds.join(" or ")}, and not ${error.kind}: ${error.message}`,
  );
  return error;
}

/** Recognizes a KmsError of another copy of the package too, from which the provider may have it. */
function isKmsError(error: unknown): error is KmsError {
  return (
    error instanceof RecordingKeyStoreError && "kind" in error && kmsFailureKinds.includes(error.kind as KmsFailureKind)
  );
}

/** What a call rejects with. A synchronous throw fails the test. */
export async function rejectionOf(call: () => Promise<unknown>): Promise<unknown> {
  const promise = call();
  return promise.then(
    () => assert.fail("rejects"),
    (error: unknown) => error,
  );
}
