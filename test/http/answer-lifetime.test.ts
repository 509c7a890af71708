import { getEventListeners } from "node:events";
import { createServer, IncomingMessage, ServerResponse } from "node:http";
import { Socket, type AddressInfo } from "node:net";
import { describe, expect, it, vi } from "vitest";
import {
  answerRecordingRequest,
  recordingResponse,
  sendRecording,
  type RecordingAnswerOptions,
  type SeekableRecording,
} from "../../src/http/index.js";
import { bytesSource, type RecordingKeyStoreError } from "../../src/index.js";
import { createTestKeyStore } from "../../src/testing/index.js";
import { serverKinds } from "./servers.js";

const chunk = Buffer.alloc(65_536);
const options = { contentType: "audio/wav", etag: '"call-1"' };

/** A recording opened for one request, and what is done when the answer is, in order. */
function opened(more: Partial<SeekableRecording> = {}) {
  const events: string[] = [];
  const recording: SeekableRecording = {
    size: 4 * chunk.length,
    async *stream({ start, end }) {
      try {
        for (let at = start; at < end; at += chunk.length) yield chunk.subarray(0, end - at);
      } finally {
        events.push("read");
      }
    },
    close: async () => {
      await Promise.resolve();
      events.push("closed");
    },
    ...more,
  };
  return { recording, events, told: { closeWhenDone: true, onDone: () => void events.push("done") } };
}

async function* failingAfter(chunks: number): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < chunks; count += 1) {
    yield chunk;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("the source is away");
}

describe.each(serverKinds)("a recording opened for one answer over $name", (kind) => {
  const answers: [what: string, method: string, asked: Record<string, string>, read: boolean][] = [
    ["the whole", "GET", {}, true],
    ["a range", "GET", { range: "bytes=10-19" }, true],
    ["a head", "HEAD", {}, false],
    ["304", "GET", { "if-none-match": '"call-1"' }, false],
    ["405", "POST", {}, false],
    ["412", "GET", { "if-match": '"x"' }, false],
    ["416", "GET", { range: "bytes=9999999-" }, false],
  ];

  it.each(answers)("is closed after %s, before onDone is told", async (_, method, asked, read) => {
    const { recording, events, told } = opened();
    await using server = await kind.open(recording, { ...options, ...told });
    await server.ask(method, asked);
    await vi.waitFor(() => expect(events).toEqual([...(read ? ["read"] : []), "closed", "done"]));
  });

  it.each([0, 2])("is closed after a failure behind %i chunks", async (chunks) => {
    const onError = vi.fn();
    const { recording, events, told } = opened({ stream: () => failingAfter(chunks) });
    await using server = await kind.open(recording, { ...options, ...told, onError });
    await server.ask("GET").catch(() => undefined);
    await vi.waitFor(() => expect(events).toEqual(["closed", "done"]));
    expect(onError).toHaveBeenCalledOnce();
  });

  it("is closed when its client leaves", async () => {
    const { recording, events, told } = opened({ size: 100_000 * chunk.length });
    await using server = await kind.open(recording, { ...options, ...told });
    await server.leave();
    await vi.waitFor(() => expect(events).toEqual(["read", "closed", "done"]));
  });

  it("is left open unless that was asked for", async () => {
    const onDone = vi.fn();
    const close = vi.fn();
    await using server = await kind.open(opened({ close }).recording, { ...options, onDone });
    await server.ask("GET");
    await vi.waitFor(() => expect(onDone).toHaveBeenCalledOnce());
    expect(close).not.toHaveBeenCalled();
  });

  it("tells onError, and nobody else, what close and onDone throw", async () => {
    const told: unknown[] = [];
    const onError = (error: unknown) => {
      told.push((error as Error).message);
      throw new Error("onError fails too");
    };
    const throwing = (message: string) => () => {
      throw new Error(message);
    };
    const { recording } = opened({ close: throwing("close") });
    const more = { closeWhenDone: true, onDone: async () => throwing("onDone")(), onError };
    await using server = await kind.open(recording, { ...options, ...more });
    expect((await server.ask("GET")).status).toBe(200);
    await vi.waitFor(() => expect(told).toEqual(["close", "onDone"]));
  });
});

