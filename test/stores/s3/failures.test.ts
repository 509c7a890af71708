import { inspect } from "node:util";
import { Readable } from "node:stream";
import { HttpResponse } from "@smithy/protocol-http";
import { describe, expect, it, vi } from "vitest";
import { InvalidInputError } from "../../../src/errors.js";
import { S3KeyPairStore, type S3ClientLike } from "../../../src/stores/s3.js";
import type { StoreFailureKind } from "../../../src/stores/store-error.js";
import { callsWith, expectRefusal, failuresOfClients, rejection, secret } from "../failure-suite.js";
import { bytes, fillOrganization } from "../records.js";
import { ServiceClient } from "./clients.js";
import { refusal, S3Service } from "./s3-service.js";

function storeOver(send: S3ClientLike["send"], times: { attemptTimeout?: number; deadline?: number } = {}) {
  return new S3KeyPairStore({ client: { send }, bucket: "recording-keys", ...times });
}

/** A store in a bucket with an organization in it, and a client below which answers can be changed. */
async function filled() {
  const service = new S3Service();
  const bucket = service.createBucket();
  const client = new ServiceClient(service, 1);
  const store = new S3KeyPairStore({ client, bucket, attemptTimeout: 30_000, deadline: 60_000 });
  const head = await fillOrganization(store, "org");
  const objects = service.buckets.get(bucket) ?? new Map<string, { body: Buffer; etag: string }>();
  return { client, store, head, objects };
}

const calls = callsWith(undefined, "pair");

const requestId = "4442587FB7D0A2F9";

/** What S3 answers, by name, status and text. */
type Answer = readonly [kind: StoreFailureKind, name: string, status: number, text?: string];
const answers: readonly Answer[] = [
  ["not-set-up", "NoSuchBucket", 404],
  ["not-set-up", "InvalidBucketName", 400],
  ["not-set-up", "AuthorizationHeaderMalformed", 400, "the region 'us-east-1' is wrong; expecting 'eu-west-1'"],
  ["not-set-up", "PermanentRedirect", 301],
  ["not-set-up", "InvalidObjectState", 403],
  ["not-set-up", "KMS.DisabledException", 400],
  ["access-denied", "AccessDenied", 403],
  ["access-denied", "AllAccessDisabled", 403],
  ["access-denied", "AccessDenied", 403, "User: arn:aws:iam::1:user/x is not authorized to perform: s3:PutObject"],
  ["access-denied", "AccessDenied", 403, "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt"],
  ["credentials", "AccessDenied", 403, "User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole"],
  ["credentials", "ExpiredToken", 400],
  ["credentials", "InvalidToken", 400],
  ["credentials", "InvalidAccessKeyId", 403],
  ["credentials", "SignatureDoesNotMatch", 403],
  ["credentials", "RequestTimeTooSkewed", 403],
  ["throttled", "SlowDown", 503],
  ["throttled", "TooManyRequests", 429],
  ["timeout", "RequestTimeout", 400],
  ["service-error", "InternalError", 500],
  ["service-error", "ServiceUnavailable", 503],
  ["service-error", "ConditionalRequestConflict", 409],
  ["service-error", "OperationAborted", 409],
  ["service-error", "NobodyKnowsThis", 500],
  ["full", "QuotaExceeded", 403],
  ["full", "XMinioStorageFull", 507],
  ["unsupported", "NotImplemented", 501],
  ["unexpected-answer", "EntityTooLarge", 400],
  ["unexpected-answer", "NobodyKnowsThis", 400],
];

describe("an answer of S3", () => {
  const rows = answers.map(([kind, name, status, message = `${secret} is in the text`]) => ({
    kind,
    name,
    status,
    message,
  }));
  it.each(rows)("$kind: $name $status $message", async ({ kind, name, message, status }) => {
    const { client, store } = await filled();
    const answer = async () => ({ response: refusal(status, name, requestId, message) });
    client.decide("PutObject pairs", ...Array.from({ length: 8 }, () => answer));
    const error = await rejection(calls.createKeyPair(store));
    expectRefusal(error, { kind, name, requestId, text: message });
  });

  it("that there is nothing is taken from S3 alone, not from a proxy or of a bucket that is not there", async () => {
    const { client, store } = await filled();
    const page = () =>
      new HttpResponse({ statusCode: 404, headers: {}, body: Readable.from([Buffer.from("<html>Not found</html>")]) });
    for (const response of [page(), refusal(404, "NoSuchBucket", requestId), refusal(404, "NotFound", requestId)]) {
      client.decide("GetObject heads", async () => ({ response }));
      expect(await rejection(store.readHead("org"))).toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    }
    client.decide("GetObject heads", async () => ({ response: refusal(404, "NoSuchKey", requestId) }));
    expect(await store.readHead("org")).toBeUndefined();
  });
});

