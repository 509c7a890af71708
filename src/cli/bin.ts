#!/usr/bin/env node
import { exitCodes } from "./exit-codes.js";
import { main } from "./main.js";
import { errorLines } from "./show.js";
import { paintFor, ProgressBar } from "./terminal.js";

// What the SDK says of Node is for whoever installs it, not for whoever runs a command.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

const interrupt = new AbortController();
const { stdin, stdout, stderr, env } = process;
const bar = ProgressBar.for(stderr, env);

// The second one ends the process at once, as Node does by itself.
process.once("SIGINT", () => interrupt.abort(new Error("interrupted")));
let unsaid: Error | undefined;
// The reader of a pipe may leave before all is said; nothing else may keep it from being said.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") unsaid ??= error;
});
stderr.on("error", () => undefined);

void main(process.argv.slice(2), {
  print: (line) => {
    bar?.clear();
    console.log(line);
  },
  printError: (line) => {
    bar?.clear();
    console.error(line);
  },
  input: stdin,
  output: stdout,
  paint: paintFor(stdout, env),
  paintError: paintFor(stderr, env),
  showProgress: bar?.show,
  signal: interrupt.signal,
}).then(async (code) => {
  bar?.clear();
  await new Promise(setImmediate); // by then the stream has told of what it could not write
  const hasFailed = unsaid !== undefined && code === exitCodes.done;
  if (hasFailed) for (const line of errorLines(unsaid, paintFor(stderr, env))) console.error(line);
  process.exitCode = hasFailed ? exitCodes.failed : code;
});
