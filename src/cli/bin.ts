#!/usr/bin/env node
import { main } from "./main.js";

// What the SDK says of Node is for whoever installs it, not for whoever runs a command.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

const interrupt = new AbortController();
const { stdin, stdout, stderr } = process;
const clearLine = "\r\u001B[K";
let progressShown = false;

/** What is shown for the moment goes before anything else is said. */
function clearProgress(): void {
  if (progressShown) stderr.write(clearLine);
  progressShown = false;
}

const showProgress = (text: string) => {
  stderr.write(`${clearLine}${text}`);
  progressShown = true;
};

// The second one ends the process at once, as Node does by itself.
process.once("SIGINT", () => interrupt.abort(new Error("interrupted")));
// The reader of a pipe may leave before all is said.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

void main(process.argv.slice(2), {
  print: (line) => {
    clearProgress();
    console.log(line);
  },
  printError: (line) => {
    clearProgress();
    console.error(line);
  },
  input: stdin,
  output: stdout,
  showProgress: stderr.isTTY ? showProgress : undefined,
  signal: interrupt.signal,
}).then((code) => {
  process.exitCode = code;
});
