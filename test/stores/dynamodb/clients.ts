import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Attempt } from "../../support/aws-clients.js";

interface Request {
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Decides on the next attempts of an operation, below the SDK's retries; not on the announcement before a swap.
 * @returns the operations of all attempts, as they come, but for those of announcements
 */
export function withAttempts(client: DynamoDBClient, operation: string, ...next: Attempt[]): string[] {
  const attempts: string[] = [];
  const handler = client.config.requestHandler as { handle: (request: Request, options: unknown) => Promise<unknown> };
  const handle = handler.handle.bind(handler);
  handler.handle = async (request, options) => {
    if (String(request.body).includes("%head-changes")) return handle(request, options);
    const asked = request.headers["x-amz-target"]?.split(".")[1] ?? "";
    attempts.push(asked);
    const attempt = asked === operation ? next.shift() : undefined;
    return attempt ? attempt(() => handle(request, options)) : handle(request, options);
  };
  return attempts;
}
