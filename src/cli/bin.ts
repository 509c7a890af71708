#!/usr/bin/env node
import { main } from "./main.js";
import { paintFor, ProgressBar } from "./terminal.js";

// What the SDK says of Node is for whoever installs it, not for whoever runs a command.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

const interrupt = new AbortController();
const { stdin, stdout, stderr, env } = process;
const bar = ProgressBar.for(stderr, env);

// The second one ends the process at once, as Node does by itself.
process.once("SIGINT", () => interrupt.abort(new Error("interrupted")));
// The reader of a pipe may leave before all is said.
for (const stream of [stdout, stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });

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
}).then((code) => {
  bar?.clear();
  process.exitCode = code;
});
