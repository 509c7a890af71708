import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { InvalidInputError } from "../errors.js";
import { ownOptions } from "../util/check-input.js";
import type { RecordingAnswerOptions } from "./answer-head.js";
import { answerRecordingRequest, type AnswerBody, type SeekableRecording } from "./recording-answer.js";

/**
 * Answers a request of `node:http`, `node:https` or `node:http2` (and so of Express, Koa, Fastify's `raw`) with a recording,
 * or the range of it that was asked for. One open recording may answer several requests at once.
 *
 * Resolves when the response has ended, in whatever way. A client that leaves stops the reading. A failure before the first
 * byte is answered with 503 or 500. A later one destroys the connection (HTTP/2: resets the stream), so that no client takes
 * the part for the whole. `onError` receives both.
 * @throws InvalidInputError
 */
export async function sendRecording(
  recording: SeekableRecording,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  options: RecordingAnswerOptions,
): Promise<void> {
  if (response.headersSent) throw new InvalidInputError("response", "must not have been begun");
  const own = ownOptions(options);
  const left = new AbortController();
  const onClose = () => left.abort(new Error("the client has left"));
  response.once("close", onClose);
  const throwIfGone = () => {
    if (isGone(response)) onClose(); // no event follows if it left before
    left.signal.throwIfAborted();
  };
  let body: AnswerBody | undefined;
  try {
    throwIfGone();
    const header = (name: string) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    };
    const answer = await answerRecordingRequest({ method: request.method ?? "", header }, recording, own, left.signal);
    body = answer.body;
    throwIfGone();
    // Both kinds of response have these methods, but their types differ.
    const target = response as ServerResponse;
    target.writeHead(answer.status, answer.headers);
    for (let chunk = await body?.next(); chunk; chunk = await body?.next()) {
      if (!target.write(chunk)) await once(target, "drain", { signal: left.signal });
    }
    target.end();
    if (!target.writableFinished) await once(target, "finish", { signal: left.signal });
  } catch (error) {
    body?.cancel(error);
    if (left.signal.aborted) return;
    if (!response.headersSent) throw error;
    cut(response);
    own.onError?.(error);
  } finally {
    response.off("close", onClose);
  }
}

/** Breaks the answer off, so that no client takes it for whole. */
function cut(response: ServerResponse | Http2ServerResponse): void {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}

function isGone(response: ServerResponse | Http2ServerResponse): boolean {
  return "stream" in response ? response.stream.destroyed : response.destroyed;
}
