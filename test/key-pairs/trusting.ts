import { expect, vi } from "vitest";
import { DisownedClaims } from "../../src/key-pairs/disowned-claims.js";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import type { KmsCalls } from "../../src/key-pairs/kms-calls.js";
import { Trust } from "../../src/key-pairs/trust.js";
import { TrustAnchor } from "../../src/key-pairs/trust-anchor.js";
import { TestClock } from "../../src/testing/index.js";
import { accountId, contextKeyName, homeRegion } from "./world.js";

/** A process's trust, and a KMS that confirms everything unless a test says otherwise. */
export function trusting(disowned = new DisownedClaims()) {
  const attests = vi.fn<KmsCalls["attests"]>(async () => true);
  const unwrapHalf = vi.fn();
  const calls = { attests, unwrapHalf } as unknown as KmsCalls;
  const anchor = new TrustAnchor([accountId]);
  const clock = new TestClock();
  const trust = new Trust({ anchor, homeRegion, contextKeyNames: [contextKeyName], calls, disowned, clock });
  return { trust, attests, unwrapHalf, disowned, clock };
}

/** What is said of a pair that is none. */
export const untrustedSaying = (message: string, cause?: unknown) =>
  expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message, ...(cause ? { cause } : {}) }) as unknown as Error;

/** What is said where KMS opens the attestation to something else. */
export const wrongKey = ({ birth }: ClaimedKeyPair) =>
  untrustedSaying(`key pair ${birth.keyPairId}: KMS attests another public key than the one stored`);
