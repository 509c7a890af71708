import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { httpSource, type HttpSourceOptions } from "../../src/sources/index.js";
import { openReader } from "../recording/open-reader.js";
import { encrypt } from "../recording/support.js";
import { etagOf, everythingShown, rangeAnswer, secret, send, serve, type Handler } from "./loopback-server.js";

const content = randomBytes(200_000);
const other = randomBytes(200_000);
const good: Handler = (request, response) => send(response, rangeAnswer(request, content));
const token = "Bearer very-secret-token-1234";
const twice = {
  attempts: 2,
  headers: { authorization: token, "x-api-key": "key-of-the-service" },
} satisfies HttpSourceOptions;

/** Answers the first request, which opens, as a good server, and all others with `handler`. */
function later(handler: Handler): Handler {
  let count = 0;
  return (request, response) => ((count += 1) === 1 ? good : handler)(request, response);
}

describe("an HTTP server as a source", () => {
  it("reads any range with one request, many at once too, and opens with one", async () => {
    await using server = await serve(good);
    const source = await httpSource(new URL(server.url), twice);
    expect(source.size).toBe(content.length);
    expect((await source.read(10, 4_000)).length).toBe(4_000);
    expect(server.ranges()).toEqual(["bytes=0-4095"]);
    await fc.assert(
      fc.asyncProperty(fc.nat(content.length), fc.nat(content.length), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        const both = await Promise.all([source.read(start, end - start), source.read(start, end - start)]);
        for (const bytes of both) expect(content.subarray(start, end).equals(bytes)).toBe(true);
      }),
      { numRuns: 30 },
    );
    for (const { method, headers } of server.requests) {
      expect(method).toBe("GET");
      expect(headers).toMatchObject({
        "accept-encoding": expect.stringMatching(/^identity(, identity)?$/),
        authorization: token,
        "x-api-key": "key-of-the-service",
      });
    }
    expect(server.requests.slice(1).every(({ headers }) => headers["if-match"] === etagOf(content))).toBe(true);
  });

  it("opens what is shorter than its first request, and what is empty", async () => {
    for (const size of [0, 1, 4_095, 4_096, 4_097]) {
      const short = randomBytes(size);
      await using server = await serve((request, response) => send(response, rangeAnswer(request, short)));
      const source = await httpSource(server.url, twice);
      expect(source.size).toBe(size);
      expect(short.equals(await source.read(0, size))).toBe(true);
      expect((await source.read(size, 0)).length).toBe(0);
    }
  });

  it("is read by a recording's reader with one request per read and two to open", async () => {
    const plaintext = randomBytes(50_000);
    const encrypted = await encrypt(plaintext);
    await using server = await serve((request, response) => send(response, rangeAnswer(request, encrypted)));
    await using reader = await openReader(await httpSource(server.url));
    expect(server.requests.length).toBe(2);
    expect(plaintext.subarray(20_000, 24_000).equals(await reader.read(20_000, 4_000))).toBe(true);
    expect(server.requests.length).toBe(3);
  });

  it("calls its functions for URL and headers before each attempt", async () => {
    await using server = await serve(good);
    let asked = 0;
    const source = await httpSource(() => `${server.origin}/?n=${(asked += 1)}`, {
      headers: async () => ({ "X-N": String(asked) }),
    });
    await source.read(5_000, 10);
    expect(server.requests.map(({ url, headers }) => [url, headers["x-n"]])).toEqual([
      ["/?n=1", "1"],
      ["/?n=2", "2"],
    ]);
  });
});

const spoilt =
  (change: (answer: ReturnType<typeof rangeAnswer>) => void): Handler =>
  (request, response) => {
    const answer = rangeAnswer(request, content);
    change(answer);
    send(response, answer);
  };
/** A server that sends the whole where a range covers it, as Tornado does; with or without its length. */
const wholeIfCovered =
  (bytes: Uint8Array, announced: boolean): Handler =>
  (request, response) => {
    const answer = rangeAnswer(request, bytes);
    if (answer.body.length < bytes.length) return send(response, answer);
    response.writeHead(200, { etag: etagOf(bytes), ...(announced ? { "content-length": bytes.length } : {}) });
    response.end(bytes);
  };

