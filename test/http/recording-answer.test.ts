import { randomBytes } from "node:crypto";
import { createServer, request as httpRequest, IncomingMessage, ServerResponse } from "node:http";
import * as http2 from "node:http2";
import { Socket, type AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { recordingResponse, sendRecording, type SeekableRecording } from "../../src/http/index.js";
import { InvalidInputError, RecordingKeyStoreError, type RecordingReader } from "../../src/index.js";
import { bytesSource } from "../../src/recording/random-access-source.js";
import { openReader } from "../recording/open-reader.js";
import { encrypt } from "../recording/support.js";
import { serverKinds } from "./servers.js";

const plaintext = randomBytes(300_000);
const encrypted = await encrypt(plaintext);
const opened = () => openReader(bytesSource(encrypted));
const options = { contentType: "audio/wav", etag: '"call-1"' };

describe.each(serverKinds)("a recording over $name", (kind) => {
  const always = { "cache-control": "no-store, no-transform", "x-content-type-options": "nosniff" };
  const whole = {
    "content-type": "audio/wav",
    "content-length": "300000",
    "accept-ranges": "bytes",
    etag: '"call-1"',
    ...always,
  };
  const all = plaintext;
  const part = plaintext.subarray(100, 200);
  const partial = { ...whole, "content-length": "100", "content-range": "bytes 100-199/300000" };
  const none = Buffer.alloc(0);
  const range = "bytes=100-199";
  const cases: [
    method: string,
    asked: Record<string, string>,
    status: number,
    headers: Record<string, string | undefined>,
    body: Buffer,
  ][] = [
    ["GET", {}, 200, { ...whole, "content-range": undefined }, all],
    ["GET", { range }, 206, partial, part],
    ["GET", { range: "bytes=-100" }, 206, { "content-range": "bytes 299900-299999/300000" }, all.subarray(-100)],
    ["GET", { range: "bytes=0-" }, 206, { ...whole, "content-range": "bytes 0-299999/300000" }, all],
    ["GET", { range: "bytes=299999-" }, 206, { "content-range": "bytes 299999-299999/300000" }, all.subarray(-1)],
    [
      "GET",
      { range: "bytes=300000-" },
      416,
      { "content-range": "bytes */300000", "content-length": "0", ...always },
      none,
    ],
    ["GET", { range: "bytes=9-1" }, 200, whole, all],
    ["GET", { range: "bytes=0-9,500-509" }, 200, whole, all],
    ["HEAD", {}, 200, whole, none],
    ["HEAD", { range }, 200, { ...whole, "content-range": undefined }, none],
    ["POST", { range }, 405, { allow: "GET, HEAD", "content-length": "0", ...always }, none],
    // If-Range: only the very version, by a strong tag
    ["GET", { range, "if-range": '"call-1"' }, 206, partial, part],
    ["GET", { range, "if-range": '"call-2"' }, 200, whole, all],
    ["GET", { range, "if-range": 'W/"call-1"' }, 200, whole, all],
    ["GET", { range, "if-range": "Tue, 24 Nov 2026 10:00:00 GMT" }, 200, whole, all],
    ["GET", { range: "bytes=300000-", "if-range": '"call-2"' }, 200, whole, all],
    // conditions come before ranges
    [
      "GET",
      { "if-none-match": '"x", W/"call-1"', range },
      304,
      { etag: '"call-1"', ...always, "content-type": undefined },
      none,
    ],
    ["HEAD", { "if-none-match": "*" }, 304, { etag: '"call-1"' }, none],
    ["GET", { "if-none-match": '"x"', range }, 206, partial, part],
    ["GET", { "if-match": '"x"', range }, 412, { etag: '"call-1"', "content-length": "0" }, none],
    ["GET", { "if-match": 'W/"call-1"' }, 412, {}, none],
    ["GET", { "if-match": '"x", "call-1"', range }, 206, partial, part],
    ["GET", { "if-match": "*", range }, 206, partial, part],
  ];

  it("answers as RFC 9110 says", async () => {
    await using reader = await opened();
    await using server = await kind.open(reader, options);
    for (const [method, asked, status, headers, body] of cases) {
      const answer = await server.ask(method, asked);
      const what = JSON.stringify([method, asked]);
      expect(answer.status, what).toBe(status);
      expect({ ...answer.headers }, what).toMatchObject(
        Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
      );
      for (const [name, value] of Object.entries(headers))
        if (value === undefined) expect(answer.headers[name], `${what} ${name}`).toBeUndefined();
      expect(answer.body.equals(body), what).toBe(true);
    }
  });

  it("offers no ETag that it wasn't given, and sends the other headers it was given", async () => {
    await using reader = await opened();
    await using server = await kind.open(reader, {
      contentType: "audio/ogg; codecs=opus",
      cacheControl: "private, max-age=60",
      headers: { "Content-Disposition": "inline" },
    });
    const { headers } = await server.ask("GET", { range });
    expect(headers).toMatchObject({
      "content-type": "audio/ogg; codecs=opus",
      "cache-control": "private, max-age=60, no-transform",
      "content-disposition": "inline",
    });
    expect(headers["etag"]).toBeUndefined();
    for (const cacheControl of ["No-Transform", "public, no-transform ,max-age=1"]) {
      await using own = await kind.open(reader, { ...options, cacheControl });
      expect((await own.ask("GET")).headers["cache-control"]).toBe(cacheControl);
    }
    for (const [asked, status] of [
      [{ range, "if-range": '"call-1"' }, 200],
      [{ range, "if-match": '"call-1"' }, 412],
      [{ range, "if-match": "*" }, 206],
      [{ range, "if-none-match": '"call-1"' }, 206],
      [{ range, "if-none-match": "*" }, 304],
    ] as const)
      expect((await server.ask("GET", asked)).status).toBe(status);
    await using weak = await kind.open(reader, { ...options, etag: 'W/"call-1"' });
    expect((await weak.ask("GET", { range, "if-range": 'W/"call-1"' })).status).toBe(200);
    expect((await weak.ask("GET", { range, "if-match": 'W/"call-1"' })).status).toBe(412);
    expect((await weak.ask("GET", { range, "if-none-match": '"call-1"' })).status).toBe(304);
  });

  it("has an empty body for an empty recording", async () => {
    await using reader = await openReader(bytesSource(await encrypt(Buffer.alloc(0))));
    await using server = await kind.open(reader, options);
    const answers = [
      await server.ask("GET"),
      await server.ask("GET", { range: "bytes=-5" }),
      await server.ask("GET", { range: "bytes=0-" }),
    ];
    expect(
      answers.map(({ status, headers, body }) => [
        status,
        headers["content-length"],
        headers["content-range"],
        body.length,
      ]),
    ).toEqual([
      [200, "0", undefined, 0],
      [200, "0", undefined, 0],
      [416, "0", "bytes */0", 0],
    ]);
  });

  it("serves several players at once from one open recording", async () => {
    await using reader = await opened();
    await using server = await kind.open(reader, options);
    const range = fc
      .tuple(fc.nat(plaintext.length - 1), fc.nat(plaintext.length - 1))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    await fc.assert(
      fc.asyncProperty(fc.array(range, { minLength: 2, maxLength: 6 }), async (ranges) => {
        const answers = await Promise.all(
          ranges.map(([first, last]) => server.ask("GET", { range: `bytes=${first}-${last}` })),
        );
        for (const [index, [first, last]] of ranges.entries())
          expect(answers[index]!.body.equals(plaintext.subarray(first, last + 1))).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it("stops reading when its client leaves, and reports no error", async () => {
    const endless = watchedRecording(10_000 * 65_536);
    const onError = vi.fn();
    await using server = await kind.open(endless.recording, { ...options, onError });
    await server.leave();
    await vi.waitFor(() => expect(endless.ended).toHaveBeenCalledOnce());
    expect(endless.sent()).toBeLessThan(5_000 * 65_536);
    expect(onError).not.toHaveBeenCalled();
  });

  it("answers failures before its first byte by httpStatusOf, without the reason", async () => {
    const away = new RecordingKeyStoreError("ERR_KMS_UNAVAILABLE", "secret reason", { retryable: true });
    for (const [error, status] of [
      [away, 503],
      [new RecordingKeyStoreError("ERR_RECORDING_TAMPERED", "secret reason"), 500],
      [new RecordingKeyStoreError("ERR_SOURCE_NOT_FOUND", "secret reason"), 404],
      [new InvalidInputError("recording.stream", "has a secret reason"), 500],
      [new Error("secret reason"), 500],
    ] as const) {
      const onError = vi.fn();
      await using server = await kind.open(failingRecording(0, error), {
        ...options,
        onError,
        headers: { "access-control-allow-origin": "*" },
      });
      const answer = await server.ask("GET");
      expect([
        answer.status,
        answer.headers["content-length"],
        answer.body.length,
        answer.headers["cache-control"],
        answer.headers["access-control-allow-origin"],
      ]).toEqual([status, "0", 0, "no-store", "*"]);
      expect(JSON.stringify(answer)).not.toContain("secret reason");
      expect(onError.mock.calls).toEqual([[error]]);
      expect((await server.ask("HEAD")).status).toBe(200);
    }
  });

  it("breaks off where the recording does, so that no client takes it for whole", async () => {
    const tampered = Buffer.from(encrypted);
    tampered[tampered.length - 100_000]! ^= 1;
    const reader = await openReader(bytesSource(tampered));
    const recordings: [SeekableRecording, object][] = [
      [failingRecording(3, new Error("away")), { message: "away" }],
      [{ size: reader.size, stream: (range) => inSmallSteps(reader, range) }, { code: "ERR_RECORDING_TAMPERED" }],
      [failingRecording(3, undefined), { code: "ERR_INVALID_INPUT", field: "recording.stream" }],
      [failingRecording(30, undefined), { code: "ERR_INVALID_INPUT", field: "recording.stream" }],
    ];
    for (const [recording, error] of recordings) {
      const onError = vi.fn();
      await using server = await kind.open(recording, { ...options, onError });
      await expect(server.ask("GET")).rejects.toThrow();
      expect(onError.mock.calls).toEqual([[expect.objectContaining(error)]]);
    }
  });
});

describe("a client that is gone", () => {
  const servers = {
    "node:http": () => createServer(),
    "node:http2": () => http2.createServer(),
  };
  for (const [name, make] of Object.entries(servers)) {
    /** Answers one request over a connection that the test may destroy. */
    const answering = async (handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>) => {
      const server = make();
      const done = new Promise<void>((resolve, reject) =>
        server.on(
          "request",
          (request: unknown, response: unknown) =>
            void handler(request as IncomingMessage, response as ServerResponse).then(resolve, reject),
        ),
      );
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const session = name === "node:http2" ? http2.connect(`http://127.0.0.1:${port}`) : undefined;
      const client = session?.request({ ":path": "/" }) ?? httpRequest({ host: "127.0.0.1", port, agent: false });
      client.on("response", (answer: unknown) =>
        (answer instanceof IncomingMessage ? answer : (client as http2.ClientHttp2Stream)).resume(),
      );
      client.on("error", () => undefined).end();
      return { client, done: done.finally(() => (session?.destroy(), server.close())) };
    };

    it(`before the recording was open is not answered over ${name}, and nothing is read`, async () => {
      const { recording, sent } = watchedRecording(10 * chunk.length);
      const { client, done } = await answering(async (request, response) => {
        const closed = new Promise((resolve) => response.once("close", resolve));
        client.destroy();
        await closed;
        await sendRecording(recording, request, response, options);
      });
      await done;
      expect(sent()).toBe(0);
    });

    it(`because the server destroys the response of ${name}, is no error`, async () => {
      let ended = false;
      const { done } = await answering(async (request, response) => {
        const recording: SeekableRecording = {
          size: 10 * chunk.length,
          async *stream() {
            try {
              yield chunk;
              await delay(20);
              if (response instanceof http2.Http2ServerResponse) response.stream.destroy();
              else response.destroy();
              for (;;) yield chunk;
            } finally {
              ended = true;
            }
          },
        };
        await sendRecording(recording, request, response, {
          ...options,
          onError: (error) => expect(error).toBeUndefined(),
        });
      });
      await done;
      await vi.waitFor(() => expect(ended).toBe(true));
    });
  }

  it("because its Response was cancelled stops the reading", async () => {
    const { recording, ended } = watchedRecording(100 * chunk.length);
    const response = await recordingResponse(recording, new Request("http://recordings/"), options);
    await response.body!.cancel();
    expect(ended).toHaveBeenCalledOnce();
  });
});

describe("bad input", () => {
  it("is refused by field, and can smuggle in no header", async () => {
    const recording = await opened();
    const request = new Request("http://recordings/");
    const cases: [string, unknown, object][] = [
      ["recording", {}, {}],
      ["recording", undefined, {}],
      ["contentType", recording, { contentType: undefined }],
      ["contentType", recording, { contentType: "wav" }],
      ["contentType", recording, { contentType: "audio/wav\r\nSet-Cookie: a=b" }],
      ["etag", recording, { etag: "call-1" }],
      ["etag", recording, { etag: '"a"b"' }],
      ["cacheControl", recording, { cacheControl: "a\nb" }],
      ["recording", { size: -1, stream: () => recording.stream() }, {}],
      ["onError", recording, { onError: "log" }],
      ["headers", recording, { headers: "none" }],
      ["headers", recording, { headers: new Map([["a", "b"]]) }],
      ["headers", recording, { headers: { "Content-Length": "1" } }],
      ["headers", recording, { headers: { "a b": "1" } }],
      ["headers", recording, { headers: { a: "1\r\nb: 2" } }],
    ];
    for (const [field, given, more] of cases) {
      await expect(
        recordingResponse(given as SeekableRecording, request, { ...options, ...more }),
        field,
      ).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field });
    }
  });

  it("is thrown by sendRecording, as for a response that has begun", async () => {
    const { recording } = watchedRecording(10);
    const request = new IncomingMessage(new Socket());
    request.method = "GET";
    const response = () => new ServerResponse(request);
    await expect(sendRecording(recording, request, response(), { contentType: "wav" })).rejects.toMatchObject({
      field: "contentType",
    });
    const begun = response();
    begun.writeHead(200);
    await expect(sendRecording(recording, request, begun, options)).rejects.toMatchObject({ field: "response" });
  });

  it("is not answered to a client that has already left", async () => {
    const { recording } = watchedRecording(10);
    const reason = new Error("left");
    await expect(
      recordingResponse(recording, new Request("http://recordings/", { signal: AbortSignal.abort(reason) }), options),
    ).rejects.toBe(reason);
    await delay(1);
  });
});

describe("what an answer is given", () => {
  /** An object that counts how often each of its members is read. */
  const counted = <T extends object>(target: T, reads: Record<string, number>, name: string): T =>
    new Proxy(target, {
      get: (given, member, receiver) => {
        const key = `${name}.${String(member)}`;
        reads[key] = (reads[key] ?? 0) + 1;
        const value: unknown = Reflect.get(given, member, receiver);
        return value;
      },
    });

  it("is read once, so that what was checked is what is sent", async () => {
    for (const error of [undefined, new Error("away")]) {
      const reads: Record<string, number> = {};
      const given = {
        ...options,
        cacheControl: "private",
        headers: counted({ "x-a": "b" }, reads, "headers"),
        closeWhenDone: true,
        onDone: () => undefined,
        onError: () => undefined,
      };
      const { size, stream } = error ? failingRecording(0, error) : watchedRecording(chunk.length).recording;
      const recording = counted({ size, stream, close: () => undefined }, reads, "recording");
      const asked = { method: "GET", headers: new Headers(), signal: new AbortController().signal };
      const response = await recordingResponse(
        recording,
        counted(asked, reads, "request"),
        counted(given, reads, "options"),
      );
      await response.body?.cancel();
      delete reads["headers.constructor"]; // whether it can be asked anything, not what it holds
      const twice = Object.entries(reads).filter(([, count]) => count !== 1);
      expect(twice).toEqual([]);
      expect(Object.keys(reads)).toEqual(
        expect.arrayContaining(["recording.size", "request.signal", "options.contentType", "headers.x-a"]),
      );
    }
  });
});

const chunk = Buffer.alloc(65_536);

/** A recording of zeros that counts what is read, and records whether reading was stopped. */
function watchedRecording(size: number) {
  let sent = 0;
  const ended = vi.fn();
  const recording: SeekableRecording = {
    size,
    stream: () =>
      new ReadableStream<Uint8Array>({
        pull: (controller) => {
          sent += chunk.length;
          controller.enqueue(chunk);
        },
        cancel: ended,
      }),
  };
  return { recording, ended, sent: () => sent };
}

/** A recording of nearly 10 chunks that gives so many, and then fails or ends. */
function failingRecording(chunks: number, error: Error | undefined): SeekableRecording {
  return {
    size: 10 * chunk.length - 1,
    async *stream() {
      for (let count = 0; count < chunks; count += 1) {
        await delay(5); // so that what came before the failure is on its way
        yield chunk;
      }
      if (error) throw error;
    },
  };
}

async function* inSmallSteps(
  reader: RecordingReader,
  { start, end }: { start: number; end: number },
): AsyncGenerator<Uint8Array> {
  for (let position = start; position < end; position += 50_000)
    yield reader.read(position, Math.min(50_000, end - position));
}
