import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { StatusDocument } from "../../../src/key-pairs/documents.js";
import {
  decodeStatus,
  encodeStatus,
  FleetSecret,
  shortestFleetSecret,
  type FleetWord,
} from "../../../src/key-pairs/active/fleet-word.js";
import { attestedDigest } from "../../../src/key-pairs/key-pair.js";
import { invented } from "../inventions.js";
import { failure } from "../verdicts.js";
import { fleetSecret, organizationId, world } from "../world.js";
import { statusOf } from "../../../src/key-pairs/active/fleet-status.js";

const { trust } = world().worker();
const pair = trust.vouchByHost(invented({ birth: { sequence: 3 } }));
const well = statusOf(pair, { confirmedAt: 1_000, at: 2_000 });
const ill = statusOf(pair, { confirmedAt: 1_000, at: 2_000, error: failure("throttled", "slow down") });
const drifted = statusOf(pair, {
  ...{ confirmedAt: 1_000, at: 2_000 },
  alias: { at: 1_900, since: 1_800, kmsKeyArn: "arn:aws:kms:eu-west-1:000000000000:key/b" },
});
const secret = new FleetSecret([fleetSecret()]);
const signed = (status: StatusDocument = well) => secret.sign(organizationId, status);

describe("what is told of a pair", () => {
  const { keyPairId } = pair.birth;
  const attested = attestedDigest(pair);
  const common = { keyPairId, sequence: 3, attested, confirmedAt: 1_000, at: 2_000 };

  it("is which pair KMS vouched for and when, and when it was asked last", () => {
    expect(well).toEqual(common);
    expect(well).not.toHaveProperty("failure");
  });

  it("is why KMS gave no good answer, in words that are not too long", () => {
    expect(ill.failure).toEqual({ kind: "throttled", operation: "Decrypt", message: "slow down" });
    const error = Object.assign(failure("throttled", "x".repeat(1_001)), { operation: "y".repeat(1_001) });
    const long = statusOf(pair, { confirmedAt: 1, at: 2, error });
    expect(long.failure).toEqual({ kind: "throttled", operation: "y".repeat(1_000), message: "x".repeat(1_000) });
    expect(secret.verify(organizationId, signed(long))).toBeDefined();
  });

  it.each([well, ill, drifted, signed(), signed(ill), signed(drifted)])(
    "comes back from the store as it was",
    (status) => {
      expect(decodeStatus(encodeStatus(status))).toEqual(status);
    },
  );

  it("is named in the error where it can't be read", () => {
    expect(() => decodeStatus(Buffer.from("torn"))).toThrow("status item: is not JSON");
  });
});

