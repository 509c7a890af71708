import { S3Client } from "@aws-sdk/client-s3";
import type { S3ClientLike } from "../../../src/stores/s3.js";
import { type S3Service, type S3Request } from "./s3-service.js";

/** Time limits for a store on a busy machine. */
export const patient = { attemptTimeout: 30_000, deadline: 60_000 };

const settings = {
  region: "eu-west-1",
  credentials: { accessKeyId: "AKIATEST", secretAccessKey: "test" },
  forcePathStyle: true,
};

/** Client of a server of the tests. */
export function clientOf(endpoint: string): S3Client {
  return new S3Client({ ...settings, endpoint });
}

/** What becomes of one attempt of the SDK, whose request reaches the service or not. */
type Attempt = (answer: () => Promise<unknown>) => Promise<unknown>;

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
    this.#client = new S3Client({ ...settings, maxAttempts, requestHandler: { handle } as never });
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

/** A command that was sent. */
export interface SentCommand {
  /** `GetObject`, … */
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export function sentCommand(command: object): SentCommand {
  const { input } = command as { input: Record<string, unknown> };
  return { operation: command.constructor.name.replace(/Command$/, ""), input };
}

/** A client that keeps what was sent through it. */
export function recordingClient(client: S3ClientLike): S3ClientLike & { readonly sent: SentCommand[] } {
  const sent: SentCommand[] = [];
  return {
    sent,
    send: async (command, options) => {
      sent.push(sentCommand(command));
      return client.send(command, options);
    },
  };
}
