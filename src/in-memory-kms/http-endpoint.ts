import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isError } from "../util/realms.js";
import { AwsError } from "./aws-error.js";
import type { KmsAnswer } from "./service.js";
import { errorResponse, newRequestId, type KmsHttpRequest, type KmsHttpResponse } from "./wire.js";

/** An in-memory KMS that listens on loopback, for SDKs of any language as their `endpoint`. */
export interface KmsEndpoint {
  /** `http://127.0.0.1:…`. Serves every Region. */
  readonly url: string;
  readonly port: number;
  /** Stops listening and drops open connections. Again does no harm. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const loopback = "127.0.0.1";
/** Far above the largest request that the service takes. */
const maxBodyBytes = 1 << 20;

export async function listen(
  answer: (request: KmsHttpRequest) => Promise<KmsAnswer>,
  port: number,
): Promise<KmsEndpoint> {
  const server = createServer((request, response) => {
    serve(answer, request, response).catch((error: unknown) => response.destroy(isError(error) ? error : undefined));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, loopback, resolve);
  });
  const { port: actualPort } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const end = () => (closed ??= close(server));
  return { url: `http://${loopback}:${actualPort}`, port: actualPort, close: end, [Symbol.asyncDispose]: end };
}

async function serve(
  answer: (request: KmsHttpRequest) => Promise<KmsAnswer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readBody(request);
  if (!body) {
    send(
      response,
      errorResponse(
        newRequestId(),
        new AwsError("RequestEntityTooLargeException", "Request size exceeded the limit.", 413),
      ),
    );
    return;
  }
  const result = await answer({ method: request.method ?? "GET", headers: request.headers, body });
  switch (result.type) {
    case "response":
    case "no-credentials":
      send(response, result.response);
      return;
    case "network":
      // A listener can neither refuse connections nor be unknown to DNS, so each of these is a lost connection.
      request.socket.resetAndDestroy();
      return;
    case "hang":
      return;
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size <= maxBodyBytes) chunks.push(chunk);
  }
  return size <= maxBodyBytes ? Buffer.concat(chunks) : undefined;
}

function send(response: ServerResponse, { statusCode, headers, body }: KmsHttpResponse): void {
  response.writeHead(statusCode, headers).end(body);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    // Hanging calls would keep the server open forever.
    server.closeAllConnections();
  });
}
