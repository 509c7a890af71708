import { createHmac, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { RecordingKeyStoreError } from "../../src/index.js";
import { decodeBirthRecord, encodeBirthRecord } from "../../src/format/birth-record.js";
import { FleetSecret } from "../../src/key-pairs/active/fleet-word.js";
import { encodePublicBundle, longestBundleValidity, readPublicBundle } from "../../src/key-pairs/public-bundle.js";
import type { VouchedKeyPair } from "../../src/key-pairs/trust.js";
import { record } from "../format/birth-record-bytes.js";
import { atLength } from "../support/effort.js";

const { organizationId } = record;
const key = Buffer.alloc(32, 9);
const secret = new FleetSecret([key]);
const fleet = { organizationId, secret };
const pinned = { organizationId, secret: undefined };

const publicKey = Buffer.from("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", "hex"); // RFC 7748, 6.1
const wrapping = { kmsKeyArn: "arn:aws:kms:eu-west-1:111122223333:key/1", ciphertext: Buffer.alloc(150, 6) };
const birthRecord = encodeBirthRecord(record);
const facts = {
  confirmedAt: 1_769_860_700_000,
  exportedAt: 1_769_860_800_000,
  expiresAt: 1_769_947_200_000,
  usedLastKnownKey: false,
  keyAtRisk: true,
};
const pair = { birth: record, birthRecord, publicKey, wrapping } as VouchedKeyPair;
const bundle = encodePublicBundle(pair, { facts, selfContained: true, secret });
const read = (text: string, expected: { organizationId: string; secret: FleetSecret | undefined }) =>
  readPublicBundle(Buffer.from(text), expected);

/** The members of a bundle, to be changed at will. */
type Members = Record<string, unknown>;
const members = (text = bundle) => JSON.parse(text) as Members;
const withMembers = (change: Members) => JSON.stringify({ ...members(), ...change });
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** Signs by docs/FORMAT.md alone. */
function signed(change: Members, { signingKey = key } = {}): string {
  const { mac: _, ...content } = members(withMembers(change));
  const { kmsKeyArn, ciphertext } = (content["wrapping"] ?? {}) as Record<string, string>;
  const number = (name: string) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(content[name] as number));
    return bytes;
  };
  const values = [
    Buffer.from(decodeBirthRecord(Buffer.from(content["birthRecord"] as string, "base64")).organizationId),
    Buffer.from(content["birthRecord"] as string, "base64"),
    Buffer.from(content["publicKey"] as string, "base64"),
    ...["confirmedAt", "exportedAt", "expiresAt"].map(number),
    Buffer.of((content["usedLastKnownKey"] ? 1 : 0) + (content["keyAtRisk"] ? 2 : 0)),
    ...(kmsKeyArn !== undefined && ciphertext !== undefined
      ? [Buffer.from(kmsKeyArn), Buffer.from(ciphertext, "base64")]
      : []),
  ];
  const mac = createHmac("sha256", signingKey).update("recording-keystore public bundle v1\0");
  values.forEach((value, index) => {
    const prefix = Buffer.alloc(4);
    prefix.writeUInt16BE(0x8000 | (index + 1), 0);
    prefix.writeUInt16BE(value.length, 2);
    mac.update(prefix).update(value);
  });
  return JSON.stringify({ ...content, mac: mac.digest("base64") });
}