failuresOfClients({
  calls,
  storeOver,
  expectNoBelief: (result, method, answerName) => {
    if (result instanceof Error) {
      // What answers everything in one way honours no condition.
      expect(result).toMatchObject({
        code: "ERR_STORE_UNAVAILABLE",
        kind: expect.stringMatching(/^(?:unexpected-answer|unsupported)$/) as string,
      });
    } else {
      expect(method).toBe("writeStatus"); // a write that resolves has been made
      expect(answerName).not.toMatch(/undefined|null|text|symbol/);
    }
  },
});

describe("a body", () => {
  const answered = (Body: unknown) => storeOver(async () => ({ Body, ETag: '"e"' }), { deadline: 50 });
  const endless = () => new Readable({ read: () => undefined });

  it("that never ends is given up with its call, and its connection is freed", async () => {
    const body = endless();
    body.push("recording-keystore 1 ");
    expect(await rejection(answered(body).readHead("org"))).toMatchObject({ kind: "timeout", operation: "readHead" });
    await vi.waitFor(() => expect(body.destroyed).toBe(true), { timeout: 30_000 });
    let cancelled = false;
    const web = new ReadableStream({ cancel: () => void (cancelled = true) });
    expect(await rejection(answered(web).readHead("org"))).toMatchObject({ kind: "timeout" });
    expect(cancelled).toBe(false); // it is being read, and locked: it ends with its request, whose signal has aborted
  });

  it("that breaks off is a failure, and never a record", async () => {
    const body = endless();
    body.push("recording-keystore 1 ");
    body.destroy(Object.assign(new Error("aborted"), { code: "ECONNRESET" }));
    expect(await rejection(answered(body).readHead("org"))).toMatchObject({ kind: "unreachable" });
  });

  it("that does not match S3's checksum, or is too long, is ERR_STORE_CORRUPT", async () => {
    const mismatch = endless();
    mismatch.destroy(new Error('Checksum mismatch: expected "AAAAAA==" but received "BBBBBB=="'));
    expect(await rejection(answered(mismatch).readHead("org"))).toMatchObject({ code: "ERR_STORE_CORRUPT" });
    const long = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(1_024)));
    expect(await rejection(answered(long).readHead("org"))).toMatchObject({ code: "ERR_STORE_CORRUPT" });
    expect(long.destroyed).toBe(true);
  });

  it("that is no stream of bytes is an unexpected answer", async () => {
    for (const body of [undefined, null, "text", bytes("bytes"), {}, Readable.from(["text"]), Readable.from([7])])
      expect(await rejection(answered(body).readHead("org"))).toMatchObject({ kind: "unexpected-answer" });
  });
});

describe("an object that is not what was written there is ERR_STORE_CORRUPT, by its name", () => {
  const cases = {
    readHead: "heads/org",
    readKeyPair: "pairs/org/pair",
    listKeyPairs: "pairs/org/pair",
    listWrappings: "wrappings/org/pair/wrapping",
    readStatus: "statuses/org",
    removeKeyPair: "pairs/org/pair",
  } as const;

  it.each(Object.entries(cases))("%s: %s", async (method, name) => {
    const { store, objects } = await filled();
    const key = `recording-keystore/${name}`;
    const whole = objects.get(key) as { body: Buffer; etag: string };
    const changed = Buffer.from(whole.body);
    changed[changed.length - 1]! ^= 1;
    const others = [...objects].filter(([other]) => other !== key).map(([, { body }]) => body);
    for (const body of [changed, whole.body.subarray(0, -1), Buffer.alloc(0), Buffer.from(secret), ...others]) {
      objects.set(key, { ...whole, body });
      const error = await rejection(calls[method as keyof typeof cases](store));
      expect(error).toMatchObject({ code: "ERR_STORE_CORRUPT", retryable: false });
      expect((error as Error).message).toContain(`the object ${name} in S3 `);
      expect(inspect(error, { depth: Infinity })).not.toContain(secret);
    }
    objects.set(key, whole);
    expect(await rejection(calls[method as keyof typeof cases](store))).not.toBeInstanceOf(Error);
  });

  it("be it another organization's", async () => {
    const { store, objects } = await filled();
    await fillOrganization(store, "org-2");
    for (const name of ["heads/ORG", "statuses/ORG", "pairs/ORG/pair", "wrappings/ORG/pair/wrapping"]) {
      const at = (organization: string) => `recording-keystore/${name.replace("ORG", organization)}`;
      objects.set(at("org"), objects.get(at("org-2")) as { body: Buffer; etag: string });
    }
    for (const method of Object.keys(cases) as (keyof typeof cases)[])
      expect(await rejection(calls[method](store))).toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });

  it("but not beside a wrapping that is whole, and a newer version says so", async () => {
    const { store, objects, head } = await filled();
    await store.createWrapping("org", "pair", { wrappingId: "another", document: bytes("another") });
    const [key, headKey] = ["recording-keystore/wrappings/org/pair/wrapping", "recording-keystore/heads/org"];
    objects.set(key, { etag: '"x"', body: Buffer.from("damaged") });
    expect(await store.listWrappings("org", "pair")).toEqual([{ wrappingId: "another", document: bytes("another") }]);
    const text = objects.get(headKey)?.body.toString().replace("recording-keystore 1 ", "recording-keystore 2 ");
    objects.set(headKey, { etag: '"x"', body: Buffer.from(text ?? "") });
    expect(await rejection(store.readHead("org"))).toMatchObject({ code: "ERR_FORMAT_TOO_NEW" });
    expect(await rejection(store.swapHead("org", head.revision, bytes("x")))).toMatchObject({
      code: "ERR_FORMAT_TOO_NEW",
    });
  });
});

