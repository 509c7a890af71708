// npm run fuzz -- [--seconds N] [--seed S] [--target NAME [--input INDEX]]: mutated inputs for every parser.
// The same seed gives the same inputs; `--target` and `--input` repeat one that failed.
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { feed, fuzz, type FuzzSummary } from "../test/fuzz/fuzzer.js";
import { targets } from "../test/fuzz/targets.js";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    target: { type: "string" },
    input: { type: "string" },
  },
});
const seed = Number(values.seed);
const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target);
if (!Number.isSafeInteger(seed) || !(Number(values.seconds) > 0) || chosen.length === 0) {
  console.error(
    `usage: npm run fuzz -- [--seconds N] [--seed S] [--target NAME [--input INDEX]]\ntargets: ${targets.map(({ name }) => name).join(" | ")}`,
  );
  process.exit(2);
}

/** An endless loop stops this thread, and its timers; so another one watches. Target and index of what is being fed. */
const progress = new Int32Array(new SharedArrayBuffer(8));
const watchdog = new Worker(
  `const { workerData: { progress, names, seed } } = require("node:worker_threads");
   let seen = "";
   setInterval(() => {
     const now = progress.join();
     if (now === seen) {
       require("node:fs").writeSync(2, \`HANGS: target \${names[progress[0]]}, seed \${seed}, input \${progress[1]}\\n\`);
       process.kill(process.pid, "SIGKILL");
     }
     seen = now;
   }, 15000);`,
  { eval: true, workerData: { progress, names: chosen.map(({ name }) => name), seed } },
);
watchdog.unref();

const about = (target: number, index: number) => progress.set([target, index]);
const end = performance.now() + Number(values.seconds) * 1_000;
let summaries: FuzzSummary[];
if (values.input === undefined) summaries = await fuzz(chosen, seed, () => performance.now() >= end, about);
else {
  const summary: FuzzSummary = { target: chosen[0]?.name ?? "", inputs: 0, taken: 0, slowest: 0 };
  if (chosen[0]) await feed(chosen[0], seed, Number(values.input), summary);
  summaries = [summary];
}

console.log(`seed ${seed}\n\n| target | inputs | taken | slowest, ms | |\n|---|---|---|---|---|`);
for (const { target, inputs, taken, slowest, failure } of summaries)
  console.log(`| ${target} | ${inputs} | ${taken} | ${slowest.toFixed(1)} | ${failure ? "FAILED" : "ok"} |`);
for (const { target, failure } of summaries) {
  if (!failure) continue;
  console.log(
    `\n${target}: ${failure.reason}\nagain: npm run fuzz -- --seed ${seed} --target "${target}" --input ${failure.index}\n${failure.input.toString("base64")}`,
  );
}
const failed = summaries.filter(({ failure }) => failure).length;
console.log(`\n${summaries.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