/** What a bundle is refused with. */
function refusal(text: string, expected = fleet as Parameters<typeof read>[1]): { code: string; message: string } {
  try {
    read(text, expected);
  } catch (error) {
    if (error instanceof RecordingKeyStoreError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: "taken", message: "" };
}

describe("a public bundle", () => {
  it("comes back as it was made, with the fleet's word and without", () => {
    for (const expected of [fleet, pinned]) {
      const { pair: got, ...rest } = read(bundle, expected);
      expect({ birth: got.birth, birthRecord: got.birthRecord, ...rest }).toEqual({
        birth: record,
        birthRecord,
        wrapping,
        ...facts,
      });
      expect(got.wrappingKey.wrap(Buffer.alloc(32))).toHaveLength(80);
    }
  });

  it("is one text of ASCII, as docs/FORMAT.md says, without any private half where recordings carry none", () => {
    expect(bundle).toBe(signed({}));
    expect(bundle).toMatch(/^[\x20-\x7e]{500,5000}$/);
    const bare = encodePublicBundle(pair, { facts, selfContained: false, secret });
    expect(bare).toBe(signed({ wrapping: undefined }));
    expect(read(bare, fleet)).not.toHaveProperty("wrapping");
    const unsigned = encodePublicBundle(pair, { facts, selfContained: true, secret: undefined });
    expect(unsigned).toBe(withMembers({ mac: undefined }));
    expect(read(unsigned, pinned)).toMatchObject(facts);
  });

  it("is the fleet's word under any of its secrets", () => {
    const [old, next] = [randomBytes(32), randomBytes(32)];
    const both = { organizationId, secret: new FleetSecret([next, old]) };
    for (const signingKey of [old, next]) expect(read(signed({}, { signingKey }), both)).toMatchObject(facts);
    expect(refusal(bundle, both).code).toBe("ERR_KEY_PAIR_UNTRUSTED");
  });

  it("may hold what a later version added and an earlier one need not understand", () => {
    expect(read(withMembers({ hint: "x" }), fleet)).toMatchObject(facts);
  });
});

describe("a public bundle that somebody has changed", () => {
  const otherBirth = (change: object) => base64(encodeBirthRecord({ ...record, ...change }));
  const lowOrder = base64(Buffer.alloc(32));
  it.each<[name: string, change: Members, fleet: string, pinned: string]>([
    ["another public key", { publicKey: base64(randomBytes(32)) }, "not the word of the fleet", "taken"],
    ["another pair's birth record", { birthRecord: otherBirth({ keyPairId: "other" }) }, "not the word", "taken"],
    ["a later end", { expiresAt: facts.expiresAt + 1 }, "not the word of the fleet", "taken"],
    ["a later beginning", { exportedAt: facts.exportedAt + 1 }, "not the word of the fleet", "taken"],
    ["another time of confirmation", { confirmedAt: facts.exportedAt }, "not the word of the fleet", "taken"],
    ["a key at risk hidden", { keyAtRisk: false }, "not the word of the fleet", "taken"],
    ["trouble invented", { usedLastKnownKey: true }, "not the word of the fleet", "taken"],
    ["flags swapped", { usedLastKnownKey: true, keyAtRisk: false }, "not the word of the fleet", "taken"],
    ["no private half", { wrapping: undefined }, "not the word of the fleet", "taken"],
    ["another private half", { wrapping: { ...wrapping, ciphertext: "AAAA" } }, "not the word of the fleet", "taken"],
    ["no code of the fleet", { mac: undefined }, "not the word of the fleet", "taken"],
    ["a short code of the fleet", { mac: base64(Buffer.alloc(31)) }, "not the word of the fleet", "taken"],
    ["a code that is none", { mac: "x" }, "mac Invalid base64", "mac Invalid base64"],
    [
      "another organization's",
      { birthRecord: otherBirth({ organizationId: "org-2" }) },
      "another organi",
      "another organi",
    ],
    ["a pair made for a test", { birthRecord: otherBirth({ purpose: "test" }) }, "made for a test", "made for a test"],
    [
      "no birth record",
      { birthRecord: "" },
      "birth record: does not begin as one",
      "birth record: does not begin as one",
    ],
    ["a later version", { version: 2 }, "has version 2", "has version 2"],
    ["what must be understood", { critical: ["quorum"], quorum: 2 }, 'critical member "quorum"', "critical member"],
    ["another kind", { kind: "keyPair" }, "not a document of this library", "not a document of this library"],
    ["no end", { expiresAt: undefined }, "expiresAt Invalid input", "expiresAt Invalid input"],
    ["half a millisecond", { exportedAt: 0.5 }, "exportedAt Invalid input", "exportedAt Invalid input"],
    ["a flag that is none", { keyAtRisk: 1 }, "keyAtRisk Invalid input", "keyAtRisk Invalid input"],
  ])("is refused by the fleet's word, or where it is none at all: %s", (_, change, byFleet, byPin) => {
    expect(refusal(withMembers(change)).message).toContain(byFleet);
    const { code, message } = refusal(withMembers(change), pinned);
    expect(`${code} ${message}`).toContain(byPin);
  });

  it.each<[name: string, change: Members, code: string, message: string]>([
    ["a point of low order", { publicKey: lowOrder }, "ERR_KEY_PAIR_UNTRUSTED", "X25519 public key is of low order"],
    ["31 bytes", { publicKey: base64(publicKey.subarray(1)) }, "ERR_KEY_PAIR_UNTRUSTED", "unusable public key"],
    [
      "another spec",
      { birthRecord: otherBirth({ spec: "RSA_2048" }) },
      "ERR_KEY_PAIR_UNTRUSTED",
      "unusable public key",
    ],
    ["an end before its beginning", { expiresAt: facts.exportedAt }, "ERR_FORMAT_INVALID", "expiresAt must be"],
    [
      "an end after more than 366 days",
      { expiresAt: facts.exportedAt + longestBundleValidity + 1 },
      "ERR_FORMAT_INVALID",
      "expiresAt must be",
    ],
    [
      "an end after all dates",
      { exportedAt: 8_640_000_000_000_000, expiresAt: 8_640_000_000_000_001 },
      "ERR_FORMAT_INVALID",
      "expiresAt must be",
    ],
    [
      "a KMS key of another account",
      { wrapping: { ...wrapping, kmsKeyArn: "arn:aws:kms:eu-west-1:444455556666:key/1", ciphertext: "AAAA" } },
      "ERR_KEY_PAIR_UNTRUSTED",
      "not of its alias's account",
    ],
  ])("is refused although the fleet has signed it: %s", (_, change, code, message) => {
    const refused = refusal(signed(change));
    expect(refused).toEqual({ code, message: expect.stringContaining(message) });
  });

  it.each([
    ["nothing", ""],
    ["a line end behind it", `${bundle}\n`],
    ["spaces", bundle.replace(",", ", ")],
    ["a member twice", bundle.replace("{", '{"expiresAt":9,')],
    ["too long", JSON.stringify({ ...members(), hint: "x".repeat(65_536) })],
    ["half of it", bundle.slice(0, bundle.length / 2)],
  ])("is no bundle at all: %s", (_, text) => {
    for (const expected of [fleet, pinned]) expect(refusal(text, expected).code).toBe("ERR_FORMAT_INVALID");
  });

  it("is refused for every bit of it that was changed", () => {
    const bytes = Buffer.from(bundle);
    const refused = new Map<string, number>();
    const bits = atLength([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 5]);
    for (let at = 0; at < bytes.length; at += 1) {
      for (const bit of bits) {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        let code = "taken";
        try {
          readPublicBundle(changed, fleet);
        } catch (error) {
          code = error instanceof RecordingKeyStoreError ? error.code : String(error);
        }
        refused.set(code, (refused.get(code) ?? 0) + 1);
      }
    }
    expect([...refused.keys()].sort()).toEqual(["ERR_FORMAT_INVALID", "ERR_FORMAT_TOO_NEW", "ERR_KEY_PAIR_UNTRUSTED"]);
    expect([...refused.values()].reduce((sum, count) => sum + count, 0)).toBe(bits.length * bytes.length);
  });
});
