import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Readable } from "node:stream";
import { S3Service } from "./s3-service.js";

/** What becomes of requests: they are served, their connections are cut, or they are refused. */
export type ServerMood = "up" | "cut off" | "overloaded";

/** A server with the S3 of the tests. */
export interface S3Server {
  readonly endpoint: string;
  readonly service: S3Service;
  mood: ServerMood;
  readonly stop: () => Promise<void>;
}

export async function startS3Server(service = new S3Service()): Promise<S3Server> {
  const http = createServer((request, response) => void serve(request, response));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const server: S3Server = {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    service,
    mood: "up",
    stop: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => undefined); // a caller that has gone
    if (server.mood === "cut off") return void request.socket.destroy();
    if (server.mood === "overloaded") return void response.writeHead(503).end();
    const { pathname, searchParams } = new URL(request.url ?? "", "http://s3");
    try {
      const answer = await service.answer({
        method: request.method ?? "",
        path: pathname,
        query: Object.fromEntries(searchParams),
        headers: request.headers as Record<string, string>,
        body: request,
      });
      response.writeHead(answer.statusCode, answer.headers);
      (answer.body as Readable).pipe(response);
    } catch {
      response.destroy();
    }
  }
  return server;
}
