import { ownOptions } from "../util/check-input.js";
import type { RecordingAnswerOptions } from "./answer-head.js";
import { answerRecordingRequest, type SeekableRecording } from "./recording-answer.js";

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
 * with 503 or 500. A later one fails the body, and servers then cut the connection. `onError` receives both.
 * @throws InvalidInputError; the reason of the request's signal
 */
export async function recordingResponse(
  recording: SeekableRecording,
  request: WebRequest,
  options: RecordingAnswerOptions,
): Promise<Response> {
  const own = ownOptions(options);
  const cancelled = new AbortController();
  const signal = request.signal ? AbortSignal.any([request.signal, cancelled.signal]) : cancelled.signal;
  const header = (name: string) => request.headers.get(name) ?? undefined;
  const { status, headers, body } = await answerRecordingRequest(
    { method: request.method, header },
    recording,
    own,
    signal,
  );
  if (!body) return new Response(null, { status, headers });
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const chunk = await body.next();
          if (chunk) controller.enqueue(chunk);
          else controller.close();
        } catch (error) {
          if (!signal.aborted) own.onError?.(error);
          cancelled.abort(error);
          throw error;
        }
      },
      cancel: (reason) => cancelled.abort(reason),
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, { status, headers });
}
