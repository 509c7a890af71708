import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import { invented, spoilt } from "./inventions.js";
import { trusting, wrongKey } from "./trusting.js";
import { failure } from "./verdicts.js";
import { minute } from "./world.js";

describe("a claim that KMS has disowned", () => {
  it("is not asked about again, also by others of the process, and neither host nor fleet helps", async () => {
    const { trust, attests, disowned } = trusting();
    const other = trusting(disowned);
    const claim = invented();
    attests.mockResolvedValueOnce(false);
    await trust.ask(claim);
    for (const each of [trust, other.trust]) {
      expect(await each.ask({ ...claim })).toEqual({ status: "disowned", error: wrongKey(claim) });
      expect(() => each.vouchByHost(claim)).toThrow(wrongKey(claim));
      expect(each.knownToBeNone(claim)).toEqual(wrongKey(claim));
    }
    expect({ own: attests.mock.calls.length, others: other.attests.mock.calls.length }).toEqual({ own: 1, others: 0 });
  });

  it("is remembered as it stands: the genuine pair of a spoilt copy is asked about", async () => {
    const { trust, attests } = trusting();
    const pair = invented();
    attests.mockResolvedValueOnce(false);
    expect(await trust.ask(spoilt(pair))).toMatchObject({ status: "disowned" });
    expect(await trust.ask(pair)).toMatchObject({ status: "confirmed" });
  });

  it.each(["refused", "no-verdict"] as const)("is another thing than one with the verdict %s", async (status) => {
    const { trust, attests } = trusting();
    const claim = invented();
    attests.mockRejectedValueOnce(failure(status === "refused" ? "key-disabled" : "unreachable"));
    expect(await trust.ask(claim)).toMatchObject({ status });
    expect(await trust.ask(claim)).toMatchObject({ status: "confirmed" });
  });

  it.each([
    ["by its attestation", { denied: false, made: false }],
    ["by its private half", { denied: true, made: false }],
    ["when it was made", { denied: false, made: true }],
  ])("after KMS confirmed it %s, is asked about again", async (_, { denied, made }) => {
    const { trust, attests, disowned } = trusting();
    const claim = invented();
    if (denied) attests.mockRejectedValueOnce(failure("access-denied"));
    if (made) await trust.vouchForNew(claim, { named: false });
    else await trust.ask(claim);
    attests.mockResolvedValueOnce(false);
    expect(await trust.ask(claim)).toEqual({ status: "disowned", error: wrongKey(claim) });
    expect(await trust.ask(claim)).toMatchObject({ status: "confirmed" });
    const spy = vi.spyOn(disowned, "add");
    attests.mockResolvedValueOnce(false);
    await trust.ask(spoilt(claim));
    expect(spy).toHaveBeenCalledTimes(1);
  });

  it("is remembered although a thousand others were confirmed, which are forgotten then", async () => {
    const { trust, attests, disowned } = trusting();
    const add = vi.spyOn(disowned, "add");
    const [first, last] = [invented(), invented()];
    const others = (count: number) =>
      Promise.all(
        Array.from({ length: count }, () =>
          trust.ask({ ...first, attestation: { ...first.attestation, ciphertext: randomBytes(16) } }),
        ),
      );
    const isKept = async (claim: ClaimedKeyPair) => {
      attests.mockResolvedValueOnce(false);
      await trust.ask(claim);
      return add.mock.calls.splice(0).length === 0;
    };
    await trust.ask(first);
    await others(999);
    expect(await isKept(first)).toBe(true);
    await trust.ask(last);
    expect({ first: await isKept(first), last: await isKept(last) }).toEqual({ first: false, last: true });
  });
});

describe("a claim that KMS has refused to speak of", () => {
  /** A process to which KMS has refused an answer about one claim. */
  async function refused() {
    const parts = trusting();
    const claim = invented();
    expect(parts.trust.refusedAt(claim)).toBeUndefined();
    parts.attests.mockRejectedValueOnce(failure("key-disabled"));
    await parts.trust.ask(claim);
    return { ...parts, claim, at: { wall: parts.clock.now(), monotonic: parts.clock.monotonic() } };
  }

  it("is known by when that was, as it stands", async () => {
    const { trust, claim, clock, at } = await refused();
    clock.advance(minute);
    expect({ claim: trust.refusedAt(claim), copy: trust.refusedAt(spoilt(claim)) }).toEqual({
      claim: at,
      copy: undefined,
    });
  });

  it("is asked about again by whoever wants to know", async () => {
    const { trust, claim, attests } = await refused();
    expect(trust.knownToBeNone(claim)).toBeUndefined();
    expect(await trust.ask(claim)).toMatchObject({ status: "confirmed" });
    expect(attests).toHaveBeenCalledTimes(2);
  });

  it.each([
    ["confirms it", true],
    ["disowns it", false],
    ["can't be reached", failure("unreachable")],
  ])("is no more once KMS %s", async (_, answer) => {
    const { trust, claim, attests } = await refused();
    attests.mockImplementationOnce(async () => (typeof answer === "boolean" ? answer : Promise.reject(answer)));
    await trust.ask(claim);
    expect(trust.refusedAt(claim)).toBeUndefined();
  });

  it("is forgotten once ten thousand others were refused", async () => {
    const { trust, claim, attests, at } = await refused();
    const error = failure("key-disabled");
    attests.mockImplementation(() => Promise.reject(error));
    const other = (index: number) => ({
      ...claim,
      attestation: { ...claim.attestation, ciphertext: Buffer.from(String(index)) },
    });
    for (let index = 1; index < 10_000; index += 1) await trust.ask(other(index));
    expect(trust.refusedAt(claim)).toEqual(at);
    await trust.ask(other(10_000));
    expect({ first: trust.refusedAt(claim), last: trust.refusedAt(other(10_000)) }).toEqual({
      first: undefined,
      last: at,
    });
  });
});
