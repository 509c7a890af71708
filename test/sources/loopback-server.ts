import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A real HTTP server on loopback that records requests, and drops every connection when it is closed. */
export async function serve(handler: Handler) {
  const requests: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(request);
    response.on("error", () => undefined);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    url: `${origin}/recordings/call.rec?signature=${secret}`,
    requests,
    ranges: () => requests.map(({ headers }) => headers.range),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const secret = "c2VjcmV0LXNpZ25hdHVyZQ";

export const etagOf = (bytes: Uint8Array) => `"${createHash("sha256").update(bytes).digest("hex").slice(0, 20)}"`;

/** Answer of a good file server: one range, `ETag`, `If-Match`. Tests may change headers and body. */
export function rangeAnswer(request: IncomingMessage, content: Uint8Array, etag: string | undefined = etagOf(content)) {
  const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const end = Math.min(last === "" ? content.length : Number(last) + 1, content.length);
  const body = content.subarray(Number(first), end);
  const condition = request.headers["if-match"];
  const status = condition !== undefined && condition !== etag ? 412 : Number(first) >= content.length ? 416 : 206;
  const headers: Record<string, string> = {
    "content-length": String(status === 206 ? body.length : 0),
    "content-range": status === 416 ? `bytes */${content.length}` : `bytes ${first}-${end - 1}/${content.length}`,
    ...(etag === undefined ? {} : { etag }),
  };
  return { status, headers, body: status === 206 ? body : Buffer.alloc(0) };
}

export function send(response: ServerResponse, { status, headers, body }: ReturnType<typeof rangeAnswer>): void {
  response.writeHead(status, headers);
  response.end(body);
}

/** Everything of an error that could end up in a log. */
export function everythingShown(error: unknown): string {
  const links: string[] = [];
  for (let link = error; link instanceof Error; link = link.cause)
    links.push(link.message, link.stack ?? "", JSON.stringify(link));
  return links.join("\n");
}
