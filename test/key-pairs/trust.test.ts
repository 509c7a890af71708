import { describe, expect, it, vi } from "vitest";
import { DisownedClaims } from "../../src/key-pairs/disowned-claims.js";
import { untrusted } from "../../src/key-pairs/failures.js";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import type { KmsCalls } from "../../src/key-pairs/kms-calls.js";
import { Trust, type Verdict, type VouchedKeyPair } from "../../src/key-pairs/trust.js";
import { TrustAnchor } from "../../src/key-pairs/trust-anchor.js";
import { TestClock } from "../../src/testing/index.js";
import { invented } from "./inventions.js";
import { failure } from "./verdicts.js";

const arn = (resource: string, { account = "111122223333", region = "eu-west-1" } = {}) =>
  `arn:aws:kms:${region}:${account}:${resource}`;
const alias = arn("alias/recordings");
const key = arn("key/1");
const account = "999999999999";
const elsewhere = { account };
const abroad = { region: "us-east-1" };
const otherAlias = arn("alias/other", elsewhere);
const otherKey = arn("key/1", elsewhere);

interface Given {
  readonly of?: string;
  readonly wrapping?: string;
  readonly attestation?: string;
  readonly contextKeyName?: string;
}

const ciphertext = Buffer.from("ciphertext");
const under = (kmsKeyArn: string) => ({ kmsKeyArn, ciphertext });
const pair = ({ of = alias, wrapping = key, attestation = wrapping, contextKeyName = "organization" }: Given = {}) =>
  invented({
    birth: { keyPairId: "pair-1", kmsKeyAliasArn: of, contextKeyName },
    wrapping: under(wrapping),
    attestation: under(attestation),
  });

/** With this anchor, or on first use, and a KMS that confirms everything; and what KMS is asked. */
function trustOf(entries?: readonly string[], settings: { requireConfirmed?: boolean } = {}) {
  const attests = vi.fn(async () => true);
  const unwrapHalf = vi.fn(async () => undefined);
  const trust = new Trust({
    anchor: entries && new TrustAnchor(entries),
    homeRegion: "eu-west-1",
    contextKeyNames: ["organization", "tenant"],
    calls: { attests, unwrapHalf } as unknown as KmsCalls,
    disowned: new DisownedClaims(),
    clock: new TestClock(),
    ...settings,
  });
  return { trust, attests, unwrapHalf };
}

const covering = () => trustOf(["111122223333"]);
const says = (message: string) =>
  expect.objectContaining({
    code: "ERR_KEY_PAIR_UNTRUSTED",
    message: `key pair pair-1 ${message}`,
  }) as unknown as Error;
const notCovered = (what: string) => `is under ${what}, which the trust anchor does not cover`;
const notOwn = (what: string) => `names the KMS key ${what}, which is not of its alias's account and Region`;
const notHere = (what: string) => `is under ${what}, which is not in the home Region eu-west-1`;

const contradictions: [what: string, given: ClaimedKeyPair, message: string][] = [
  ["an alias elsewhere", pair({ of: otherAlias }), notCovered(otherAlias)],
  ["a wrapping elsewhere", pair({ wrapping: otherKey, attestation: key }), notCovered(otherKey)],
  ["an attestation elsewhere", pair({ attestation: otherKey }), notCovered(otherKey)],
  ["a key in another Region", pair({ wrapping: arn("key/1", abroad) }), notHere(arn("key/1", abroad))],
  [
    "an attestation by another Region's key",
    pair({ attestation: arn("key/1", abroad) }),
    notHere(arn("key/1", abroad)),
  ],
  [
    "a wrapping by another Region's key",
    pair({ wrapping: arn("key/1", abroad), attestation: key }),
    notHere(arn("key/1", abroad)),
  ],
  [
    "one key for its private half and another for its attestation",
    pair({ attestation: arn("key/2") }),
    "names one KMS key for its private half and another for its attestation",
  ],
  ["an alias in the place of a key", pair({ wrapping: alias }), notCovered(alias)],
  ["an alias of another Region", pair({ of: arn("alias/recordings", abroad) }), notOwn(key)],
  [
    "a context key name that is not the service's own",
    pair({ contextKeyName: "their-own" }),
    "has the context key name their-own, which is not the one of contextKeyName",
  ],
];

