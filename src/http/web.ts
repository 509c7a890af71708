import { ownOptions } from "../util/check-input.js";
import type { RecordingAnswerOptions } from "./answer-head.js";
import { answerRecordingRequest, type SeekableRecording } from "./recording-answer.js";

/** What this needs of a web `Request`, by its shape. */
export interface WebRequest {
  readonly method: string;
  readonly headers: { get(name: string): string | null };
  readonly signal?: AbortSignal | null | undefined;
}

/**
 * The same as `sendRecording` for servers that speak `Request` and `Response`, such as Hono, Next.js or Remix. The reading ends when the
 * body is cancelled or the request's signal aborts. A failure in the middle of the body fails the body, upon which servers
 * cut the connection.
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
