import { S3Client } from "@aws-sdk/client-s3";
import type { S3ClientLike } from "../../../src/stores/s3.js";
import { clientSettings, type Attempt } from "../../support/aws-clients.js";
import type { S3Request, S3Service } from "./s3-service.js";

/** A client of a service in this process, below whose retries the next attempts of an operation can be decided on. */
export class ServiceClient implements S3ClientLike {
  readonly #client: S3Client;
  readonly #next: [operation: string, attempt: Attempt][] = [];
  /** The operations of all attempts so far. */
  readonly attempts: string[] = [];

  constructor(service: S3Service, maxAttempts = 3) {
    const handle = async (request: S3Request) => {
      const operation = operationOf(request);
      this.attempts.push(operation);
      const answer = async () => ({ response: await service.answer(request) });
      const index = this.#next.findIndex(([wanted]) => wanted === operation);
      const [decided] = index < 0 ? [] : this.#next.splice(index, 1);
      return decided ? decided[1](answer) : answer();
    };
    this.#client = new S3Client({
      ...clientSettings,
      forcePathStyle: true,
      maxAttempts,
      requestHandler: { handle } as never,
    });
  }

  /** Decides on the next attempts of an operation: `PutObject heads`, `GetObject pairs`, `ListObjectsV2`. */
  decide(operation: string, ...attempts: readonly Attempt[]): void {
    for (const attempt of attempts) this.#next.push([operation, attempt]);
  }

  send: S3ClientLike["send"] = (command, options) => this.#client.send(command as never, options);
}

/** An operation and the kind of its object: `PutObject heads`. */
function operationOf({ method, path }: S3Request): string {
  const [, , , kind] = path.split("/");
  if (kind === undefined) return "ListObjectsV2";
  return `${method[0]}${method.slice(1).toLowerCase()}Object ${kind}`;
}