describe("what contradicts the service's own settings", () => {
  it.each(contradictions)("%s is disowned without a question to KMS", async (_, given, message) => {
    const { trust, attests, unwrapHalf } = covering();
    expect(await trust.ask(given)).toEqual({ status: "disowned", error: says(message) });
    expect({ attests: attests.mock.calls, unwrapHalf: unwrapHalf.mock.calls }).toEqual({ attests: [], unwrapHalf: [] });
  });

  it.each(contradictions)(
    "%s is not vouched for by host, by fleet or for a new pair either",
    async (_, given, message) => {
      const { trust, unwrapHalf } = covering();
      expect(() => trust.vouchByHost(given)).toThrow(says(message));
      for (const named of [true, false])
        await expect(trust.vouchForNew(given, { named })).rejects.toEqual(says(message));
      expect(unwrapHalf).not.toHaveBeenCalled();
    },
  );

  it.each(contradictions)("%s is not tolerated while KMS is away", (_, given) => {
    const { trust } = covering();
    expect(trust.tolerate(given, { status: "no-verdict", error: failure("unreachable") })).toBeUndefined();
  });

  it("is none of a pair under any of the service's context key names", async () => {
    const { trust } = covering();
    for (const contextKeyName of ["organization", "tenant"]) {
      expect(await trust.ask(pair({ contextKeyName }))).toMatchObject({ status: "confirmed" });
    }
  });

  it("is none of a multi-Region key whose replica can be in the home Region", async () => {
    const { trust } = covering();
    expect(await trust.ask(pair({ wrapping: arn("key/mrk-1", abroad) }))).toMatchObject({ status: "confirmed" });
    expect(trust.vouchByHost(pair({ wrapping: arn("key/mrk-1") }))).toBeDefined();
  });
});

describe("a pair that nobody could be asked about", () => {
  const noVerdict: Verdict = { status: "no-verdict", error: failure("unreachable") };
  const others: Verdict[] = [
    { status: "refused", error: failure("key-disabled") },
    { status: "disowned", error: untrusted("no") },
    { status: "confirmed", pair: pair() as VouchedKeyPair },
  ];

  it("is tolerated where its text gives no reason for KMS's silence", () => {
    const given = pair();
    expect(covering().trust.tolerate(given, noVerdict)).toBe(given);
  });

  it.each(others)("is not tolerated on the verdict $status", (verdict) => {
    expect(covering().trust.tolerate(pair(), verdict)).toBeUndefined();
  });

  it("is not tolerated by a service that has said nothing of its KMS keys", () => {
    expect(trustOf().trust.tolerate(pair(), noVerdict)).toBeUndefined();
  });

  it("is not tolerated where nothing unconfirmed is wanted", () => {
    const { trust } = trustOf(["111122223333"], { requireConfirmed: true });
    expect(trust.tolerate(pair(), noVerdict)).toBeUndefined();
  });

  it("is not tolerated where one of its key ARNs is not written as KMS writes it", () => {
    const { trust } = covering();
    const odd = arn("key/A");
    expect(trust.tolerate(pair({ wrapping: odd }), noVerdict)).toBeUndefined();
    expect(trust.tolerate(pair({ wrapping: arn("key/a") }), noVerdict)).toBeDefined();
  });
});

describe("decryption under an earlier pair", () => {
  it("asks for a covered key of its own alias's account and Region", () => {
    const { trust } = covering();
    const far = arn("key/1", abroad);
    expect(() => trust.checkForDecryption(pair({ attestation: otherKey }))).not.toThrow();
    const uncovered = says(`is under ${otherKey}, which trustedKmsKeys does not cover`);
    expect(() => trust.checkForDecryption(pair({ wrapping: otherKey }))).toThrow(uncovered);
    expect(() => trust.checkForDecryption(pair({ wrapping: far }))).toThrow(says(notOwn(far)));
  });

  it("is covered by the anchor, or by anything without one", () => {
    const { trust } = covering();
    const given = [pair(), pair({ wrapping: otherKey })];
    expect(given.map((each) => trust.coversForDecryption(each))).toEqual([true, false]);
    expect(given.map((each) => trustOf().trust.coversForDecryption(each))).toEqual([true, true]);
  });

  it("opens, on first use, also under an account that the organization has left", () => {
    const { trust } = trustOf();
    trust.adopt(alias);
    expect(() => trust.checkForDecryption(pair({ of: otherAlias, wrapping: otherKey }))).not.toThrow();
    for (const foreign of [key, otherAlias]) {
      const given = pair({ of: otherAlias, wrapping: foreign });
      expect(() => trust.checkForDecryption(given)).toThrow(says(notOwn(foreign)));
    }
  });
});

