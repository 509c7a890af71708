import { describe, expect, it } from "vitest";
import type { KmsProvider } from "../../src/index.js";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import { KmsCalls, type NewKeyPair } from "../../src/key-pairs/kms-calls.js";
import { kmsError, kmsFailureKinds, type KmsFailureKind } from "../../src/kms/kms-error.js";
import { altered } from "./altered-kms.js";
import { configuration, contextKeyName, forRsa, homeRegion, kmsKeyAliasArn, organizationId, world } from "./world.js";

const request: NewKeyPair = {
  organizationId,
  sequence: 1,
  spec: "X25519",
  createdAt: 1,
  kmsKeyAliasArn,
  periodicKeyChange: configuration.periodicKeyChange,
  scheduleAnchor: 1,
  contextKeyName,
  purpose: "key-pair",
};

describe("a further Region", () => {
  const [second, third] = ["us-east-1", "ap-southeast-2"] as const;
  const multiRegionKey = (region: string) => `arn:aws:kms:${region}:111122223333:key/mrk-${"0".repeat(32)}`;
  const singleRegionKey = multiRegionKey(homeRegion).replace("mrk-", "");

  /** Decrypts under a key stored with another Region's ARN, with an outcome for each Region asked. */
  async function decrypted({
    outcomes = {},
    stored = multiRegionKey(second),
    regions = [homeRegion, second, third],
  }: {
    outcomes?: Partial<Record<string, KmsFailureKind | "other-key">>;
    stored?: string;
    regions?: readonly string[];
  }) {
    const parts = world();
    const pair = await new KmsCalls(parts.provider, []).make(request);
    const asked: string[] = [];
    const privateKey = Buffer.alloc(32, 7);
    const kms = altered(parts.provider, {
      decrypt: async ({ keyId }) => {
        const region = keyId.split(":")[3]!;
        asked.push(region);
        const outcome = outcomes[region];
        if (outcome === "other-key") return { keyArn: singleRegionKey, plaintext: Buffer.from(privateKey) };
        if (outcome) throw kmsError(outcome, { operation: "Decrypt", keyId, message: region });
        return { keyArn: keyId, plaintext: Buffer.from(privateKey) };
      },
    });
    const wrapping = { kmsKeyArn: stored, ciphertext: Buffer.of(1) };
    const result = new KmsCalls(kms, regions).unwrap(pair, wrapping);
    const failure = await result.then(
      () => undefined,
      (error: unknown) => error,
    );
    return { asked, failure };
  }

  it("is left alone while the home Region answers", async () => {
    expect(await decrypted({})).toEqual({ asked: [homeRegion] });
  });

  it.each(kmsFailureKinds)("helps where the home Region could not be reached, and only then: %s", async (kind) => {
    const { asked, failure } = await decrypted({ outcomes: { [homeRegion]: kind } });
    if (["unreachable", "timeout", "service-error"].includes(kind)) {
      expect({ asked, failure }).toEqual({ asked: [homeRegion, second], failure: undefined });
    } else {
      const told = { kind, keyId: multiRegionKey(homeRegion) };
      expect({ asked, failure }).toMatchObject({ asked: [homeRegion], failure: told });
    }
  });

  it("is asked in its turn, and none of them twice", async () => {
    const found = await decrypted({
      outcomes: { [homeRegion]: "timeout", [second]: "unreachable" },
      stored: multiRegionKey(homeRegion),
      regions: [homeRegion, second, homeRegion, third],
    });
    expect(found).toEqual({ asked: [homeRegion, second, third] });
  });

  it.each<[outcome: KmsFailureKind, asked: readonly string[]]>([
    ["service-error", [homeRegion, second, third]],
    ["access-denied", [homeRegion, second]],
  ])("that can't help leaves the home Region's failure what it is: %s", async (outcome, asked) => {
    const outcomes = { [homeRegion]: "timeout", [second]: outcome, [third]: "unreachable" } as const;
    const failure = { kind: "timeout", keyId: multiRegionKey(homeRegion) };
    expect(await decrypted({ outcomes })).toMatchObject({ asked, failure });
  });

  it.each([
    ["a single-Region key", { stored: singleRegionKey, regions: [third, homeRegion] }],
    ["a key without a Region of its partition", { stored: multiRegionKey(homeRegion), regions: ["us-gov-west-1"] }],
    ["no Regions", { stored: multiRegionKey(homeRegion), regions: [] }],
  ])("is not asked about %s", async (_, where) => {
    const outcomes = { [homeRegion]: "unreachable" } as const;
    expect(await decrypted({ outcomes, ...where })).toMatchObject({
      asked: [homeRegion],
      failure: { kind: "unreachable" },
    });
  });

  it("is not asked where another key has answered", async () => {
    const found = await decrypted({ outcomes: { [homeRegion]: "other-key" } });
    expect(found).toMatchObject({ asked: [homeRegion], failure: { kind: "unexpected-answer" } });
  });

  it("is not asked for who has left", async () => {
    const { provider } = world();
    const pair = await new KmsCalls(provider, []).make(request);
    const asked: string[] = [];
    const leaving = altered(provider, {
      decrypt: ({ keyId }, options) => {
        asked.push(keyId);
        return Promise.reject(options!.signal!.reason);
      },
    });
    const wrapping = { kmsKeyArn: multiRegionKey(homeRegion), ciphertext: Buffer.of(1) };
    const unwrapping = new KmsCalls(leaving, [homeRegion, second]).unwrap(pair, wrapping, AbortSignal.abort("enough"));
    await expect(unwrapping).rejects.toBe("enough");
    expect(asked).toEqual([multiRegionKey(homeRegion)]);
  });
});

