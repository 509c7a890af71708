/**
 * `worker.ts`, compiled into one piece of CommonJS and put in this place when the package is built. A string is there in
 * every bundle, module system and test runner; a file beside this one would have to be found.
 */
declare const RECORDING_KEYSTORE_WORKER: string | undefined;

/** Without it (the sources run as they are) everything is done by the calling thread. */
export function workerCode(): string | undefined {
  return typeof RECORDING_KEYSTORE_WORKER === "string" ? RECORDING_KEYSTORE_WORKER : undefined;
}
