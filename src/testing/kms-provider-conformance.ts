import type { KmsProvider } from "../kms/kms-provider.js";
import type { ConformanceRunner } from "./key-pair-store-conformance.js";
import { checkAbort } from "./kms-provider-conformance/abort.js";
import { checkCryptography } from "./kms-provider-conformance/cryptography.js";
import { checkFailures } from "./kms-provider-conformance/failures.js";
import type { Check } from "./kms-provider-conformance/fixtures.js";

/** A provider with a KMS key that works, made anew for each test. */
export interface KmsProviderUnderTest {
  readonly provider: KmsProvider;
  /** Alias ARN of an enabled, symmetric key with which the provider may do everything. */
  readonly keyAliasArn: string;
  /** ARN of the key behind the alias. */
  readonly keyArn: string;
  /** A second such key; without it decryption under the wrong key is not checked. */
  readonly otherKeyArn?: string;
  /** Takes the KMS away and brings it back; without it outages are not checked. */
  readonly outage?: {
    /** From now on nobody answers: calls hang, or their connections fail. */
    begin(): void;
    end(): void;
    /** How long a call may take to fail, milliseconds. */
    readonly endsWithin: number;
  };
  /** Called at the end of each test. */
  close?(): Promise<void>;
}

/**
 * Checks everything that {@link KmsProvider} promises, under any test runner:
 *
 *     kmsProviderConformance({ describe, it }, async () => ({ provider, keyAliasArn, keyArn }));
 *
 * Over a real KMS it makes some 60 calls, one of them for an RSA_2048 key pair.
 * @param open - gives the provider for one test
 */
export function kmsProviderConformance(
  { describe, it }: ConformanceRunner,
  open: () => Promise<KmsProviderUnderTest>,
): void {
  const check: Check = (name, body) => {
    it(name, async () => {
      const opened = await open();
      try {
        await body(opened);
      } finally {
        await opened.close?.();
      }
    });
  };
  describe("KMS provider", () => {
    describe("cryptography", () => checkCryptography(check));
    describe("failures", () => checkFailures(check));
    describe("abort", () => checkAbort(check));
  });
}
