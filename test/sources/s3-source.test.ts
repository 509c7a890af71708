import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import { S3Client } from "@aws-sdk/client-s3";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { s3Source, type S3SourceOptions } from "../../src/sources/s3.js";
import { openReader } from "../recording/open-reader.js";
import { encrypt } from "../recording/support.js";
import { etagOf, everythingShown, rangeAnswer, secret, send, serve, type Handler } from "./loopback-server.js";

const content = randomBytes(200_000);
const other = randomBytes(200_000);

/** An error of S3: a status, and XML that names it. */
const refuse =
  (status: number, name: string): Handler =>
  (_, response) => {
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${name}</Code><Message>as S3 words it</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>`;
    response.writeHead(status, { "content-type": "application/xml", "x-amz-request-id": "4442587FB7D0A2F9" }).end(body);
  };

/** A bucket with one object, which answers a signed and correctly addressed GetObject as S3 does. */
const bucket =
  (bytes: Uint8Array): Handler =>
  (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://s3");
    if (!request.headers.authorization?.startsWith("AWS4-HMAC-SHA256 "))
      return refuse(403, "AccessDenied")(request, response);
    if (request.method !== "GET") return refuse(405, "MethodNotAllowed")(request, response);
    if (!pathname.startsWith("/recordings/")) return refuse(404, "NoSuchBucket")(request, response);
    if (pathname !== "/recordings/2026/call%201.rec") return refuse(404, "NoSuchKey")(request, response);
    if (searchParams.has("versionId") && searchParams.get("versionId") !== "v1")
      return refuse(404, "NoSuchVersion")(request, response);
    const answer = rangeAnswer(request, bytes);
    if (answer.status === 412) return refuse(412, "PreconditionFailed")(request, response);
    if (answer.status === 416) return refuse(416, "InvalidRange")(request, response);
    send(response, answer);
  };
const good = bucket(content);

const clientOf = ({ origin }: { origin: string }) =>
  new S3Client({
    endpoint: origin,
    forcePathStyle: true,
    region: "eu-west-1",
    maxAttempts: 1,
    credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: secret, sessionToken: secret },
  });
const optionsFor = (server: { origin: string }): S3SourceOptions => ({
  client: clientOf(server),
  bucket: "recordings",
  key: "2026/call 1.rec",
  attempts: 2,
});

/** Answers the first request, which opens, as a good server, and all others with `handler`. */
function later(handler: Handler): Handler {
  let count = 0;
  return (request, response) => ((count += 1) === 1 ? good : handler)(request, response);
}

describe("an object in S3 as a source, under the real S3Client", () => {
  it("reads any range with one GetObject, many at once too, and opens with one", async () => {
    await using server = await serve(good);
    const source = await s3Source(optionsFor(server));
    expect(source.size).toBe(content.length);
    await fc.assert(
      fc.asyncProperty(fc.nat(content.length), fc.nat(content.length), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        const both = await Promise.all([source.read(start, end - start), source.read(start, end - start)]);
        for (const bytes of both) expect(content.subarray(start, end).equals(bytes)).toBe(true);
      }),
      { numRuns: 20 },
    );
    expect(server.ranges()[0]).toBe("bytes=0-4095");
    expect(server.requests.slice(1).every(({ headers }) => headers["if-match"] === etagOf(content))).toBe(true);
  });

  it("is read by a recording's reader with one request per read and two to open", async () => {
    const plaintext = randomBytes(50_000);
    await using server = await serve(bucket(await encrypt(plaintext)));
    await using reader = await openReader(await s3Source(optionsFor(server)));
    expect(plaintext.subarray(20_000, 24_000).equals(await reader.read(20_000, 4_000))).toBe(true);
    expect(server.requests.length).toBe(3);
  });

  it("asks for the version and the owner it was given, and opens an empty object", async () => {
    await using server = await serve(good);
    const source = await s3Source({ ...optionsFor(server), versionId: "v1", expectedBucketOwner: "111122223333" });
    await source.read(5_000, 10);
    for (const { url, headers } of server.requests) {
      expect(url).toContain("versionId=v1");
      expect(headers["x-amz-expected-bucket-owner"]).toBe("111122223333");
    }
    await using empty = await serve(bucket(Buffer.alloc(0)));
    expect((await s3Source(optionsFor(empty))).size).toBe(0);
  });

  it("reports what S3 refuses without a retry, and shows no secret", async () => {
    const cases: [Handler, Partial<S3SourceOptions>, string, RegExp][] = [
      [good, { key: "missing" }, "ERR_SOURCE_NOT_FOUND", /s3:\/\/recordings\/missing.*NoSuchKey, 404/],
      [good, { bucket: "missing" }, "ERR_SOURCE_NOT_FOUND", /NoSuchBucket, 404/],
      [good, { versionId: "v0" }, "ERR_SOURCE_NOT_FOUND", /NoSuchVersion, 404/],
      [refuse(405, "MethodNotAllowed"), {}, "ERR_SOURCE_NOT_FOUND", /delete marker/],
      [refuse(403, "AccessDenied"), {}, "ERR_SOURCE_REFUSED", /AccessDenied, 403/],
      [refuse(403, "InvalidObjectState"), {}, "ERR_SOURCE_REFUSED", /archive.*InvalidObjectState/],
      [refuse(400, "ExpiredToken"), {}, "ERR_SOURCE_REFUSED", /expired/],
      [refuse(301, "PermanentRedirect"), {}, "ERR_SOURCE_UNSUITABLE", /Region/],
      [refuse(400, "InvalidRequest"), {}, "ERR_SOURCE_UNSUITABLE", /InvalidRequest, 400/],
      [refuse(503, "SlowDown"), {}, "ERR_SOURCE_UNAVAILABLE", /SlowDown, 503/],
      [refuse(500, "InternalError"), {}, "ERR_SOURCE_UNAVAILABLE", /InternalError, 500/],
      [(request) => void request.socket.destroy(), {}, "ERR_SOURCE_UNAVAILABLE", /can't be reached/],
      [
        (_, response) =>
          void response.writeHead(200, { etag: etagOf(content), "content-length": content.length }).end(content),
        {},
        "ERR_SOURCE_UNSUITABLE",
        /Content-Range/,
      ],
    ];
    for (const [handler, options, code, message] of cases) {
      await using server = await serve(handler);
      const error: unknown = await s3Source({ ...optionsFor(server), ...options }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code,
        message: expect.stringMatching(message),
        retryable: code === "ERR_SOURCE_UNAVAILABLE",
      });
      expect(server.requests.length, code).toBe(1);
      expect(everythingShown(error) + inspect(error)).not.toContain(secret);
    }
  });

  it("never mixes two versions", async () => {
    const cases: [Handler, string][] = [
      [bucket(other), "ERR_SOURCE_CHANGED"],
      [
        (request, response) =>
          send(response, rangeAnswer(Object.assign(request, { headers: { range: request.headers.range } }), other)),
        "ERR_SOURCE_CHANGED",
      ],
      [refuse(404, "NoSuchKey"), "ERR_SOURCE_NOT_FOUND"],
      [refuse(416, "InvalidRange"), "ERR_SOURCE_CHANGED"],
    ];
    for (const [handler, code] of cases) {
      await using server = await serve(later(handler));
      const source = await s3Source(optionsFor(server));
      await expect(source.read(5_000, 10)).rejects.toMatchObject({ code, retryable: false });
    }
  });

  it("reads again what broke off or stalled, which the SDK does not", async () => {
    const cut: Handler = (request, response) =>
      void response.writeHead(206, rangeAnswer(request, content).headers).write("x", () => response.destroy());
    const stalled: Handler = (request, response) =>
      void response.writeHead(206, rangeAnswer(request, content).headers).write("x");
    for (const trouble of [cut, stalled]) {
      const troubles = [trouble];
      const times = trouble === stalled ? { attemptTimeout: 500 } : {};
      await using server = await serve(later((request, response) => (troubles.pop() ?? good)(request, response)));
      const source = await s3Source({ ...optionsFor(server), ...times });
      expect(content.subarray(5_000, 5_010).equals(await source.read(5_000, 10))).toBe(true);
      expect(server.requests.length).toBe(3);
      await using broken = await serve(later(trouble));
      await expect((await s3Source({ ...optionsFor(broken), ...times })).read(5_000, 10)).rejects.toMatchObject({
        code: "ERR_SOURCE_UNAVAILABLE",
        retryable: true,
      });
      expect(broken.requests.length).toBe(3);
    }
  });

  it("does not read again what does not match its checksum: as of a store that sends that of the whole object", async () => {
    await using server = await serve(
      later((request, response) => {
        const answer = rangeAnswer(request, content);
        answer.headers["x-amz-checksum-crc32"] = "AAAAAA==";
        send(response, answer);
      }),
    );
    const source = await s3Source(optionsFor(server));
    const error: unknown = await source.read(5_000, 10).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "ERR_SOURCE_CORRUPT",
      retryable: false,
      message: expect.stringContaining("responseChecksumValidation"),
    });
    expect(server.requests.length).toBe(2);
  });

  it("reads a small object that comes whole, and asks for the rest of a short range", async () => {
    const answers = (body: Buffer, first: number, last: number | undefined) => ({
      Body: Readable.from([body.subarray(first, last)]),
      ETag: '"1"',
      ContentLength: body.subarray(first, last).length,
      ...(last === undefined ? {} : { ContentRange: `bytes ${first}-${last - 1}/${body.length}` }),
    });
    const small = content.subarray(0, 1_000);
    const whole = { send: async () => answers(small, 0, undefined) };
    const source = await s3Source({ client: whole, bucket: "b", key: "k" });
    expect(small.equals(await source.read(0, source.size))).toBe(true);

    const short = {
      send: async (command: object) => {
        const { Range = "" } = (command as { input: { Range?: string } }).input;
        const [first = 0, last = 0] = Range.slice(6).split("-").map(Number);
        return answers(content, first, Math.min(first + 3_000, last + 1));
      },
    };
    const inParts = await s3Source({ client: short, bucket: "b", key: "k" });
    expect(content.subarray(500, 20_500).equals(await inParts.read(500, 20_000))).toBe(true);
  });

  it("ends with the caller's signal, in a request and in a body", async () => {
    const handlers: Handler[] = [
      () => undefined,
      (request, response) => void response.writeHead(206, rangeAnswer(request, content).headers).write("x"),
    ];
    for (const handler of handlers) {
      await using server = await serve(later(handler));
      const source = await s3Source(optionsFor(server));
      const controller = new AbortController();
      const reading = source.read(5_000, 10, controller.signal);
      reading.catch(() => undefined);
      await delay(100);
      controller.abort(new Error("seek"));
      await expect(reading).rejects.toThrow("seek");
      await vi.waitFor(() => expect(server.requests[1]?.socket.destroyed).toBe(true)); // and no connection is left
      expect(server.requests.length).toBe(2);
    }
  });

  it("leaves no body open, even with a client that ignores aborts", async () => {
    const body = new Readable({ read: () => undefined });
    const client = { send: async () => ({ Body: body, ContentRange: "bytes 0-4095/200000", ETag: '"1"' }) };
    await expect(s3Source({ client, bucket: "b", key: "k", attempts: 1, attemptTimeout: 50 })).rejects.toMatchObject({
      code: "ERR_SOURCE_UNAVAILABLE",
    });
    expect(body.destroyed).toBe(true);
  });

  it("refuses bad input by field", async () => {
    const fine = { client: { send: async () => ({}) }, bucket: "b", key: "k" };
    for (const [field, value] of [
      ["client", undefined],
      ["client", {}],
      ["bucket", ""],
      ["key", undefined],
      ["versionId", ""],
      ["expectedBucketOwner", 1],
      ["attempts", 0],
    ] as const) {
      await expect(s3Source({ ...fine, [field]: value }), field).rejects.toMatchObject({
        code: "ERR_INVALID_INPUT",
        field,
      });
    }
    await expect(s3Source(fine)).rejects.toMatchObject({ code: "ERR_SOURCE_UNSUITABLE" });
  });
});
