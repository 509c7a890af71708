import { member } from "./safe-cause.js";

/** The part of an `S3Client` that this library needs. One of another copy or version of the SDK, or a mock, will do. */
export interface S3ClientLike {
  send(command: object, options?: { abortSignal?: AbortSignal }): Promise<unknown>;
}

/** Whether a body is not what its checksum says. By its words: the SDK gives its error no name of its own. */
export function isChecksumMismatch(error: unknown): boolean {
  const message = typeof error === "object" && error !== null ? member(error, "message") : undefined;
  return typeof message === "string" && message.startsWith("Checksum mismatch");
}
