import { describe, expect, it } from "vitest";
import { FleetSecret } from "../../src/key-pairs/active/fleet-word.js";
import { untrusted } from "../../src/key-pairs/failures.js";
import { kmsFailureGroup, kmsFailureKinds, type KmsFailureKind } from "../../src/kms/kms-error.js";
import { invented, spoilt } from "./inventions.js";
import { trusting, untrustedSaying, wrongKey } from "./trusting.js";
import { failure, held } from "./verdicts.js";
import { fleetSecret, organizationId } from "./world.js";
import { statusOf } from "../../src/key-pairs/active/fleet-status.js";

const statusOfGroup = { unavailable: "no-verdict", refused: "refused", rejected: "disowned" } as const;
const verdictOf = (kind: KmsFailureKind) => [kind, statusOfGroup[kmsFailureGroup(kind)]] as const;

describe("KMS's verdict on a claim", () => {
  it("is confirmed where its attestation opens to it, which is all that is asked", async () => {
    const { trust, attests, unwrapHalf } = trusting();
    const claim = invented();
    expect(await trust.ask(claim)).toEqual({ status: "confirmed", pair: claim });
    expect({ attested: attests.mock.calls, unwrapped: unwrapHalf.mock.calls }).toEqual({
      attested: [[claim]],
      unwrapped: [],
    });
  });

  it("is disowned where its attestation opens to something else", async () => {
    const { trust, attests } = trusting();
    const claim = invented();
    attests.mockResolvedValue(false);
    expect(await trust.ask(claim)).toEqual({ status: "disowned", error: wrongKey(claim) });
  });

  it.each(kmsFailureKinds.filter((kind) => kind !== "access-denied").map(verdictOf))(
    "after %s is %s, without asking for the private half",
    async (kind, status) => {
      const { trust, attests, unwrapHalf } = trusting();
      const claim = invented();
      const cause = failure(kind);
      attests.mockRejectedValue(cause);
      const rejected = untrustedSaying(`key pair ${claim.birth.keyPairId}: KMS rejects its record (${kind})`, cause);
      expect(await trust.ask(claim)).toEqual({ status, error: status === "disowned" ? rejected : cause });
      expect(unwrapHalf).not.toHaveBeenCalled();
    },
  );

  it("comes from the private half where attestations may not be decrypted", async () => {
    const { trust, attests, unwrapHalf } = trusting();
    const claim = invented();
    attests.mockRejectedValue(failure("access-denied"));
    expect(await trust.ask(claim)).toEqual({ status: "confirmed", pair: claim });
    expect(unwrapHalf.mock.calls).toEqual([[claim, claim.wrapping]]);
  });

  it.each(kmsFailureKinds.map(verdictOf))("after a denial, and %s of the private half, is %s", async (kind, status) => {
    const { trust, attests, unwrapHalf } = trusting();
    attests.mockRejectedValue(failure("access-denied", "first"));
    const second = failure(kind, "second");
    unwrapHalf.mockRejectedValue(second);
    const verdict = await trust.ask(invented());
    expect(verdict).toMatchObject({ status, error: status === "disowned" ? { cause: second } : second });
    expect(unwrapHalf).toHaveBeenCalledTimes(1);
  });

  it("is disowned where the private half is another's", async () => {
    const { trust, attests, unwrapHalf } = trusting();
    const error = untrusted("its public key is not that of its private half");
    attests.mockRejectedValue(failure("access-denied"));
    unwrapHalf.mockRejectedValue(error);
    expect(await trust.ask(invented())).toEqual({ status: "disowned", error });
  });

  it("is none where something breaks that is no answer; the next question is put anew", async () => {
    const { trust, attests } = trusting();
    const bug = new TypeError("a bug");
    const claim = invented();
    attests.mockRejectedValueOnce(bug);
    await expect(trust.ask(claim)).rejects.toBe(bug);
    expect(await trust.ask(claim)).toMatchObject({ status: "confirmed" });
  });
});

