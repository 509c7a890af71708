import { describe, expect, it } from "vitest";
import type { KeyPair } from "../../src/key-pairs/key-pair.js";
import { KeyTrust } from "../../src/key-pairs/key-trust.js";
import { TrustAnchor } from "../../src/kms/trust-anchor.js";

const arn = (resource: string, { account = "111122223333", region = "eu-west-1" } = {}) => `arn:aws:kms:${region}:${account}:${resource}`;
const alias = arn("alias/recordings");
const key = arn("key/1");
const elsewhere = { account: "999999999999" };
const abroad = { region: "us-east-1" };

const pair = ({ of = alias, wrapping = key, attestation = key } = {}) =>
  ({ birth: { keyPairId: "pair-1", kmsKeyAliasArn: of }, wrapping: { kmsKeyArn: wrapping }, attestation: { kmsKeyArn: attestation } }) as KeyPair;
const untrusted = (message: string) => expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message: `key pair pair-1 ${message}` }) as unknown as Error;
const notOwn = (arnOfKey: string) => `names the KMS key ${arnOfKey}, which is not of its alias's account and Region`;

describe("with trustedKmsKeys", () => {
  const trust = () => new KeyTrust(new TrustAnchor(["111122223333"]));

  it("says so, whatever aliases it meets", () => {
    const met = trust();
    met.adopt(arn("alias/other", elsewhere));
    met.adoptIfFirst(alias);
    expect(met.basis).toEqual({ kind: "configured" });
    expect([met.covers(alias), met.covers(arn("alias/other", elsewhere))]).toEqual([true, false]);
  });

  it("a pair may become active whose alias and keys are all covered, and of one account and Region", () => {
    expect(() => trust().checkActive(pair())).not.toThrow();
    expect(() => trust().checkActive(pair({ wrapping: arn("key/mrk-1", abroad), attestation: arn("key/mrk-1", abroad) }))).not.toThrow();
  });

  it.each([
    ["an alias elsewhere", pair({ of: arn("alias/recordings", elsewhere) }), `is under ${arn("alias/recordings", elsewhere)}, which the trust anchor does not cover`],
    ["a wrapping elsewhere", pair({ wrapping: arn("key/1", elsewhere) }), `is under ${arn("key/1", elsewhere)}, which the trust anchor does not cover`],
    ["an attestation elsewhere", pair({ attestation: arn("key/1", elsewhere) }), `is under ${arn("key/1", elsewhere)}, which the trust anchor does not cover`],
    ["a wrapping by another Region's key", pair({ wrapping: arn("key/1", abroad) }), notOwn(arn("key/1", abroad))],
    ["an attestation by another Region's key", pair({ attestation: arn("key/1", abroad) }), notOwn(arn("key/1", abroad))],
    ["a wrapping that names an alias for a key", pair({ wrapping: alias }), notOwn(alias)],
  ])("%s makes it untrusted, whoever named it", (_, given, message) => {
    expect(() => trust().checkActive(given)).toThrow(untrusted(message));
    expect(() => trust().checkActive(given, { named: true })).toThrow(untrusted(message));
  });

  it("an earlier pair is unwrapped only under a covered key of its own alias's account and Region", () => {
    expect(() => trust().checkForDecryption(pair({ attestation: arn("key/1", elsewhere) }))).not.toThrow();
    const [foreign, far] = [arn("key/1", elsewhere), arn("key/1", abroad)];
    expect(() => trust().checkForDecryption(pair({ wrapping: foreign }))).toThrow(untrusted(`is under ${foreign}, which trustedKmsKeys does not cover`));
    expect(() => trust().checkForDecryption(pair({ wrapping: far }))).toThrow(untrusted(notOwn(far)));
  });
});

describe("on first use", () => {
  it("any alias is trusted before the first, then that one and the keys it may point at", () => {
    const trust = new KeyTrust(undefined);
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: undefined });
    expect(trust.covers(arn("alias/other", elsewhere))).toBe(true);
    trust.adoptIfFirst(alias);
    trust.adoptIfFirst(arn("alias/other", elsewhere));
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: alias });
    expect([alias, key, arn("key/mrk-1", abroad), arn("key/1", abroad), arn("key/1", elsewhere)].map((each) => trust.covers(each))).toEqual([true, true, true, false, false]);
  });

  it("another alias is trusted only when the caller of configure() names it", () => {
    const trust = new KeyTrust(undefined);
    trust.adoptIfFirst(alias);
    const [of, foreign] = [arn("alias/other", elsewhere), arn("key/1", elsewhere)];
    const moved = pair({ of, wrapping: foreign, attestation: foreign });
    expect(() => trust.checkActive(moved)).toThrow(untrusted(`is under ${of}, which the trust anchor does not cover`));
    expect(() => trust.checkActive(moved, { named: true })).not.toThrow();
    expect(() => trust.checkActive(pair({ of, wrapping: foreign, attestation: key }), { named: true })).toThrow(untrusted(notOwn(key)));
    trust.adopt(of);
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: of });
    expect(() => trust.checkActive(moved)).not.toThrow();
  });

  it("recordings of an account that the organization has left still open", () => {
    const trust = new KeyTrust(undefined);
    trust.adopt(alias);
    const [of, foreign] = [arn("alias/other", elsewhere), arn("key/1", elsewhere)];
    expect(() => trust.checkForDecryption(pair({ of, wrapping: foreign }))).not.toThrow();
    expect(() => trust.checkForDecryption(pair({ of, wrapping: key }))).toThrow(untrusted(notOwn(key)));
  });
});