describe("a server with ways of its own", () => {
  it.each([1, 100, 4_095, 4_096])(
    "may send a recording of %i bytes whole, with and without its length",
    async (size) => {
      for (const announced of [true, false]) {
        await using server = await serve(wholeIfCovered(content.subarray(0, size), announced));
        const source = await httpSource(server.url, twice);
        expect(source.size).toBe(size);
        expect(Buffer.from(await source.read(0, size)).equals(content.subarray(0, size))).toBe(true);
      }
    },
  );

  it("may send a longer one whole when all of it is asked for", async () => {
    for (const announced of [true, false]) {
      await using server = await serve(wholeIfCovered(content, announced));
      const source = await httpSource(server.url, twice);
      expect(content.equals(await source.read(0, content.length))).toBe(true);
      expect(content.subarray(9_000, 9_010).equals(await source.read(9_000, 10))).toBe(true);
    }
  });

  it.each(["", " ", "identity", "aws-chunked", "AWS-Chunked, identity", ","])(
    "may say Content-Encoding: %j",
    async (encoding) => {
      await using server = await serve(spoilt(({ headers }) => (headers["content-encoding"] = encoding)));
      const source = await httpSource(server.url, twice);
      expect(content.subarray(5_000, 5_010).equals(await source.read(5_000, 10))).toBe(true);
    },
  );

  it("may send less than a range: it is asked for the rest", async () => {
    const most = 30_000;
    await using server = await serve((request, response) => {
      const [, first = "0", last = "0"] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      request.headers.range = `bytes=${first}-${Math.min(Number(last), Number(first) + most - 1)}`;
      send(response, rangeAnswer(request, content));
    });
    const source = await httpSource(server.url, twice);
    expect(content.subarray(1_000, 101_000).equals(await source.read(1_000, 100_000))).toBe(true);
    expect(server.requests.length).toBe(1 + 4);
  });

  it("may not send less for longer than a read may take", async () => {
    await using server = await serve((request, response) => {
      const [, first = "0"] = /^bytes=(\d+)-/.exec(request.headers.range ?? "") ?? [];
      request.headers.range = `bytes=${first}-${first}`;
      send(response, rangeAnswer(request, content));
    });
    const source = await httpSource(server.url, { ...twice, deadline: 100 });
    await expect(source.read(1_000, 100_000)).rejects.toMatchObject({ code: "ERR_SOURCE_UNAVAILABLE" });
  });

  it("may not change the recording between two parts of a range", async () => {
    let requests = 0;
    await using server = await serve((request, response) => {
      const [, first = "0"] = /^bytes=(\d+)-/.exec(request.headers.range ?? "") ?? [];
      request.headers.range = `bytes=${first}-${Number(first) + 9}`;
      delete request.headers["if-match"];
      send(response, rangeAnswer(request, (requests += 1) < 3 ? content : other));
    });
    const source = await httpSource(server.url, twice);
    await expect(source.read(5_000, 100)).rejects.toMatchObject({ code: "ERR_SOURCE_CHANGED" });
    expect(server.requests.length).toBe(3);
  });
});

const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(code, headers).end("no");
const contentRange = (value: string | undefined) =>
  spoilt(({ headers }) => {
    if (value === undefined) delete headers["content-range"];
    else headers["content-range"] = value;
  });
const redirect = (location: string) => status(302, { location });

