import type { Context } from "hono";
import type { TestStep } from "recording-keystore/administration";
import { toldError } from "./explain.js";
import { errorPage } from "./pages/error.js";
import type { Markup } from "./pages/layout.js";
import { stepText } from "./pages/outcome.js";
import type { Env } from "./visitor.js";

/** What comes of a form that tests a key. */
export interface TestAnswer {
  readonly page: Awaited<Markup>;
  readonly status: 200 | 400 | 422;
  /** Where the same page is found by GET; a form without a script is sent there. */
  readonly address?: string;
}

/** What a test is told by whoever waits for it. */
interface Watch {
  readonly onStep?: (step: TestStep) => void;
  /** Aborts when the visitor leaves. */
  readonly signal?: AbortSignal;
}

const linesOfJson = "application/x-ndjson";

/**
 * Answers a form that tests a key: with the page of its outcome or, where the page's script asks for lines of JSON, with a line
 * for each step as soon as it has ended, and that page in the last one.
 */
export async function answerTest(c: Context<Env>, test: (watch: Watch) => Promise<TestAnswer>): Promise<Response> {
  if (c.req.header("accept") !== linesOfJson) {
    const { page, status, address } = await test({});
    return address === undefined ? c.html(page, status) : c.redirect(address, 303);
  }
  // A proxy may want to collect an answer before it passes it on.
  return c.body(lines(c, test), 200, { "Content-Type": linesOfJson, "X-Accel-Buffering": "no" });
}

function lines(c: Context<Env>, test: (watch: Watch) => Promise<TestAnswer>): ReadableStream<Uint8Array> {
  const { visitor } = c.var;
  const leaving = new AbortController();
  const { signal } = leaving;
  const run = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const send = (line: object) => {
      if (!signal.aborted) controller.enqueue(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
    };
    const onStep = (step: TestStep) => send({ name: step.name, status: step.status, text: stepText(visitor, step) });
    try {
      const { page } = await test({ onStep, signal });
      send({ page });
    } catch (error) {
      if (signal.aborted) return;
      send({ page: await errorPage(visitor, toldError(error)) });
    }
    if (!signal.aborted) controller.close();
  };
  return new ReadableStream({ start: (controller) => void run(controller), cancel: (reason) => leaving.abort(reason) });
}
