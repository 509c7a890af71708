import { DeadlineError } from "../../util/abort.js";

type Next = (args: unknown) => Promise<unknown>;

/** The part of an SDK command that takes middleware. */
export interface CommandWithMiddleware {
  readonly middlewareStack: { add(middleware: never, options: never): void };
}

/** What becomes of an attempt that was given up. */
interface AttemptHandlers {
  /** Called when an attempt is given up. Its connection may still hang. */
  readonly onTimeout: () => void;
  /** Gets the answer of an attempt that was given up. */
  readonly discard: (late: unknown) => void;
}

/**
 * Bounds each attempt of the SDK at a command, so that one hung connection leaves time for another. The SDK's own
 * `requestTimeout` only warns on the console unless the client was made with `throwOnRequestTimeout`.
 */
export function limitAttempts(
  command: CommandWithMiddleware,
  milliseconds: number,
  { onTimeout, discard }: AttemptHandlers,
): void {
  const middleware =
    (next: Next): Next =>
    (args) =>
      new Promise((resolve, reject) => {
        let givenUp = false;
        const timer = setTimeout(() => {
          givenUp = true;
          onTimeout();
          reject(new DeadlineError(milliseconds)); // named TimeoutError, which the SDK takes for transient
        }, milliseconds);
        Promise.resolve()
          .then(() => next(args)) // which may throw at once
          .then(
            (answer) => (givenUp ? discard((answer as { output?: unknown }).output) : resolve(answer)),
            (error: unknown) => reject(error),
          )
          .finally(() => clearTimeout(timer));
      });
  // Last in its step: inside the retries, and around sending, receiving and reading the answer.
  const place = { step: "finalizeRequest", priority: "low", name: "recordingKeystoreAttemptTimeout", override: true };
  command.middlewareStack.add(middleware as never, place as never);
}