describe("a caller who may leave", () => {
  type Call = (calls: KmsCalls, pair: ClaimedKeyPair, signal?: AbortSignal) => Promise<unknown>;
  const { signal } = new AbortController();

  /** The options with which KMS was called. */
  async function heardBy(call: Call, given: AbortSignal | undefined): Promise<unknown[]> {
    const { provider } = world(forRsa);
    const pair = await new KmsCalls(provider, []).make(request);
    const heard: unknown[] = [];
    const listening = new Proxy(provider, {
      get: (target, name: keyof KmsProvider) => (asked: never, options: never) => {
        heard.push(options);
        return target[name](asked, options);
      },
    });
    await call(new KmsCalls(listening, []), pair, given);
    return heard;
  }

  it.each<[name: string, times: number, call: Call]>([
    ["make", 2, (calls, _, given) => calls.make(request, given)],
    ["make of RSA", 2, (calls, _, given) => calls.make({ ...request, spec: "RSA_2048" }, given)],
    ["attests", 1, (calls, pair, given) => calls.attests(pair, given)],
    ["unwrap", 1, (calls, pair, given) => calls.unwrap(pair, pair.wrapping, given)],
    ["unwrapHalf", 1, (calls, pair, given) => calls.unwrapHalf(pair, pair.wrapping, given)],
    ["rewrap", 3, (calls, pair, given) => calls.rewrap(pair, pair.wrapping, pair.wrapping.kmsKeyArn, given)],
    ["sealNeverActive", 1, (calls, pair, given) => calls.sealNeverActive(pair, given)],
    ["saysNeverActive", 1, (calls, pair, given) => calls.saysNeverActive(pair, pair.attestation, given)],
    ["describeKey", 1, (calls, _, given) => calls.describeKey(kmsKeyAliasArn, given)],
  ])("is heard by every call of %s", async (_, times, call) => {
    expect(await heardBy(call, signal)).toEqual(Array.from({ length: times }, () => ({ signal })));
    expect(await heardBy(call, undefined)).toEqual(Array.from({ length: times }, () => ({})));
  });
});

describe("describing a key", () => {
  it("is asked by the name that is given", async () => {
    const { provider, kms, keyArn } = world();
    const described = await new KmsCalls(provider, []).describeKey(kmsKeyAliasArn);
    expect(described).toMatchObject({ keyArn, keyUsage: "ENCRYPT_DECRYPT" });
    expect(kms.journal.calls()).toMatchObject([{ operation: "DescribeKey", keyId: kmsKeyAliasArn }]);
  });
});
