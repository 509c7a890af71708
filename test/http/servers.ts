import { Agent, createServer, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import {
  recordingResponse,
  sendRecording,
  type RecordingAnswerOptions,
  type SeekableRecording,
} from "../../src/http/index.js";

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | undefined>;
  readonly body: Buffer;
}

/** A kind of server that sends recordings. */
export interface ServerKind {
  readonly name: string;
  open(recording: SeekableRecording, options: RecordingAnswerOptions): Promise<RunningServer>;
}

interface RunningServer extends AsyncDisposable {
  /** Rejects if the answer breaks off. */
  ask(method: string, headers?: Record<string, string>): Promise<Answer>;
  /** Reads the beginning of the whole recording, then leaves. */
  leave(): Promise<void>;
}

const http1Server: ServerKind = {
  name: "node:http",
  async open(recording, options) {
    const server = createServer((request, response) => void sendRecording(recording, request, response, options));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    // Connections are kept alive, as in browsers, so that the next answer would pass for the rest of a short one.
    const agent = new Agent({ keepAlive: true });
    const start = (method: string, headers: Record<string, string>) =>
      new Promise<IncomingMessage>((resolve, reject) =>
        httpRequest({ port, host: "127.0.0.1", method, headers, agent }, resolve).once("error", reject).end(),
      );
    return {
      ask: async (method, headers = {}) => {
        const response = await start(method, headers);
        const parts: Buffer[] = [];
        for await (const part of response) parts.push(part as Buffer);
        return { status: response.statusCode ?? 0, headers: plain(response.headers), body: Buffer.concat(parts) };
      },
      leave: async () => {
        const response = await start("GET", {});
        await new Promise((resolve) => response.once("data", resolve));
        response.destroy();
      },
      [Symbol.asyncDispose]: async () => {
        agent.destroy();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};

const http2Server: ServerKind = {
  name: "node:http2",
  async open(recording, options) {
    const server = http2.createServer((request, response) => void sendRecording(recording, request, response, options));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return {
      ask: async (method, headers = {}) => {
        const stream = session.request({ ":method": method, ":path": "/", ...headers });
        const answered = new Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>((resolve, reject) => {
          stream.once("response", resolve);
          stream.once("error", reject);
        });
        stream.end();
        const { ":status": status = 0, ...found } = await answered;
        const parts: Buffer[] = [];
        for await (const part of stream) parts.push(part as Buffer);
        return { status, headers: plain(found), body: Buffer.concat(parts) };
      },
      leave: async () => {
        const stream = session.request({ ":path": "/" });
        await new Promise((resolve) => stream.once("data", resolve));
        stream.close(http2.constants.NGHTTP2_CANCEL);
      },
      [Symbol.asyncDispose]: async () => {
        session.destroy();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};

const webServer: ServerKind = {
  name: "Request and Response",
  async open(recording, options) {
    return {
      ask: async (method, headers = {}) => {
        const response = await recordingResponse(
          recording,
          new Request("http://recordings/", { method, headers }),
          options,
        );
        return {
          status: response.status,
          headers: Object.fromEntries(response.headers),
          body: Buffer.from(await response.arrayBuffer()),
        };
      },
      leave: async () => {
        const left = new AbortController();
        const response = await recordingResponse(
          recording,
          new Request("http://recordings/", { signal: left.signal }),
          options,
        );
        const reader = response.body!.getReader();
        await reader.read();
        left.abort();
        await reader.read().catch(() => undefined);
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
};

const plain = (headers: IncomingHttpHeaders) =>
  Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !name.startsWith(":"))
      .map(([name, value]) => [name, String(value)]),
  );

export const serverKinds: readonly ServerKind[] = [http1Server, http2Server, webServer];
