import { vi } from "vitest";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import type { KmsCalls } from "../../src/key-pairs/kms-calls.js";
import type { Verdict } from "../../src/key-pairs/trust.js";
import { kmsError, type KmsFailureKind } from "../../src/kms/kms-error.js";

export type VerdictStatus = Verdict["status"];
export const verdictStatuses = ["confirmed", "disowned", "refused", "no-verdict"] as const satisfies VerdictStatus[];

export const failure = (kind: KmsFailureKind, message = `KMS says ${kind}`) =>
  kmsError(kind, { operation: "Decrypt", message });

/** What KMS answers where it comes to this verdict. */
const answers: Record<VerdictStatus, () => Promise<boolean>> = {
  confirmed: async () => true,
  disowned: async () => false,
  refused: () => Promise.reject(failure("key-disabled")),
  "no-verdict": () => Promise.reject(failure("unreachable")),
};

/** Has KMS say one thing of one pair, and what is so of every other one. */
export function decided(calls: KmsCalls, pair: ClaimedKeyPair, status: VerdictStatus) {
  const genuine = calls.attests.bind(calls);
  return vi
    .spyOn(calls, "attests")
    .mockImplementation((asked, signal) =>
      asked.publicKey.equals(pair.publicKey) ? answers[status]() : genuine(asked, signal),
    );
}

/** Something that is awaited until the test lets it go. */
export function held() {
  let release!: () => void;
  const waiting = new Promise<void>((resolve) => (release = resolve));
  return { waiting, release };
}