describe("a server that misbehaves", () => {
  const cases: [name: string, handler: Handler, code: string, requests: number][] = [
    [
      "ignores Range",
      (_, response) => void response.writeHead(200, { etag: etagOf(content) }).end(content),
      "ERR_SOURCE_UNSUITABLE",
      1,
    ],
    ["has no Content-Range", contentRange(undefined), "ERR_SOURCE_UNSUITABLE", 1],
    ["tells no total", contentRange("bytes 0-4095/*"), "ERR_SOURCE_UNSUITABLE", 1],
    ["tells nonsense", contentRange("bytes 10-5/20"), "ERR_SOURCE_UNSUITABLE", 1],
    ["tells another unit", contentRange("seconds 0-4095/200000"), "ERR_SOURCE_UNSUITABLE", 1],
    ["sends another range", contentRange("bytes 1-4095/200000"), "ERR_SOURCE_UNSUITABLE", 1],
    ["sends more than the range", contentRange("bytes 0-4096/200000"), "ERR_SOURCE_UNSUITABLE", 1],
    ["sends more than the range it names", contentRange("bytes 0-99/200000"), "ERR_SOURCE_UNAVAILABLE", 2],
    [
      "compresses the whole",
      (_, response) => void response.writeHead(200, { "content-encoding": "aws-chunked, gzip" }).end("x"),
      "ERR_SOURCE_UNSUITABLE",
      1,
    ],
    [
      "compresses",
      spoilt((answer) => {
        answer.body = gzipSync(answer.body);
        answer.headers["content-encoding"] = "gzip";
        answer.headers["content-length"] = String(answer.body.length);
      }),
      "ERR_SOURCE_UNSUITABLE",
      1,
    ],
    ["is not found", status(404), "ERR_SOURCE_NOT_FOUND", 1],
    ["is gone", status(410), "ERR_SOURCE_NOT_FOUND", 1],
    ["forbids", status(403), "ERR_SOURCE_REFUSED", 1],
    ["wants credentials", status(401), "ERR_SOURCE_REFUSED", 1],
    ["finds the request bad", status(400), "ERR_SOURCE_UNSUITABLE", 1],
    ["throttles", status(429), "ERR_SOURCE_UNAVAILABLE", 2],
    ["fails", status(500), "ERR_SOURCE_UNAVAILABLE", 2],
    ["is overloaded for longer than we wait", status(503, { "retry-after": "60" }), "ERR_SOURCE_UNAVAILABLE", 1],
    ["redirects to another scheme", redirect("https://127.0.0.1/"), "ERR_SOURCE_UNSUITABLE", 1],
    ["redirects to a file", redirect("file:///etc/passwd"), "ERR_SOURCE_UNSUITABLE", 1],
    ["redirects to nowhere", status(302), "ERR_SOURCE_UNSUITABLE", 1],
    ["redirects for ever", redirect("/again"), "ERR_SOURCE_UNSUITABLE", 6],
    ["hangs", () => undefined, "ERR_SOURCE_UNAVAILABLE", 2],
    ["hangs up", (request) => void request.socket.destroy(), "ERR_SOURCE_UNAVAILABLE", 2],
    ["resets", (request) => void request.socket.resetAndDestroy(), "ERR_SOURCE_UNAVAILABLE", 2],
    [
      "sends a short body",
      (request, response) => {
        const { headers, body } = rangeAnswer(request, content);
        response.writeHead(206, headers).write(body.subarray(0, 100), () => response.destroy());
      },
      "ERR_SOURCE_UNAVAILABLE",
      2,
    ],
    [
      "sends a short body as if whole",
      spoilt((answer) => {
        answer.body = answer.body.subarray(0, 100);
        answer.headers["content-length"] = "100";
      }),
      "ERR_SOURCE_UNAVAILABLE",
      2,
    ],
    [
      "sends too long a body",
      spoilt((answer) => {
        answer.body = Buffer.alloc(5_000);
        answer.headers["content-length"] = "5000";
      }),
      "ERR_SOURCE_UNAVAILABLE",
      2,
    ],
    [
      "stalls in the middle of a body",
      (request, response) => void response.writeHead(206, rangeAnswer(request, content).headers).write("x"),
      "ERR_SOURCE_UNAVAILABLE",
      2,
    ],
  ];
  it.each(cases)("%s", async (name, handler, code, requests) => {
    await using server = await serve(handler);
    const hanging = /^(hangs|stalls)\b(?! up)/.test(name);
    const error: unknown = await httpSource(server.url, {
      ...twice,
      ...(hanging ? { attemptTimeout: 300 } : {}),
    }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, retryable: code === "ERR_SOURCE_UNAVAILABLE" });
    expect(server.requests.length).toBe(requests);
    expect((error as Error).message).toMatch(hanging ? "no answer within 300 ms" : server.origin);
    for (const hidden of [secret, "signature", "recordings", token, "key-of-the-service"])
      expect(everythingShown(error) + inspect(error)).not.toContain(hidden);
  });

  it("is cut off once it ignores Range", async () => {
    const whole = 200 * 1_048_576;
    let sent = 0;
    let hungUp = 0;
    await using server = await serve((_, response) => {
      response.once("close", () => (hungUp += 1));
      response.writeHead(200, { "content-length": String(whole) });
      const more = () => {
        while (!response.destroyed && sent < whole) {
          sent += 1_048_576;
          if (!response.write(Buffer.alloc(1_048_576))) return void response.once("drain", more);
        }
      };
      more();
    });
    await expect(httpSource(server.url)).rejects.toMatchObject({ code: "ERR_SOURCE_UNSUITABLE" });
    await vi.waitFor(() => expect(hungUp).toBe(1)); // at once, not when the garbage collector finds the answer
    expect(sent).toBeLessThan(whole / 4);
  });

  const laterCases: [name: string, handler: Handler, code: string][] = [
    [
      "has another version, and heeds If-Match",
      (request, response) => send(response, rangeAnswer(request, other)),
      "ERR_SOURCE_CHANGED",
    ],
    [
      "has another version, and ignores If-Match",
      spoilt((answer) => (answer.headers["etag"] = etagOf(other))),
      "ERR_SOURCE_CHANGED",
    ],
    [
      "has another version, and sends all of it",
      (_, response) => void response.writeHead(200, { etag: etagOf(other) }).end(other),
      "ERR_SOURCE_CHANGED",
    ],
    ["does not tell the version any more", spoilt((answer) => delete answer.headers["etag"]), "ERR_SOURCE_CHANGED"],
    ["has grown", contentRange("bytes 5000-5009/200001"), "ERR_SOURCE_CHANGED"],
    [
      "has become shorter",
      (request, response) => send(response, rangeAnswer(request, content.subarray(0, 4_500), etagOf(content))),
      "ERR_SOURCE_CHANGED",
    ],
    [
      "sends the whole",
      (_, response) => void response.writeHead(200, { etag: etagOf(content) }).end(content),
      "ERR_SOURCE_UNSUITABLE",
    ],
    ["has deleted it", status(404), "ERR_SOURCE_NOT_FOUND"],
    ["does not let us in any more", status(403), "ERR_SOURCE_REFUSED"],
  ];
  it.each(laterCases)("after opening: %s", async (_, handler, code) => {
    await using server = await serve(later(handler));
    const source = await httpSource(server.url, twice);
    await expect(source.read(5_000, 10)).rejects.toMatchObject({ code });
    expect(server.requests.length).toBe(2);
  });

  it("never has two versions mixed, even without a strong ETag", async () => {
    for (const version of [{ etag: 'W/"1"' }, { "last-modified": "Tue, 24 Nov 2026 10:00:00 GMT" }, {}] as Record<
      string,
      string
    >[]) {
      let current = version;
      await using server = await serve((request, response) => {
        const { etag: _, ...headers } = rangeAnswer(request, content).headers;
        send(response, { ...rangeAnswer(request, content), status: 206, headers: { ...headers, ...current } });
      });
      const source = await httpSource(server.url, twice);
      await source.read(5_000, 10);
      const sent = server.requests[1]?.headers;
      expect([sent?.["if-match"], sent?.["if-unmodified-since"]]).toEqual([undefined, version["last-modified"]]);
      current = Object.fromEntries(Object.entries(version).map(([name, value]) => [name, value.replace(/1/, "2")]));
      if (Object.keys(version).length > 0)
        await expect(source.read(5_000, 10)).rejects.toMatchObject({ code: "ERR_SOURCE_CHANGED" });
    }
  });

  it("heals between two attempts", async () => {
    const troubles: Handler[] = [
      status(503),
      (request) => void request.socket.resetAndDestroy(),
      status(429, { "retry-after": "0" }),
    ];
    await using server = await serve(later((request, response) => (troubles.shift() ?? good)(request, response)));
    const source = await httpSource(server.url, { attempts: 4 });
    expect(content.subarray(5_000, 5_010).equals(await source.read(5_000, 10))).toBe(true);
    expect(server.requests.length).toBe(5);
  });

  it("is given up at the deadline, however many attempts are left", async () => {
    await using server = await serve(() => undefined);
    // One of ten attempts alone would take longer than the test may.
    for (const attemptTimeout of [100, 600_000]) {
      await expect(httpSource(server.url, { attempts: 10, attemptTimeout, deadline: 400 })).rejects.toMatchObject({
        code: "ERR_SOURCE_UNAVAILABLE",
      });
    }
  });

  it("is left at once when the caller aborts a request, a pause or a body", async () => {
    const handlers: Handler[] = [
      () => undefined,
      status(503, { "retry-after": "300" }),
      (request, response) => void response.writeHead(206, rangeAnswer(request, content).headers).write("x"),
    ];
    for (const handler of handlers) {
      await using server = await serve(later(handler));
      // Whoever waited for pause or deadline would wait for longer than the test may take.
      const source = await httpSource(server.url, { attemptTimeout: 600_000, deadline: 600_000 });
      const controller = new AbortController();
      const reading = source.read(5_000, 10, controller.signal);
      reading.catch(() => undefined);
      await delay(150);
      controller.abort(new Error("seek"));
      await expect(reading).rejects.toThrow("seek");
      if (handler !== handlers[1]) await vi.waitFor(() => expect(server.requests[1]?.socket.destroyed).toBe(true)); // and no connection is left
      await expect(source.read(5_000, 10, controller.signal)).rejects.toThrow("seek");
      expect(server.requests.length).toBe(2);
    }
  });
});

