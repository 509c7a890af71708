import type { Readable } from "node:stream";

type Waiting = { resolve(result: IteratorResult<unknown, undefined>): void; reject(reason: unknown): void };

const end = { done: true, value: undefined } as const;

/**
 * Pulls a Node stream chunk by chunk as it comes. Its own async iterator would join whatever is buffered into one new
 * chunk, which costs a copy of everything.
 */
export function pullReadable(stream: Readable): () => Promise<IteratorResult<unknown, undefined>> {
  const chunks: unknown[] = [];
  let waiting: Waiting | undefined;
  let outcome: { readonly error?: unknown } | undefined;

  const settle = () => {
    const next = waiting;
    if (!next) return;
    if (chunks.length > 0) {
      waiting = undefined;
      next.resolve({ done: false, value: chunks.shift() });
    } else if (outcome) {
      waiting = undefined;
      if ("error" in outcome) next.reject(outcome.error);
      else next.resolve(end);
    }
  };
  const finish = (how: { readonly error?: unknown }) => {
    outcome ??= how;
    settle();
  };

  if (stream.errored) finish({ error: stream.errored });
  else if (stream.readableEnded) finish({});
  else if (stream.destroyed) finish({ error: prematureClose() });
  stream.pause(); // or the first listener would set it flowing
  stream.on("data", (chunk: unknown) => {
    chunks.push(chunk);
    stream.pause();
    settle();
  });
  stream.once("end", () => finish({}));
  stream.once("error", (error) => finish({ error }));
  stream.once("close", () => finish({ error: prematureClose() }));

  return () =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      settle();
      if (waiting) stream.resume();
    });
}

function prematureClose(): Error {
  return Object.assign(new Error("the stream was closed before its end"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
}
