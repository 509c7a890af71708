import { InvalidInputError } from "../errors.js";
import type { RecordingAnswerOptions } from "./answer-head.js";
import { readable } from "../util/check-input.js";
import { Answering, type SeekableRecording } from "./answering.js";

/** The part of a web `Request` that an answer needs. */
export interface WebRequest {
  readonly method: string;
  readonly headers: { get(name: string): string | null };
  readonly signal?: AbortSignal | null | undefined;
}

/**
 * Answers a request with a recording, or the range of it that was asked for, on servers that use `Request` and `Response`,
 * such as Hono, Next.js or Remix. `sendRecording` does the same for `node:http`.
 *
 * Reading stops when the body is cancelled or the request's signal aborts. A failure before the first byte is answered
 * with the status of `httpStatusOf`. A later one fails the body, and servers then cut the connection. `onError` receives both. The answer is
 * done, for `closeWhenDone` and `onDone`, once the body has been read to its end, failed, or was cancelled.
 * @throws InvalidInputError; the reason of the request's signal
 */
export async function recordingResponse(
  recording: SeekableRecording,
  request: WebRequest,
  options: RecordingAnswerOptions,
): Promise<Response> {
  const answering = new Answering(recording, options);
  try {
    const { method, asked, signal } = readable("request", () => {
      const { method, headers, signal } = (request as Partial<WebRequest> | undefined) ?? {};
      return { method, signal, asked: typeof headers?.get === "function" ? headers : undefined };
    });
    if (!asked) throw new InvalidInputError("request", "must be a Request");
    const header = (name: string) => asked.get(name) ?? undefined;
    const { status, headers, body } = await answering.answer({ method: method ?? "", header }, signal ?? undefined);
    if (!body) return new Response(null, { status, headers });
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const chunk = await body.next();
            if (chunk) controller.enqueue(chunk);
            else controller.close();
          } catch (error) {
            if (!cancelled && signal?.aborted !== true) answering.report(error);
            throw error;
          }
        },
        cancel: (reason) => {
          cancelled = true;
          body.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(stream, { status, headers });
  } catch (error) {
    void answering.end(error);
    throw error;
  }
}
