import { describe, expect, it } from "vitest";
import { decodeDocument, encodeDocument, type DocumentKind } from "../../src/key-pairs/documents.js";

const digest = Buffer.alloc(32, 7);
const head = { organizationId: "org-1", keyPairId: "pair-1", sequence: 3, digest };
const ciphertext = { kmsKeyArn: "arn:aws:kms:eu-west-1:111122223333:key/1", ciphertext: Buffer.from("secret") };
const keyPair = {
  birthRecord: Buffer.from([1]),
  publicKey: Buffer.from([2]),
  attestation: ciphertext,
  wrapping: ciphertext,
};
const lastConfirmed = { organizationId: "org-1", keyPair: Buffer.from("pair"), confirmedAt: 0 };
const failure = { kind: "access-denied", operation: "Decrypt", message: "no" };
const wellStatus = { keyPairId: "pair-1", sequence: 3, attested: digest, confirmedAt: 4, at: 5 };
const status = { ...wellStatus, failure, mac: Buffer.alloc(32, 8) };
const fate = { digest, mark: ciphertext };
const wrapping = { digest, wrapping: ciphertext };

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const envelope = (kind: DocumentKind) => ({ version: 1, kind, critical: [] });
const plainHead = { ...envelope("head"), ...head, digest: digest.toString("base64") };

