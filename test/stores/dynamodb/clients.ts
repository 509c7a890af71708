import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { DynamoDbClientLike } from "../../../src/stores/dynamodb.js";

/** A command that was sent. */
export interface SentCommand {
  /** `GetItem`, … */
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export function sentCommand(command: object): SentCommand {
  const { input } = command as { input: Record<string, unknown> };
  return { operation: command.constructor.name.replace(/Command$/, ""), input };
}

/** A client that keeps what was sent through it. */
export function recordingClient(client: DynamoDbClientLike): DynamoDbClientLike & { readonly sent: SentCommand[] } {
  const sent: SentCommand[] = [];
  return {
    sent,
    send: async (command, options) => {
      sent.push(sentCommand(command));
      return client.send(command, options);
    },
  };
}

/** What becomes of one attempt of the SDK, whose request reaches the server or not. */
type Attempt = (answer: () => Promise<unknown>) => Promise<unknown>;

/** The server does what it is asked, and its answer is lost with the connection. */
export const answerLost: Attempt = async (answer) => {
  await answer();
  throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
};

/** The server does what it is asked, and the answer never comes. */
export const answerHangs: Attempt = async (answer) => {
  await answer();
  return new Promise(() => undefined);
};

/** The answer comes after something else has happened. */
export const lostWhile =
  (meanwhile: () => Promise<unknown>): Attempt =>
  async (answer) => {
    await answer();
    await meanwhile();
    return answerLost(async () => undefined);
  };

/** The server refuses at once. */
export const refused: Attempt = async () => {
  throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
};

interface Request {
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Decides on the next attempts of an operation, below the SDK's retries.
 * @returns the operations of all attempts, as they come
 */
export function withAttempts(client: DynamoDBClient, operation: string, ...next: Attempt[]): string[] {
  const attempts: string[] = [];
  const handler = client.config.requestHandler as { handle: (request: Request, options: unknown) => Promise<unknown> };
  const handle = handler.handle.bind(handler);
  handler.handle = async (request, options) => {
    const asked = request.headers["x-amz-target"]?.split(".")[1] ?? "";
    attempts.push(asked);
    const attempt = asked === operation ? next.shift() : undefined;
    return attempt ? attempt(() => handle(request, options)) : handle(request, options);
  };
  return attempts;
}