describe("redirects", () => {
  it("are followed within the scheme, without our headers on another origin", async () => {
    await using storage = await serve(good);
    await using server = await serve(({ url = "" }, response) =>
      redirect(url.startsWith("/again") ? `${storage.origin}/x?signature=${secret}` : "/again")({} as never, response),
    );
    const source = await httpSource(server.url, twice);
    await source.read(5_000, 10);
    expect(server.requests.length).toBe(4);
    expect(server.requests.every(({ headers }) => headers.authorization === token)).toBe(true);
    expect(storage.requests.length).toBe(2);
    for (const { headers } of storage.requests)
      expect([headers.authorization, headers["x-api-key"]]).toEqual([undefined, undefined]);
    expect(storage.requests[1]?.headers["if-match"]).toBe(etagOf(content));
  });

  it("can be refused", async () => {
    await using server = await serve(redirect("/again"));
    await expect(httpSource(server.url, { maxRedirects: 0 })).rejects.toMatchObject({ code: "ERR_SOURCE_UNSUITABLE" });
    expect(server.requests.length).toBe(1);
  });
});

describe("an injected fetch", () => {
  const answerWith = (members: Readonly<Record<string, () => unknown>>) => {
    const reads: string[] = [];
    const count = (name: string, value: unknown) => (reads.push(name), value);
    const headers = {
      get: (name: string) => count(name, members[name]?.() ?? null),
    };
    const answer = Object.defineProperties(
      {},
      Object.fromEntries(
        ["status", "headers", "body"].map((name) => [
          name,
          { get: () => count(name, name === "headers" ? headers : members[name]?.()) },
        ]),
      ),
    );
    return { answer, reads };
  };
  const bodyOf = (bytes: Uint8Array) => new Blob([bytes]).stream();
  const lockedStream = () => {
    const stream = new ReadableStream();
    stream.getReader();
    return stream;
  };

  it.each([200, 206, 302, 404, 412, 416, 503])("has each member of an answer %i read once", async (status) => {
    const { answer, reads } = answerWith({
      status: () => status,
      body: () => bodyOf(content.subarray(0, 10)),
      "content-range": () => "bytes 0-9/10",
      "content-length": () => "10",
    });
    const options = { fetch: async () => answer as never, attempts: 1 };
    await httpSource("https://storage.example/x", options).catch(() => undefined);
    expect(reads.length).toBeGreaterThan(3);
    expect(reads).toEqual([...new Set(reads)]);
  });

  it("cannot answer one thing when asked and another when asked again", async () => {
    const statuses = [206, 302, 500];
    const { answer } = answerWith({
      status: () => statuses.shift(),
      body: () => bodyOf(content.subarray(0, 10)),
      "content-range": () => "bytes 0-9/10",
    });
    const source = await httpSource("https://storage.example/x", { fetch: async () => answer as never, attempts: 1 });
    expect(Buffer.from(await source.read(0, 10))).toEqual(content.subarray(0, 10));
  });

  it.each<[string, () => unknown]>([
    ["nothing", () => undefined],
    ["text", () => "206"],
    ["a status that is text", () => answerWith({ status: () => "206" }).answer],
    ["headers without get", () => ({ status: 206, headers: {}, body: null })],
    ["a header that is a list", () => answerWith({ status: () => 206, etag: () => ['"a"', '"b"'] }).answer],
    [
      "a member that throws",
      () =>
        answerWith({
          status: () => {
            throw new Error(secret);
          },
        }).answer,
    ],
    ["a body that is text", () => ({ status: 404, headers: new Headers(), body: "nothing here" })],
    ["a body that somebody reads", () => ({ status: 404, headers: new Headers(), body: lockedStream() })],
  ])("that answers with %s fails with a code of a source", async (_what, answer) => {
    const error: unknown = await httpSource(`https://storage.example/x?sig=${secret}`, {
      fetch: async () => answer() as never,
      attempts: 1,
    }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_SOURCE_(UNAVAILABLE|NOT_FOUND)$/) });
    expect(everythingShown(error) + inspect(error)).not.toContain(secret);
  });

  it("gets back the body of an answer that is malformed", async () => {
    const cancelled: unknown[] = [];
    const body = new ReadableStream({ cancel: (reason) => void cancelled.push(reason) });
    const fetch = async () => ({ status: 206, headers: {}, body }) as never;
    await expect(httpSource("https://storage.example/x", { fetch, attempts: 1 })).rejects.toMatchObject({
      code: "ERR_SOURCE_UNAVAILABLE",
    });
    expect(cancelled).toHaveLength(1);
  });
});