describe("the fleet's authentication", () => {
  it("asks for a secret as long as the HMAC's output", () => {
    expect(shortestFleetSecret).toBe(32);
  });

  it("is HMAC-SHA-256 under the secret over label and canonical fields", () => {
    const u64 = (value: number) => Buffer.from(value.toString(16).padStart(16, "0"), "hex");
    const macOf = (...values: (Buffer | undefined)[]) => {
      const mac = createHmac("sha256", fleetSecret()).update("recording-keystore fleet word v1\0");
      values.forEach((value, index) => {
        if (value) mac.update(Buffer.from([0x80, index + 1, value.length >> 8, value.length & 0xff])).update(value);
      });
      return mac.digest();
    };
    const { keyPairId } = pair.birth;
    const head = [
      Buffer.from(organizationId),
      Buffer.from(keyPairId),
      u64(3),
      attestedDigest(pair),
      u64(1_000),
      u64(2_000),
    ];
    const texts = ["throttled", "Decrypt", "slow down"].map((text) => Buffer.from(text));
    const none = [undefined, undefined, undefined];
    const look = [u64(1_900), u64(1_800), Buffer.from(drifted.alias!.kmsKeyArn!)];
    const refused = { ...drifted, alias: { at: 1_900, since: 1_800, refusal: "key-disabled" } };
    expect({
      well: signed().mac,
      ill: signed(ill).mac,
      looked: signed({ ...well, alias: { at: 1_900 } }).mac,
      drifted: signed(drifted).mac,
      refused: signed(refused).mac,
    }).toEqual({
      well: macOf(...head),
      ill: macOf(...head, ...texts),
      looked: macOf(...head, ...none, u64(1_900)),
      drifted: macOf(...head, ...none, ...look),
      refused: macOf(...head, ...none, u64(1_900), u64(1_800), undefined, Buffer.from("key-disabled")),
    });
  });

  it.each([well, ill])("makes a word of what was told, for the fleet's own organization alone", (status) => {
    const word: FleetWord | undefined = secret.verify(organizationId, signed(status));
    expect(word).toEqual(signed(status));
    expect(secret.verify("org-2", signed(status))).toBeUndefined();
  });

  it("is on nothing without a secret", () => {
    const none = new FleetSecret([]);
    expect(none.sign(organizationId, well)).toEqual(well);
    expect(none.verify(organizationId, signed())).toBeUndefined();
  });

  const changes: [what: string, change: Partial<StatusDocument>][] = [
    ["the pair's id", { keyPairId: "another" }],
    ["its sequence", { sequence: 4 }],
    ["its digest", { attested: Buffer.alloc(32) }],
    ["when it was confirmed", { confirmedAt: 1_001 }],
    ["when KMS was asked", { at: 2_001 }],
    ["the kind of failure", { failure: { ...ill.failure!, kind: "key-disabled" } }],
    ["the operation that failed", { failure: { ...ill.failure!, operation: "Encrypt" } }],
    ["the words of the failure", { failure: { ...ill.failure!, message: "" } }],
    [
      "where one text ends and the next begins",
      { failure: { kind: "throttledD", operation: "ecrypt", message: "slow down" } },
    ],
    ["its authentication", { mac: Buffer.alloc(32) }],
    ["how long its authentication is", { mac: signed(ill).mac!.subarray(0, 31) }],
  ];

  it.each(changes)("is broken by a change of %s", (_, change) => {
    expect(secret.verify(organizationId, { ...signed(ill), ...change })).toBeUndefined();
  });

  it.each<[what: string, alias: StatusDocument["alias"]]>([
    ["hidden", undefined],
    ["said to be over", { at: 1_900 }],
    ["brought forward", { ...drifted.alias!, at: 1_901 }],
    ["given another beginning", { ...drifted.alias!, since: 1_801 }],
    ["given another KMS key", { ...drifted.alias!, kmsKeyArn: "arn:aws:kms:eu-west-1:000000000000:key/c" }],
    ["given a refusal", { ...drifted.alias!, refusal: "key-disabled" }],
    ["given a refusal in the KMS key's place", { at: 1_900, since: 1_800, refusal: drifted.alias!.kmsKeyArn! }],
  ])("is broken where what an alias leads to is %s", (_, alias) => {
    const { alias: _alias, ...rest } = signed(drifted);
    expect(secret.verify(organizationId, { ...rest, ...(alias ? { alias } : {}) })).toBeUndefined();
    expect(secret.verify(organizationId, signed(drifted))).toBeDefined();
  });

  it("is broken where a failure is left out, added, or the authentication missing", () => {
    const { failure: _failure, ...hidden } = signed(ill);
    const added = { ...signed(), failure: ill.failure };
    for (const status of [hidden, added, well, ill]) expect(secret.verify(organizationId, status)).toBeUndefined();
  });

  it("is of the fleet's own secret, whole", () => {
    const longer = new FleetSecret([new Uint8Array(33).fill(1)]);
    for (const other of [new FleetSecret([fleetSecret(2)]), longer]) {
      expect(other.verify(organizationId, signed())).toBeUndefined();
    }
  });

  it.each([
    ["the id", { keyPairId: "x".repeat(70_000) }],
    ["the digest", { attested: Buffer.alloc(70_000) }],
    ["the kind", { failure: { kind: "x".repeat(70_000), operation: "", message: "" } }],
    ["the operation", { failure: { kind: "", operation: "x".repeat(70_000), message: "" } }],
    ["the message", { failure: { kind: "", operation: "", message: "x".repeat(70_000) } }],
    ["the KMS key", { alias: { at: 1, kmsKeyArn: "x".repeat(70_000) } }],
    ["the refusal", { alias: { at: 1, refusal: "x".repeat(70_000) } }],
  ])("is on nothing longer than any field can be, which harms nobody: %s", (_, change) => {
    expect(secret.verify(organizationId, { ...signed(), ...change })).toBeUndefined();
  });
});

describe("a secret that is being rotated", () => {
  const changing = new FleetSecret([fleetSecret(2), fleetSecret(1), fleetSecret(3)]);

  it("is accepted in any place of the list, and its first one signs", () => {
    for (const number of [1, 2, 3]) {
      const word = new FleetSecret([fleetSecret(number)]).sign(organizationId, well);
      expect(changing.verify(organizationId, word)).toEqual(word);
    }
    expect(
      changing.verify(organizationId, new FleetSecret([fleetSecret(4)]).sign(organizationId, well)),
    ).toBeUndefined();
    const bySecond = new FleetSecret([fleetSecret(2)]).sign(organizationId, well);
    expect(changing.sign(organizationId, well)).toEqual(bySecond);
  });

  it("is a copy: the caller's stays as it is, and may be wiped", () => {
    const given = fleetSecret();
    const own = new FleetSecret([given]);
    expect(given).toEqual(fleetSecret());
    given.fill(0);
    expect(own.sign(organizationId, well)).toEqual(signed());
  });
});