describe("with trustedKmsKeys", () => {
  it("says so, whatever aliases it meets", () => {
    const { trust } = covering();
    trust.adopt(otherAlias);
    expect(trust.basis).toEqual({ kind: "configured" });
    expect({ own: trust.coversKey(key), met: trust.coversKey(otherKey) }).toEqual({ own: true, met: false });
  });
});

describe("on first use", () => {
  it("trusts any key before the first alias, then those that it may point at", () => {
    const { trust } = trustOf();
    const covered = () => ({
      alias: trust.coversKey(alias),
      key: trust.coversKey(key),
      replica: trust.coversKey(arn("key/mrk-1", abroad)),
      abroad: trust.coversKey(arn("key/1", abroad)),
      elsewhere: trust.coversKey(otherKey),
    });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: undefined });
    expect(covered()).toEqual({ alias: false, key: true, replica: true, abroad: true, elsewhere: true });
    trust.adopt(alias);
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: alias });
    expect(covered()).toEqual({ alias: false, key: true, replica: true, abroad: false, elsewhere: false });
  });

  it.each([
    ["its account and Region", arn("alias/second"), true],
    ["another account", arn("alias/second", elsewhere), false],
    ["another Region", arn("alias/second", abroad), false],
    ["another partition", "arn:aws-cn:kms:cn-north-1:111122223333:alias/second", false],
  ])("trusts, beside the first alias, another one of %s: %s, %s", (_, of, trusted) => {
    const { trust } = trustOf();
    trust.adopt(alias);
    const known = trust.knownToBeNone(pair({ of }));
    expect(known).toEqual(trusted ? undefined : says(notCovered(of)));
  });

  it("trusts the alias of the first pair that is vouched for, and no later one's", async () => {
    const other = pair({ of: otherAlias, wrapping: otherKey });
    const byKms = trustOf();
    await byKms.trust.ask(pair());
    expect(await byKms.trust.ask(other)).toEqual({ status: "disowned", error: says(notCovered(otherAlias)) });
    const byHost = trustOf();
    byHost.trust.vouchByHost(pair());
    expect(() => byHost.trust.vouchByHost(other)).toThrow(says(notCovered(otherAlias)));
    for (const { trust } of [byKms, byHost]) {
      expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: alias });
    }
  });

  it("keeps the first alias where a later pair is under another one of its account", async () => {
    const { trust } = trustOf();
    await trust.ask(pair());
    expect(await trust.ask(pair({ of: arn("alias/second") }))).toMatchObject({ status: "confirmed" });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: alias });
  });

  it("trusts no alias of a pair that KMS disowns or says nothing of", async () => {
    const { trust, attests } = trustOf();
    attests.mockResolvedValueOnce(false);
    await trust.ask(pair());
    attests.mockRejectedValueOnce(failure("unreachable"));
    await trust.ask(pair());
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: undefined });
  });

  it("makes a new pair under another alias only where the caller of configure() names it", async () => {
    const { trust } = trustOf();
    trust.adopt(alias);
    const moved = pair({ of: otherAlias, wrapping: otherKey });
    await expect(trust.vouchForNew(moved, { named: false })).rejects.toEqual(says(notCovered(otherAlias)));
    expect(await trust.vouchForNew(moved, { named: true })).toBe(moved);
    const mixed = pair({ of: otherAlias, wrapping: key });
    await expect(trust.vouchForNew(mixed, { named: true })).rejects.toEqual(says(notOwn(key)));
    const wrapped = pair({ of: otherAlias, wrapping: otherAlias });
    await expect(trust.vouchForNew(wrapped, { named: true })).rejects.toEqual(says(notOwn(otherAlias)));
    trust.adopt(otherAlias);
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: otherAlias });
    expect(await trust.ask(moved)).toMatchObject({ status: "confirmed" });
  });
});