describe("secrets", () => {
  it("of URL and headers are removed from an injected fetch's errors", async () => {
    const url = `https://storage.example/a/b?X-Sig=${secret}&e=%2Bab%2Fcd`;
    const message = `request to ${url} (also ${secret}, +ab/cd, /a/b?X-Sig) with ${token} and key-of-the-service failed`;
    const fetch = () =>
      Promise.reject(Object.assign(new TypeError(message, { cause: new Error(message) }), { code: "EX" }));
    const error: unknown = await httpSource(url, { ...twice, fetch, attempts: 1 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "ERR_SOURCE_UNAVAILABLE", cause: { name: "TypeError", code: "EX" } });
    for (const hidden of [secret, "X-Sig", "ab/cd", "ab%2F", "very-secret", "key-of-the-service"])
      expect(everythingShown(error) + inspect(error)).not.toContain(hidden);
  });

  it("are not shown where input is refused", async () => {
    const bad: [string, unknown, HttpSourceOptions][] = [
      ["url", `https://user:${secret}@host/`, {}],
      ["url", `ftp://host/${secret}`, {}],
      ["url", `/relative/${secret}`, {}],
      ["url", 7, {}],
      ["url", () => "nowhere", {}],
      ["headers", "http://host", { headers: { authorization: `a\n${secret}` } }],
      ["headers", "http://host", { headers: { "bad name": secret } }],
      ["headers", "http://host", { headers: { Range: "bytes=0-1" } }],
      ["headers", "http://host", { headers: () => ({ "If-Match": "*" }) }],
      ["headers", "http://host", { headers: new Headers({ a: secret }) as never }],
      ["fetch", "http://host", { fetch: 1 as never }],
      ["maxRedirects", "http://host", { maxRedirects: 11 }],
      ["attempts", "http://host", { attempts: 0 }],
      ["attemptTimeout", "http://host", { attemptTimeout: 0 }],
      ["deadline", "http://host", { deadline: Infinity }],
    ];
    for (const [field, url, options] of bad) {
      const error: unknown = await httpSource(url as string, options).catch((reason: unknown) => reason);
      expect(error, field).toMatchObject({ code: "ERR_INVALID_INPUT", field });
      expect(everythingShown(error)).not.toContain(secret);
    }
  });
});
