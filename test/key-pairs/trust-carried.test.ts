import { describe, expect, it, vi } from "vitest";
import { DisownedClaims } from "../../src/key-pairs/disowned-claims.js";
import type { KmsCalls } from "../../src/key-pairs/kms-calls.js";
import { Trust } from "../../src/key-pairs/trust.js";
import { TrustAnchor } from "../../src/key-pairs/trust-anchor.js";
import { TestClock } from "../../src/testing/index.js";
import { invented, noSuchKeyArn } from "./inventions.js";
import { untrustedSaying } from "./trusting.js";
import { failure } from "./verdicts.js";
import { accountId, contextKeyName, homeRegion } from "./world.js";

const pair = invented();
const what = `key pair ${pair.birth.keyPairId}`;

/** A KMS that unwraps the pair's private half, and attests under the key given. */
function carrying(attestedUnder = pair.wrapping.kmsKeyArn, contextKeyNames = [contextKeyName]) {
  const unwrap = vi.fn(async () => ({ publicKey: pair.publicKey }));
  const attest = vi.fn(async () => ({ ...pair.attestation, kmsKeyArn: attestedUnder }));
  const calls = { unwrap, attest } as unknown as KmsCalls;
  const anchor = new TrustAnchor([accountId]);
  const disowned = new DisownedClaims();
  const trust = new Trust({ anchor, homeRegion, contextKeyNames, calls, disowned, clock: new TestClock() });
  return { trust, unwrap, attest };
}

describe("a pair that a recording carries", () => {
  it("is vouched for once KMS has unwrapped it, with an attestation made anew", async () => {
    const { trust, unwrap, attest } = carrying();
    const { signal } = new AbortController();
    const { birth, birthRecord, publicKey, wrapping } = pair;
    expect(await trust.vouchForCarried(pair, { attest: true }, signal)).toMatchObject({ birth, publicKey, wrapping });
    expect(unwrap.mock.calls).toEqual([[{ birth, birthRecord }, wrapping, signal]]);
    expect(attest.mock.calls).toEqual([[{ birth, birthRecord, publicKey, wrapping }, signal]]);
  });

  it("is attested nothing where one only wants to know", async () => {
    const { trust, unwrap, attest } = carrying();
    expect(await trust.vouchForCarried(pair, { attest: false })).toBeUndefined();
    expect({ unwrap: unwrap.mock.calls.length, attest: attest.mock.calls.length }).toEqual({ unwrap: 1, attest: 0 });
  });

  it("is refused without a question to KMS where it contradicts the service's own settings", async () => {
    const { trust, unwrap } = carrying(undefined, ["another-name"]);
    const error = untrustedSaying(
      `${what} has the context key name ${contextKeyName}, which is not the one of contextKeyName`,
    );
    await expect(trust.vouchForCarried(pair, { attest: true })).rejects.toEqual(error);
    expect(unwrap).not.toHaveBeenCalled();
  });

  it("is refused where KMS attests under another key than the one that unwraps", async () => {
    const { trust } = carrying(noSuchKeyArn.replace("key/0", "key/1"));
    const error = untrustedSaying(`${what} names one KMS key for its private half and another for its attestation`);
    await expect(trust.vouchForCarried(pair, { attest: true })).rejects.toEqual(error);
  });

  it("is not vouched for where KMS refuses", async () => {
    const { trust, unwrap, attest } = carrying();
    const refused = failure("access-denied");
    unwrap.mockRejectedValueOnce(refused);
    await expect(trust.vouchForCarried(pair, { attest: true })).rejects.toBe(refused);
    expect(attest).not.toHaveBeenCalled();
    attest.mockRejectedValueOnce(refused);
    await expect(trust.vouchForCarried(pair, { attest: true })).rejects.toBe(refused);
  });
});
