import { DeadlineError, whenAborted } from "./abort.js";

type Next = (args: unknown) => Promise<unknown>;

/** A client of the AWS SDK by its shape, so that one of another copy or version, or a mock, will do. */
interface AwsClientLike {
  send(command: object, options?: { abortSignal?: AbortSignal }): Promise<unknown>;
}

/** The part of an SDK command that takes middleware. */
export interface CommandWithMiddleware {
  readonly middlewareStack: { add(middleware: never, options: never): void };
}

interface SendOptions {
  /** Longest time of one attempt, in ms; `undefined` for no limit. */
  readonly attemptTimeout: number | undefined;
  readonly signal: AbortSignal;
  /** Gets the answer of an attempt that was given up. */
  readonly discard?: ((late: unknown) => void) | undefined;
  /** Gets what each attempt failed with, also those that the SDK makes again. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
}

/**
 * Sends a command with each attempt of the SDK bounded, so that one hung connection leaves time for another. The SDK's own
 * `requestTimeout` only warns on the console unless the client was made with `throwOnRequestTimeout`.
 * @throws what the client rejects with
 */
export async function sendInAttempts(
  client: AwsClientLike,
  command: CommandWithMiddleware,
  { attemptTimeout, signal, discard, onFailure }: SendOptions,
): Promise<unknown> {
  const controller = new AbortController();
  const unlink = whenAborted(signal, () => controller.abort(signal.reason));
  let hanging = false;
  const onTimeout = () => (hanging = true);
  if (attemptTimeout !== undefined || onFailure)
    watchAttempts(command, { attemptTimeout, discard, onFailure, onTimeout });
  try {
    return await client.send(command, { abortSignal: controller.signal });
  } finally {
    unlink();
    if (hanging) controller.abort(); // frees the connections of attempts given up
  }
}

interface AttemptHandlers extends Omit<SendOptions, "signal"> {
  /** Called when an attempt is given up. Its connection may still hang. */
  readonly onTimeout: () => void;
}

function watchAttempts(
  command: CommandWithMiddleware,
  { attemptTimeout, discard, onFailure, onTimeout }: AttemptHandlers,
): void {
  const middleware =
    (next: Next): Next =>
    (args) =>
      new Promise((resolve, reject) => {
        let givenUp = false;
        const failed = (error: unknown) => {
          if (!givenUp) onFailure?.(error);
          reject(error);
        };
        const giveUp = (milliseconds: number) => {
          failed(new DeadlineError(milliseconds)); // named TimeoutError, which the SDK takes for transient
          givenUp = true;
          onTimeout();
        };
        const timer = attemptTimeout === undefined ? undefined : setTimeout(giveUp, attemptTimeout, attemptTimeout);
        Promise.resolve()
          .then(() => next(args)) // which may throw at once
          .then(
            (answer) => (givenUp ? discard?.((answer as { output?: unknown }).output) : resolve(answer)),
            (error: unknown) => failed(error),
          )
          .finally(() => clearTimeout(timer));
      });
  // Last in its step: inside the retries, and around sending, receiving and reading the answer.
  const place = { step: "finalizeRequest", priority: "low", name: "recordingKeystoreAttempts", override: true };
  command.middlewareStack.add(middleware as never, place as never);
}