describe("questions at the same time", () => {
  it("are one about one claim, and one each about several", async () => {
    const { trust, attests } = trusting();
    const { waiting, release } = held();
    attests.mockImplementation(async () => (await waiting, true));
    const [one, other] = [invented(), invented()];
    const asked = Promise.all([trust.ask(one), trust.ask({ ...one }), trust.ask(other)]);
    release();
    expect(await asked).toMatchObject([
      { pair: { digest: one.digest } },
      { pair: { digest: one.digest } },
      { pair: { digest: other.digest } },
    ]);
    expect(attests).toHaveBeenCalledTimes(2);
    await trust.ask(one);
    expect(attests).toHaveBeenCalledTimes(3);
  });

  it("are two about a genuine pair and a spoilt copy of it", async () => {
    const { trust, attests } = trusting();
    const pair = invented();
    attests.mockImplementation(async (asked) => asked === pair);
    const [genuine, copy] = await Promise.all([trust.ask(pair), trust.ask(spoilt(pair))]);
    expect({ genuine: genuine.status, copy: copy.status }).toEqual({ genuine: "confirmed", copy: "disowned" });
  });

  it("let go of who leaves, and of nobody else", async () => {
    const { trust, attests } = trusting();
    const { waiting, release } = held();
    attests.mockImplementation(async () => (await waiting, true));
    const claim = invented();
    const leaving = new AbortController();
    const [left, stays] = [trust.ask(claim, leaving.signal), trust.ask(claim, new AbortController().signal)];
    leaving.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    release();
    expect(await stays).toMatchObject({ status: "confirmed" });
    expect(attests.mock.calls).toEqual([[claim]]);
  });

  it("are not put for whoever has left before", async () => {
    const { trust, attests } = trusting();
    await expect(trust.ask(invented(), AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
    const disowned = invented({ birth: { contextKeyName: "their-own" } });
    await expect(trust.ask(disowned, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
    expect(attests).not.toHaveBeenCalled();
  });
});

describe("a new pair", () => {
  it("is vouched for once KMS has unwrapped it, on behalf of the caller", async () => {
    const { trust, attests, unwrapHalf } = trusting();
    const made = invented();
    const { signal } = new AbortController();
    expect(await trust.vouchForNew(made, { named: false }, signal)).toBe(made);
    expect({ unwrapped: unwrapHalf.mock.calls, attested: attests.mock.calls }).toEqual({
      unwrapped: [[made, made.wrapping, signal]],
      attested: [],
    });
  });

  it("is not vouched for where KMS does not open it", async () => {
    const { trust, unwrapHalf } = trusting();
    const denied = failure("access-denied");
    unwrapHalf.mockRejectedValue(denied);
    await expect(trust.vouchForNew(invented(), { named: true })).rejects.toBe(denied);
  });
});

describe("the fleet's word", () => {
  const secret = new FleetSecret([fleetSecret()]);
  const { trust } = trusting();
  const pair = trust.vouchByHost(invented());
  const word = secret.verify(organizationId, secret.sign(organizationId, statusOf(pair, { confirmedAt: 1, at: 1 })))!;

  it("vouches for the pair that it names, and asks nobody", () => {
    const { attests, ...worker } = trusting();
    const claim = { ...pair };
    expect(worker.trust.vouchByFleet(claim, word)).toBe(claim);
    expect(attests).not.toHaveBeenCalled();
  });

  it("vouches for no other pair, and for no other public key of that name", () => {
    const other = invented();
    const wrong = { ...pair, publicKey: other.publicKey };
    for (const claim of [other, wrong]) {
      const words = untrustedSaying(`key pair ${claim.birth.keyPairId} is not the one that the fleet vouches for`);
      expect(() => trust.vouchByFleet(claim, word)).toThrow(words);
    }
  });

  it("does not vouch for what KMS has disowned to this process", async () => {
    const { attests, ...worker } = trusting();
    attests.mockResolvedValue(false);
    await worker.trust.ask(pair);
    expect(() => worker.trust.vouchByFleet(pair, word)).toThrow(wrongKey(pair));
  });
});
