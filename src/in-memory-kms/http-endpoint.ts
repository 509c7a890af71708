import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { isIPv6, type AddressInfo } from "node:net";
import { isError } from "../util/realms.js";
import { AwsError } from "./aws-error.js";
import { answerControl, controlPath, refuseForeign, type ControlAnswer, type ControlParts } from "./control.js";
import { isLoopback, type CheckedListenOptions } from "./listen-options.js";
import { selfMadeCertificate } from "./self-signed.js";
import type { KmsAnswer } from "./service.js";
import { errorResponse, newRequestId, type KmsHttpRequest, type KmsHttpResponse } from "./wire.js";

/** An in-memory KMS that listens, for SDKs of any language as their `endpoint`. */
export interface KmsEndpoint {
  /** `http://127.0.0.1:…`, or as host and TLS make it. Serves every Region. */
  readonly url: string;
  readonly port: number;
  /** The certificate under TLS, as PEM: clients trust it as a certificate authority. */
  readonly certificate?: string;
  /**
   * Stops listening, lets calls under way be answered for 5 s at most, except those that hang, and drops the connections. Again
   * does no harm.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Far above the largest request that the service takes, in bytes; snapshots are larger. */
const maxBodyBytes = 1 << 20;
const maxControlBytes = 1 << 26;
/** Longest wait for calls under way at the end, in ms. */
const grace = 5_000;

interface Door {
  readonly answer: (request: KmsHttpRequest) => Promise<KmsAnswer>;
  readonly control: ControlParts;
  readonly options: CheckedListenOptions;
}

export async function listen(door: Door): Promise<KmsEndpoint> {
  const { port, host, tls } = door.options;
  const certificate = tls === true ? await selfMadeCertificate(host) : tls === false ? undefined : tls;
  const calls = new CallsUnderWay();
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    calls.begin(response);
    answer(door, request, response, calls).catch((error: unknown) =>
      response.destroy(isError(error) ? error : undefined),
    );
  };
  const server = certificate ? createTlsServer(certificate, serve) : createServer(serve);
  // A client that pauses for seconds, as on a busy machine, would send its next call just when Node's default closes the connection.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const { port: actualPort } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const end = () => (closed ??= close(server, calls));
  return {
    url: `${certificate ? "https" : "http"}://${isIPv6(host) ? `[${host}]` : host}:${actualPort}`,
    port: actualPort,
    ...(certificate && { certificate: certificate.cert }),
    close: end,
    [Symbol.asyncDispose]: end,
  };
}

async function answer(
  door: Door,
  request: IncomingMessage,
  response: ServerResponse,
  calls: CallsUnderWay,
): Promise<void> {
  const url = request.url ?? "/";
  const isControl = url.startsWith(controlPath);
  const body = await readBody(request, isControl ? maxControlBytes : maxBodyBytes);
  if (!body) {
    const error = new AwsError("RequestEntityTooLargeException", "Request size exceeded the limit.", 413);
    send(response, errorResponse(newRequestId(), error));
    return;
  }
  if (isControl) {
    sendJson(response, await controlAnswer(door, request, body));
    return;
  }
  const cors = corsHeaders(door.options.cors, request);
  if (request.method === "OPTIONS" && cors) {
    response.writeHead(204, cors).end();
    return;
  }
  const result = await door.answer({ method: request.method ?? "GET", headers: request.headers, body });
  switch (result.type) {
    case "response":
    case "no-credentials":
      send(response, result.response, cors);
      return;
    case "network":
      // A listener can neither refuse connections nor be unknown to DNS, so each of these is a lost connection.
      request.socket.resetAndDestroy();
      return;
    case "hang":
      calls.end(response);
      return;
  }
}

async function controlAnswer(
  { control, options }: Door,
  request: IncomingMessage,
  body: Buffer,
): Promise<ControlAnswer> {
  const url = new URL(request.url ?? "/", "http://kms");
  const asked = {
    method: request.method ?? "GET",
    path: url.pathname.slice(controlPath.length),
    query: url.searchParams,
    headers: request.headers,
    body: body.toString(),
  };
  if (asked.path === "health" && asked.method === "GET") return { status: 200, body: { status: "running" } };
  const off = { error: "The control is off: it is on by default on loopback only" };
  if (!(options.control ?? isLoopback(options.host))) return { status: 404, body: off };
  return refuseForeign(asked, options.controlHosts) ?? answerControl(control, asked);
}

/** For a page of an origin that may call KMS. Never for the control. */
function corsHeaders(origins: readonly string[], { headers }: IncomingMessage): Record<string, string> | undefined {
  const { origin } = headers;
  if (origin === undefined || !(origins.includes("*") || origins.includes(origin))) return undefined;
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": headers["access-control-request-headers"] ?? "*",
    "access-control-expose-headers": "x-amzn-requestid, date",
    "access-control-max-age": "600",
    vary: "origin",
  };
}

async function readBody(request: IncomingMessage, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size <= most) chunks.push(chunk);
  }
  return size <= most ? Buffer.concat(chunks) : undefined;
}

function send(
  response: ServerResponse,
  { statusCode, headers, body }: KmsHttpResponse,
  more: Record<string, string> = {},
): void {
  response.writeHead(statusCode, { ...headers, ...more }).end(body);
}

function sendJson(response: ServerResponse, { status, body }: ControlAnswer): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(text);
}

/** Calls that will be answered: all but those that hang. */
class CallsUnderWay {
  readonly #answers = new Set<ServerResponse>();
  #whenNone: (() => void) | undefined;

  begin(response: ServerResponse): void {
    this.#answers.add(response);
    response.once("close", () => this.end(response));
  }

  end(response: ServerResponse): void {
    this.#answers.delete(response);
    if (this.#answers.size === 0) this.#whenNone?.();
  }

  /** Resolves when none is left, or after `ms` milliseconds. */
  async none(ms: number): Promise<void> {
    if (this.#answers.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#whenNone = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function close(server: Server, calls: CallsUnderWay): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
  });
  await calls.none(grace);
  server.closeAllConnections();
  await ended;
}
