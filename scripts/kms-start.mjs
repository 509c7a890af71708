// npm run kms:start: how long `recording-keystore kms` takes from its start to its URL, beside a Node process that does nothing, in ms.
// Medians of alternating runs of the built command.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const command = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const runs = 15;

async function untilSaid(args) {
  const begun = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await Promise.race([
    once(child.stdout, "data"),
    exited.then(() => Promise.reject(new Error("ended without a word"))),
  ]);
  const taken = performance.now() - begun;
  child.kill("SIGTERM");
  await exited;
  return taken;
}

const median = (times) => times.sort((one, other) => one - other)[Math.floor(times.length / 2)];

const kms = [];
const nothing = [];
for (let run = 0; run < runs; run += 1) {
  kms.push(await untilSaid([command, "kms"]));
  nothing.push(await untilSaid(["-e", "console.log(1); setInterval(() => undefined, 1_000)"]));
}
console.log(
  `recording-keystore kms listens after ${median(kms).toFixed(0)} ms; Node alone says a word after ${median(nothing).toFixed(0)} ms`,
);