describe("a recording opened for one answer", () => {
  it.each<[string, Partial<RecordingAnswerOptions>, object]>([
    ["options", { contentType: "wav" }, { field: "contentType" }],
    ["onDone", { onDone: "no function" as never, closeWhenDone: true }, { field: "onDone" }],
  ])("is closed when the answer is refused for its %s", async (_, more, error) => {
    const { recording, events } = opened();
    const given = { ...options, closeWhenDone: true, ...more };
    await expect(recordingResponse(recording, new Request("http://r/"), given)).rejects.toMatchObject(error);
    await vi.waitFor(() => expect(events).toEqual(["closed"]));
  });

  it("is closed when its client left before, or its request is none", async () => {
    const gone = new Request("http://r/", { signal: AbortSignal.abort(new Error("left")) });
    for (const request of [gone, undefined, {}]) {
      const { recording, events, told } = opened();
      await expect(recordingResponse(recording, request as Request, { ...options, ...told })).rejects.toThrow();
      await vi.waitFor(() => expect(events).toEqual(["closed", "done"]));
    }
  });

  it("is closed when the response has begun before", async () => {
    const { recording, events, told } = opened();
    const request = new IncomingMessage(new Socket());
    const response = new ServerResponse(request);
    response.writeHead(200);
    const sent = sendRecording(recording, request, response, { ...options, ...told });
    await expect(sent).rejects.toMatchObject({ field: "response" });
    await vi.waitFor(() => expect(events).toEqual(["closed", "done"]));
  });

  it("is closed when sendRecording resolves", async () => {
    const { recording, events, told } = opened();
    const sent: string[][] = [];
    const server = createServer((request, response) => {
      void sendRecording(recording, request, response, { ...options, ...told }).then(() => sent.push([...events]));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).arrayBuffer();
    await vi.waitFor(() => expect(sent).toEqual([["read", "closed", "done"]]));
    server.closeAllConnections();
    server.close();
  });

  it("must have a close to be closed", async () => {
    const { stream, size } = opened().recording;
    await expect(
      recordingResponse({ size, stream }, new Request("http://r/"), { ...options, closeWhenDone: true }),
    ).rejects.toMatchObject({ field: "recording" });
    await expect(
      recordingResponse(opened().recording, new Request("http://r/"), { ...options, closeWhenDone: "yes" as never }),
    ).rejects.toMatchObject({ field: "closeWhenDone" });
  });

  it("is let go by its key store: 200 requests leave none open", async () => {
    const { keyStore } = await createTestKeyStore();
    const { body } = await keyStore.encryptRecording(Buffer.alloc(100_000), { recordingId: "r" });
    const closed: string[] = [];
    for (let count = 0; count < 200; count += 1) {
      const reader = await keyStore.openRecording(bytesSource(body), { recordingId: "r" });
      const onDone = () =>
        reader.read(0, 1).catch((error: unknown) => closed.push((error as RecordingKeyStoreError).code));
      const response = await recordingResponse(reader, new Request("http://r/", { headers: { range: "bytes=0-9" } }), {
        ...options,
        closeWhenDone: true,
        onDone,
      });
      expect((await response.arrayBuffer()).byteLength).toBe(10);
    }
    await vi.waitFor(() => expect(closed).toEqual(Array.from({ length: 200 }, () => "ERR_CLOSED")));
    await keyStore.close();
  });
});

describe("the signal of many answers", () => {
  const request = { method: "GET", header: () => undefined };

  it("bears nothing once they are done, however they end", async () => {
    const warned = vi.fn();
    process.on("warning", warned);
    const shutdown = new AbortController();
    const { signal } = shutdown;
    const answers = await Promise.all(
      Array.from({ length: 60 }, () => answerRecordingRequest(request, opened().recording, options, signal)),
    );
    await new Promise((resolve) => setImmediate(resolve)); // warnings are told in a later turn
    process.off("warning", warned);
    expect(warned).not.toHaveBeenCalled();
    expect(getEventListeners(signal, "abort")).not.toEqual([]);
    for (const [index, { body }] of answers.entries()) {
      if (index % 2 === 0) body?.cancel();
      else while (await body?.next());
    }
    const failing = opened({ stream: () => failingAfter(1) }).recording;
    const { body } = await answerRecordingRequest(request, failing, options, signal);
    while (await body?.next().catch(() => undefined));
    const away = opened({ stream: () => failingAfter(0) }).recording;
    expect((await answerRecordingRequest(request, away, options, signal)).status).toBe(500);
    const bad = { ...options, contentType: "" };
    await expect(answerRecordingRequest(request, failing, bad, signal)).rejects.toThrow();
    const head = { ...request, method: "HEAD" };
    expect((await answerRecordingRequest(head, failing, options, signal)).body).toBeUndefined();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("ends every answer that is under way, and gives none of its first bytes then", async () => {
    const shutdown = new AbortController();
    const { recording, events, told } = opened();
    const { body } = await answerRecordingRequest(request, recording, { ...options, ...told }, shutdown.signal);
    const reason = new Error("shutdown");
    shutdown.abort(reason);
    await expect(body?.next()).rejects.toBe(reason);
    await vi.waitFor(() => expect(events).toEqual(["read", "closed", "done"]));
  });

  it("may be a request's: a Response that was read leaves nothing on it", async () => {
    const { signal } = new AbortController();
    const asked = { method: "GET", headers: new Headers(), signal };
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => recordingResponse(opened().recording, asked, options)),
    );
    await Promise.all(
      responses.map((response, index) => (index % 2 ? response.body!.cancel() : response.arrayBuffer())),
    );
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});
