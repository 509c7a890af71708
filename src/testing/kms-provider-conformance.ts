import type { ConformanceRunner } from "./key-pair-store-conformance/subject.js";
import { checkAbort } from "./kms-provider-conformance/abort.js";
import { checkCryptography } from "./kms-provider-conformance/cryptography.js";
import { checkFailures } from "./kms-provider-conformance/failures.js";
import type { Check, KmsProviderUnderTest } from "./kms-provider-conformance/fixtures.js";

/**
 * Declares the tests of everything that `KmsProvider` promises, under any test runner. Against a real KMS they make some
 * 60 calls, one of them for an RSA_2048 key pair.
 *
 * @example
 * ```ts
 * kmsProviderConformance({ describe, it }, async () => ({ provider, keyAliasArn, keyArn }));
 * ```
 * @param open - makes the provider for one test
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