describe("a document in the store", () => {
  it.each([
    ["head", head],
    ["head", { ...head, keyPairId: "a".repeat(64) }],
    ["keyPair", keyPair],
    ["wrapping", wrapping],
    ["fate", fate],
    ["fate", { digest }],
    ["lastConfirmed", lastConfirmed],
    ["status", status],
    ["status", wellStatus],
    ["status", { ...wellStatus, confirmedAt: 0, at: 0 }],
  ] as const)("comes back as it was written: %s", (kind, content) => {
    expect(decodeDocument(kind, encodeDocument(kind, content as never), "it")).toEqual(content);
  });

  it("is JSON with bytes in base64, its version, and what a reader must understand", () => {
    expect(JSON.parse(encodeDocument("head", head).toString())).toEqual(plainHead);
  });

  it.each([
    ["a member twice", '{"version":1,"kind":"head","critical":[],"sequence":9,', JSON.stringify(plainHead).slice(1)],
    ["spaces", " ", JSON.stringify(plainHead)],
    ["a number written otherwise", "", JSON.stringify(plainHead).replace('"sequence":3', '"sequence":3.0')],
    ["a character escaped without need", "", JSON.stringify(plainHead).replace("org-1", "\\u006frg-1")],
  ])("has one form, and no other: %s", (_, before, rest) => {
    expect(() => decodeDocument("head", Buffer.from(before + rest), "it")).toThrow(
      expect.objectContaining({
        code: "ERR_STORE_CORRUPT",
        message: expect.stringContaining("it: is not in canonical form"),
      }),
    );
  });

  it("is no document behind a byte order mark", () => {
    expect(() => decodeDocument("head", Buffer.from(`\ufeff${JSON.stringify(plainHead)}`), "it")).toThrow(
      expect.objectContaining({ code: "ERR_STORE_CORRUPT" }),
    );
  });

  it("may hold what a newer library added and older ones need not understand", () => {
    expect(decodeDocument("head", json({ ...plainHead, hint: "x" }), "it")).toEqual(head);
    expect(decodeDocument("head", json({ ...plainHead, critical: ["digest", "sequence"] }), "it")).toEqual(head);
  });

  it.each([
    ["version 2", { version: 2 }],
    ["version 0", { version: 0 }],
    ['the critical member "quorum"', { critical: ["digest", "quorum"], quorum: 2 }],
    ['the critical member "critical"', { critical: ["critical"] }],
  ])("is refused, not misread, when it has %s", (what, change) => {
    expect(() => decodeDocument("head", json({ ...plainHead, ...change }), "head")).toThrow(
      expect.objectContaining({
        code: "ERR_FORMAT_TOO_NEW",
        message: `head: has ${what}, which this version of the library does not know`,
      }),
    );
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["half of one", json(plainHead).subarray(0, -1)],
    ["no UTF-8", Buffer.concat([json(plainHead).subarray(0, -1), Buffer.from(',"a":"\xff"}', "latin1")])],
  ])("is not JSON: %s", (_, bytes) => {
    expect(() => decodeDocument("head", bytes, "head")).toThrow(
      expect.objectContaining({ code: "ERR_STORE_CORRUPT", message: "head: is not JSON" }),
    );
  });

  it.each([
    ["null", null],
    ["a list", []],
    ["of another kind", { ...plainHead, kind: "status" }],
    ["of no version", { ...plainHead, version: undefined }],
    ["of half a version", { ...plainHead, version: 1.5 }],
    ["without saying what is critical", { ...plainHead, critical: undefined }],
    ["with something critical that has no name", { ...plainHead, critical: [7] }],
  ])("is none of this library: %s", (_, value) => {
    expect(() => decodeDocument("head", json(value), "head")).toThrow(
      expect.objectContaining({ code: "ERR_STORE_CORRUPT", message: "head: is not a document of this library" }),
    );
  });

  const written = <K extends DocumentKind>(kind: K, content: Parameters<typeof encodeDocument<K>>[1]) =>
    JSON.parse(encodeDocument(kind, content).toString()) as Record<string, object>;
  it.each([
    ["head", { ...plainHead, organizationId: undefined }, "organizationId"],
    ["head", { ...plainHead, keyPairId: 1 }, "keyPairId"],
    ["head", { ...plainHead, keyPairId: "" }, "keyPairId"],
    ["head", { ...plainHead, keyPairId: "a/b" }, "keyPairId"],
    ["head", { ...plainHead, keyPairId: "a".repeat(65) }, "keyPairId"],
    ["head", { ...plainHead, keyPairId: " a" }, "keyPairId"],
    ["head", { ...plainHead, keyPairId: "a\n" }, "keyPairId"],
    ["head", { ...plainHead, sequence: 0 }, "sequence"],
    ["head", { ...plainHead, sequence: 1.5 }, "sequence"],
    ["head", { ...plainHead, digest: "no base64!" }, "digest"],
    ["head", { ...plainHead, digest: plainHead.digest.replace(/.=$/, "d=") }, "digest"], // the same bytes, in other letters
    ["keyPair", { ...written("keyPair", keyPair), birthRecord: undefined }, "birthRecord"],
    ["keyPair", { ...written("keyPair", keyPair), publicKey: undefined }, "publicKey"],
    [
      "keyPair",
      { ...written("keyPair", keyPair), attestation: { kmsKeyArn: "", ciphertext: "" } },
      "attestation.kmsKeyArn",
    ],
    ["keyPair", { ...written("keyPair", keyPair), wrapping: { kmsKeyArn: "x", ciphertext: 1 } }, "wrapping.ciphertext"],
    ["lastConfirmed", { ...written("lastConfirmed", lastConfirmed), confirmedAt: -1 }, "confirmedAt"],
    ["lastConfirmed", { ...written("lastConfirmed", lastConfirmed), keyPair: undefined }, "keyPair"],
    ["lastConfirmed", { ...written("lastConfirmed", lastConfirmed), organizationId: undefined }, "organizationId"],
    ["wrapping", { ...written("wrapping", wrapping), digest: undefined }, "digest"],
    ["wrapping", { ...written("wrapping", wrapping), wrapping: undefined }, "wrapping"],
    ["wrapping", { ...written("wrapping", wrapping), wrapping: { kmsKeyArn: "x" } }, "wrapping.ciphertext"],
    ["fate", { ...written("fate", fate), digest: undefined }, "digest"],
    ["fate", { ...written("fate", fate), mark: "x" }, "mark"],
    ["fate", { ...written("fate", fate), mark: { ciphertext: "" } }, "mark.kmsKeyArn"],
    ["status", { ...written("status", status), keyPairId: "pair/1" }, "keyPairId"],
    ["status", { ...written("status", status), sequence: 0 }, "sequence"],
    ["status", { ...written("status", status), sequence: 1.5 }, "sequence"],
    ["status", { ...written("status", status), attested: undefined }, "attested"],
    ["status", { ...written("status", status), confirmedAt: -1 }, "confirmedAt"],
    ["status", { ...written("status", status), confirmedAt: 0.5 }, "confirmedAt"],
    ["status", { ...written("status", status), at: -1 }, "at"],
    ["status", { ...written("status", status), at: 0.5 }, "at"],
    ["status", { ...written("status", status), mac: 1 }, "mac"],
    ["status", { ...written("status", status), failure: { kind: "x", operation: "y" } }, "failure.message"],
    ["status", { ...written("status", status), failure: { message: "x", operation: "y" } }, "failure.kind"],
    ["status", { ...written("status", status), failure: { message: "x", kind: "y" } }, "failure.operation"],
  ] as const)("%s: names what is wrong in it: %j", (kind, value, path) => {
    const caught = expect.objectContaining({
      code: "ERR_STORE_CORRUPT",
      message: expect.stringMatching(new RegExp(`^it: ${path.replace(".", "\\.")} \\S.*`)) as string,
    });
    expect(() => decodeDocument(kind, json(value), "it")).toThrow(caught);
  });
});
