import { describe, expect, it, vi } from "vitest";
import { keyUsage, type KeyUsageRequest } from "../../../src/key-pairs/operations/usage.js";
import type { ClaimedKeyPair, KmsCiphertext } from "../../../src/key-pairs/key-pair.js";
import { invented, spoilt } from "../inventions.js";
import { failure } from "../verdicts.js";
import { day, putAsWriter } from "../world.js";
import { moved } from "./rewrap-worlds.js";

const { signal } = new AbortController();

/** Two pairs under a first KMS key, one each under a second and a third; a day between them. */
async function used() {
  const parts = await moved();
  const { context, rotation, clock, moveAlias, earlier, active: second } = parts;
  clock.advance(day);
  const active = await moveAlias();
  const ask = (request: Partial<KeyUsageRequest> = {}, as = signal) =>
    keyUsage(context, active, { probe: true, compromised: [], ...request }, as);
  const answers = (answer: (pair: ClaimedKeyPair, wrapping: KmsCiphertext) => Error | string) =>
    vi.spyOn(context.calls, "unwrapHalf").mockImplementation(async (pair, wrapping) => {
      const given = answer(pair as ClaimedKeyPair, wrapping);
      if (given instanceof Error) throw given;
      return { keyMaterialId: given } as Awaited<ReturnType<typeof context.calls.unwrapHalf>>;
    });
  const keysOf = (pairs: readonly ClaimedKeyPair[]) => pairs.map(({ wrapping }) => wrapping.kmsKeyArn);
  const statesOf = async () => (await ask()).keyPairs.map(({ state }) => state);
  return { ...parts, context, rotation, pairs: [active, second, earlier], active, ask, answers, keysOf, statesOf };
}

describe("whether KMS opens everything under a KMS key", () => {
  it.each<[opens: string, later: Error | string, first: Error | string]>([
    ["yes", "a", "b"],
    ["some", "a", failure("invalid-ciphertext")],
    ["some", failure("unreachable"), "b"],
    ["no", failure("access-denied"), failure("key-disabled")],
    ["unknown", failure("access-denied"), failure("unreachable")],
    ["unknown", failure("throttled"), failure("unreachable")],
  ])("is %s where it says %s and %s", async (opens, later, first) => {
    const { ask, rotation, answers } = await used();
    const active = await rotation.rotate({}); // under the KMS key of the one before
    answers(({ birth }) => (birth.sequence === 4 ? later : birth.sequence === 3 ? first : "c"));
    const { kmsKeys } = await ask();
    expect(kmsKeys.find(({ kmsKeyArn }) => kmsKeyArn === active.wrapping.kmsKeyArn)).toMatchObject({ opens });
  });

  it("names the first failure", async () => {
    const { ask, answers } = await used();
    const refused = failure("key-disabled");
    answers(() => refused);
    expect((await ask()).kmsKeys.map(({ error, opens }) => [error, opens])).toEqual(Array(3).fill([refused, "no"]));
  });
});

describe("the state of a key pair", () => {
  it.each([
    ["key-not-found", "destroyed"],
    ["key-disabled", "suspended"],
    ["unreachable", "deactivated"],
  ] as const)("under a KMS key that is %s is %s", async (kind, state) => {
    const { answers, statesOf } = await used();
    answers(({ birth }) => (birth.sequence === 1 ? failure(kind) : "a"));
    expect(await statesOf()).toEqual(["active", "deactivated", state]);
  });

  it("is suspended, not destroyed, while one of its two KMS keys may come back, and deactivated while one opens it", async () => {
    const { answers, statesOf, put, earlier, active } = await used();
    await put(earlier, active.wrapping.kmsKeyArn);
    const isOwn = (wrapping: KmsCiphertext) => wrapping.kmsKeyArn === earlier.wrapping.kmsKeyArn;
    const refused = [failure("key-not-found"), failure("key-disabled")] as const;
    answers(({ birth }, wrapping) => (birth.sequence > 1 ? "a" : refused[isOwn(wrapping) ? 0 : 1]));
    expect((await statesOf())[2]).toBe("suspended");
    answers(({ birth }, wrapping) => (birth.sequence > 1 ? "a" : isOwn(wrapping) ? refused[0] : "b"));
    expect((await statesOf())[2]).toBe("deactivated");
  });

  it("follows from no answer of KMS where that is not asked", async () => {
    const { ask, answers } = await used();
    const asked = answers(() => failure("key-not-found"));
    const { keyPairs, kmsKeys, probed } = await ask({ probe: false });
    expect(keyPairs.map(({ state }) => state)).toEqual(["active", "deactivated", "deactivated"]);
    for (const each of [...keyPairs, ...kmsKeys])
      for (const member of ["opensUnder", "keyMaterials", "opens", "error"]) expect(each).not.toHaveProperty(member);
    expect([probed, asked.mock.calls.length]).toEqual([false, 0]);
  });

  it("is told ahead of the active pair too, but not of what KMS has disowned", async () => {
    const { ask, answers, active, store, context } = await used();
    const lost = invented({ birth: { sequence: 8 }, kmsKeyArn: active.wrapping.kmsKeyArn });
    await putAsWriter(store, lost);
    const forged = spoilt(invented({ birth: { sequence: 9 }, kmsKeyArn: active.wrapping.kmsKeyArn }));
    await context.trust.ask(forged);
    expect(context.trust.knownToBeNone(forged)).toBeDefined();
    await putAsWriter(store, forged);
    await store.createKeyPair({
      organizationId: context.organizationId,
      keyPairId: "torn",
      sequence: 7,
      document: Buffer.from("{"),
    });
    answers(() => "a");
    const { keyPairs, kmsKeys } = await ask();
    expect(keyPairs.map(({ sequence, state }) => [sequence, state])).toEqual([
      [8, "pre-activation"],
      [3, "active"],
      [2, "deactivated"],
      [1, "deactivated"],
    ]);
    expect(kmsKeys.map(({ active: isActive, keyPairs: count }) => [isActive, count])).toEqual([
      [true, 2],
      [false, 1],
      [false, 1],
    ]);
  });
});

