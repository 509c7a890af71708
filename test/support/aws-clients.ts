import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";

/** Of every client of a server of the tests. */
export const clientSettings = {
  region: "eu-west-1",
  credentials: { accessKeyId: "AKIATEST", secretAccessKey: "test" },
};

/** Time limits for a store on a busy machine, which ends nothing by itself. */
export const patient = { attemptTimeout: 30_000, deadline: 60_000 };

/** Client of a DynamoDB of the tests. */
export function dynamoDbClient(endpoint: string): DynamoDBClient {
  return new DynamoDBClient({ ...clientSettings, endpoint });
}

/** Client of an S3 of the tests. */
export function s3Client(endpoint: string, region = clientSettings.region): S3Client {
  return new S3Client({ ...clientSettings, endpoint, region, forcePathStyle: true });
}

/** What a store asks of a client of the AWS SDK. */
interface AwsClientLike<Command> {
  send(command: Command, options?: { abortSignal?: AbortSignal }): Promise<unknown>;
}

/** A command that was sent. */
export interface SentCommand {
  /** `GetItem`, `GetObject`, … */
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export function sentCommand(command: object): SentCommand {
  const { input } = command as { input: Record<string, unknown> };
  return { operation: command.constructor.name.replace(/Command$/, ""), input };
}

/** A client that keeps what was sent through it. */
export function recordingClient<Command extends object>(
  client: AwsClientLike<Command>,
): AwsClientLike<Command> & { readonly sent: SentCommand[] } {
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
export type Attempt = (answer: () => Promise<unknown>) => Promise<unknown>;

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
