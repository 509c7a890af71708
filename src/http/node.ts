import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { InvalidInputError } from "../errors.js";
import type { RecordingAnswerOptions } from "./answer-head.js";
import { Answering, type SeekableRecording } from "./answering.js";

/**
 * Answers a request of `node:http`, `node:https` or `node:http2` (and so of Express, Koa, Fastify's `raw`) with a recording,
 * or the range of it that was asked for. One open recording may answer several requests at once.
 *
 * Resolves when the response has ended, in whatever way. A client that leaves stops the reading. A failure before the first
 * byte is answered with the status of `httpStatusOf`. A later one destroys the connection (HTTP/2: resets the stream), so that no client takes
 * the part for the whole. `onError` receives both. With `closeWhenDone` the recording has been closed when this resolves.
 * @throws InvalidInputError
 */
export async function sendRecording(
  recording: SeekableRecording,
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  options: RecordingAnswerOptions,
): Promise<void> {
  const answering = new Answering(recording, options);
  if (response.headersSent) {
    void answering.end();
    throw new InvalidInputError("response", "must not have been begun");
  }
  const left = new AbortController();
  const onClose = () => left.abort(new Error("the client has left"));
  response.once("close", onClose);
  const throwIfGone = () => {
    if (isGone(response)) onClose(); // no event follows if it left before
    left.signal.throwIfAborted();
  };
  try {
    throwIfGone();
    const { method = "", headers: asked } = request;
    const header = (name: string) => {
      const value = Object.hasOwn(asked, name) ? asked[name] : undefined;
      return Array.isArray(value) ? value.join(", ") : value;
    };
    const { status, headers, body } = await answering.answer({ method, header }, left.signal);
    throwIfGone();
    // Both kinds of response have these methods, but their types differ.
    const target = response as ServerResponse;
    target.writeHead(status, headers);
    for (let chunk = await body?.next(); chunk; chunk = await body?.next()) {
      if (!target.write(chunk)) await once(target, "drain", { signal: left.signal });
    }
    target.end();
    if (!target.writableFinished) await once(target, "finish", { signal: left.signal });
  } catch (error) {
    void answering.end(error);
    if (left.signal.aborted) return;
    if (!response.headersSent) throw error;
    cut(response);
    answering.report(error);
  } finally {
    response.off("close", onClose);
    await answering.end();
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