describe("a report of the usage of KMS keys", () => {
  it("has the history newest first and the KMS keys by their last use, in whatever order KMS answers", async () => {
    const { ask, context, pairs, keysOf } = await used();
    const { unwrapHalf } = context.calls;
    vi.spyOn(context.calls, "unwrapHalf").mockImplementation(async (pair, ...rest) => {
      // The newest is answered last.
      for (let turn = 0; turn < 20 * (pair as ClaimedKeyPair).birth.sequence; turn += 1)
        await new Promise((resolve) => setImmediate(resolve));
      return unwrapHalf.call(context.calls, pair, ...rest);
    });
    const { keyPairs, kmsKeys } = await ask();
    expect(keyPairs.map(({ sequence }) => sequence)).toEqual([3, 2, 1]);
    expect(kmsKeys.map(({ kmsKeyArn }) => kmsKeyArn)).toEqual(keysOf(pairs));
  });

  it("counts a KMS key once that wraps a pair twice", async () => {
    const { ask, put, earlier, active, pairs, keysOf, answers } = await used();
    await put(earlier, earlier.wrapping.kmsKeyArn);
    await put(earlier, active.wrapping.kmsKeyArn);
    answers(() => "a");
    const { keyPairs } = await ask();
    expect(keyPairs[2]!.kmsKeyArns).toEqual([keysOf(pairs)[2], keysOf(pairs)[0]]);
    expect(keyPairs[2]!.opensUnder).toEqual(keyPairs[2]!.kmsKeyArns);
  });

  it("orders the key materials of a KMS key by their last use", async () => {
    const { ask, rotation, clock, answers } = await used();
    clock.advance(day);
    await rotation.rotate({});
    answers(({ birth }) => `material of ${birth.sequence}`);
    const { kmsKeys } = await ask();
    expect(kmsKeys[0]!.keyMaterials?.map(({ keyMaterialId }) => keyMaterialId)).toEqual([
      "material of 4",
      "material of 3",
    ]);
    expect(kmsKeys[0]).toMatchObject({ keyPairsOfUnknownMaterial: 0, active: true, keyPairs: 2 });
  });

  it("asks KMS nothing about a pair that trustedKmsKeys does not cover any more", async () => {
    const { worker, active } = await used();
    const { context } = worker({ trustedKmsKeys: [active.wrapping.kmsKeyArn, active.birth.kmsKeyAliasArn] });
    const asked = vi.spyOn(context.calls, "unwrapHalf");
    const { keyPairs } = await keyUsage(context, active, { probe: true, compromised: [] }, signal);
    expect(keyPairs.map(({ state, opensUnder }) => [state, opensUnder?.length])).toEqual([
      ["active", 1],
      ["suspended", 0],
      ["suspended", 0],
    ]);
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it("asks KMS about such a pair under a further KMS key", async () => {
    const { worker, active, earlier, put } = await used();
    await put(earlier, active.wrapping.kmsKeyArn);
    const { context } = worker({ trustedKmsKeys: [active.wrapping.kmsKeyArn, active.birth.kmsKeyAliasArn] });
    vi.spyOn(context.calls, "unwrapHalf").mockResolvedValue({} as never);
    const { keyPairs } = await keyUsage(context, active, { probe: true, compromised: [] }, signal);
    expect(keyPairs[2]).toMatchObject({ sequence: 1, state: "deactivated", opensUnder: [active.wrapping.kmsKeyArn] });
  });

  it("is given up where the caller has left, and where this process itself fails", async () => {
    const { ask, answers } = await used();
    const left = new Error("left");
    await expect(ask({}, AbortSignal.abort(left))).rejects.toBe(left);
    const controller = new AbortController();
    answers(() => (controller.abort(left), failure("unreachable")));
    await expect(ask({}, controller.signal)).rejects.toBe(left);
    const bug = new TypeError("a bug");
    answers(() => bug);
    await expect(ask()).rejects.toBe(bug);
  });
});
