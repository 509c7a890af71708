#!/usr/bin/env node
import { main } from "./main.js";

void main(process.argv.slice(2), {
  print: (line) => console.log(line),
  printError: (line) => console.error(line),
}).then((code) => {
  process.exitCode = code;
});
