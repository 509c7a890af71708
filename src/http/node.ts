import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { ownOptions } from "../util/check-input.js";
import { InvalidInputError } from "../errors.js";
import type { RecordingAnswerOptions } from "./answer-head.js";
import { answerRecordingRequest, type AnswerBody, type SeekableRecording } from "./recording-answer.js";

/**
 * Answers a request of `node:http`, `node:https` or `node:http2` (and so of Express, Koa, Fastify's `raw`) with a recording or
 * the range of it that was asked for. Several requests may be answered from one open recording at once.
 *
 * Resolves when the response is over, however it ended: a client that leaves ends the reading; a failure before the first
 * byte is answered with 503 or 500; one after it destroys the connection (HTTP/2: resets the stream), so that what came
 * never passes for whole. Failures go to `onError`.
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
  const checkThere = () => {
    if (isGone(response)) onClose(); // perhaps long ago, so that nothing more will tell
    left.signal.throwIfAborted();
  };
  let body: AnswerBody | undefined;
  try {
    checkThere();
    const header = (name: string) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    };
    const answer = await answerRecordingRequest({ method: request.method ?? "", header }, recording, own, left.signal);
    body = answer.body;
    checkThere();
    // The two kinds of response have the same methods, but not for the compiler.
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

/** Ends the answer in a way that no client takes for its end. */
function cut(response: ServerResponse | Http2ServerResponse): void {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}

function isGone(response: ServerResponse | Http2ServerResponse): boolean {
  return "stream" in response ? response.stream.destroyed : response.destroyed;
}