describe("a listing", () => {
  it("goes on over short and empty pages, and not without end", async () => {
    const service = new S3Service({ mostPerPage: 3 });
    const bucket = service.createBucket();
    const store = new S3KeyPairStore({ client: new ServiceClient(service), bucket, deadline: 60_000 });
    const ids = Array.from({ length: 40 }, (_, index) => `p-${String(index).padStart(2, "0")}`);
    for (const [index, keyPairId] of ids.entries())
      await store.createKeyPair({ organizationId: "org", keyPairId, sequence: 40 - index, document: bytes("a pair") });
    const objects = service.buckets.get(bucket);
    for (const name of ["", ".DS_Store"])
      objects?.set(`recording-keystore/history/org/${name}`, objects.values().next().value!);
    for (const limit of [1, 16, 17, 39, 40, 1_000]) {
      const first = await store.listKeyPairs("org", { limit });
      expect(first.map(({ keyPairId }) => keyPairId)).toEqual(ids.slice(0, limit));
      const rest = await store.listKeyPairs("org", { limit, after: first.at(-1) });
      expect(rest.map(({ keyPairId }) => keyPairId)).toEqual(ids.slice(limit, 2 * limit));
    }
  });

  it("that does not ascend, leaves its folder, or never ends is no answer", async () => {
    const contents = (...names: string[]) => names.map((name) => ({ Key: `recording-keystore/${name}` }));
    const [one, two] = ["wrappings/org/pair/a", "wrappings/org/pair/b"];
    let sent = 0;
    const pages: object[] = [
      { IsTruncated: false, Contents: contents(two, one) },
      { IsTruncated: false, Contents: contents(one, one) },
      { IsTruncated: false, Contents: contents("wrappings/org/pair-2/a") },
      { IsTruncated: false, Contents: [{ Key: 7 }] },
      { IsTruncated: false, Contents: "none" },
      { IsTruncated: true },
      { IsTruncated: true, NextContinuationToken: "more", Contents: [] },
      { Contents: contents(one) },
    ];
    for (const page of pages) {
      sent = 0;
      const store = storeOver(async (command) => {
        expect(command.constructor.name).toBe("ListObjectsV2Command");
        sent += 1;
        return page;
      });
      expect(await rejection(store.listWrappings("org", "pair"))).toMatchObject({ kind: "unexpected-answer" });
      expect(sent).toBeLessThan(100);
    }
  });
});

describe("the constructor", () => {
  const client = { send: async () => ({}) };
  const good = { client, bucket: "recording-keys" };
  it.each([
    ["client", { bucket: "recording-keys" }],
    ["client", { ...good, client: {} }],
    ["bucket", { client }],
    ["bucket", { client, bucket: "no" }],
    ["bucket", { client, bucket: "Recording-Keys" }],
    ["bucket", { client, bucket: "recording-keys/prefix" }],
    ["bucket", { client, bucket: "keys--euw1-az1--x-s3" }],
    ["bucket", { client, bucket: "arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap" }],
    ["prefix", { ...good, prefix: "" }],
    ["prefix", { ...good, prefix: "/keys" }],
    ["prefix", { ...good, prefix: "keys/" }],
    ["prefix", { ...good, prefix: "a//b" }],
    ["prefix", { ...good, prefix: ".." }],
    ["prefix", { ...good, prefix: "a/../b" }],
    ["prefix", { ...good, prefix: "a b" }],
    ["prefix", { ...good, prefix: "x".repeat(257) }],
    ["expectedBucketOwner", { ...good, expectedBucketOwner: "1" }],
    ["attemptTimeout", { ...good, attemptTimeout: 0 }],
    ["deadline", { ...good, deadline: 600_001 }],
    ["region", { ...good, region: "eu-west-1" }],
  ])("refuses a wrong %s", (field, options) => {
    expect(() => new S3KeyPairStore(options as never)).toThrow(InvalidInputError);
    expect(() => new S3KeyPairStore(options as never)).toThrow(new RegExp(`^${field}: `));
  });

  it("takes an access point and a deep prefix, and sends nothing", () => {
    const send = vi.fn();
    const bucket = "arn:aws-us-gov:s3:us-gov-west-1:111122223333:accesspoint/keys";
    new S3KeyPairStore({ client: { send }, bucket, prefix: "service/prod-1/.keys" });
    expect(send).not.toHaveBeenCalled();
  });
});
