// npm run torture -- [--kind file|postgres|dynamodb|s3]… [--kills N] [--lanes N]: processes killed at random moments of
// configure(), rotate() and rewrapKeyPairs(), and what is left of what was acknowledged to them. 10,000 kills of each kind unasked.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { killProcesses, type KillReport } from "../test/torture/kills.js";
import { placeNames } from "../test/torture/places.js";
import { temporaryFolder } from "../test/support/temporary-folder.js";
import { compileWorker } from "../test/support/worker-process.js";

const { values } = parseArgs({
  options: {
    kind: { type: "string", multiple: true },
    kills: { type: "string", default: "10000" },
    lanes: { type: "string", default: "2" },
  },
});
const kinds = placeNames.filter((kind) => values.kind === undefined || values.kind.includes(kind));
const [kills, lanes] = [Number(values.kills), Number(values.lanes)];
const known = values.kind === undefined || values.kind.length === kinds.length;
if (!known || ![kills, lanes].every((number) => Number.isSafeInteger(number) && number > 0)) {
  console.error(`usage: npm run torture -- [--kind KIND]… [--kills N] [--lanes N]\nkinds: ${placeNames.join(" | ")}`);
  process.exit(2);
}

const { folder, remove } = await temporaryFolder();
// What hosts remember is that of this run, not the developer's.
process.env["XDG_STATE_HOME"] = join(folder, "state");
delete process.env["STATE_DIRECTORY"];
// A word of a process on its standard error counts as a fault; this one is the AWS SDK's about Node 20.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
const reports: (readonly [kind: string, report: KillReport])[] = [];
try {
  const program = await compileWorker(new URL("../test/torture/kill-worker.ts", import.meta.url), folder);
  for (const kind of kinds) {
    let told = 0;
    const onKill = (report: KillReport): void => {
      if (report.kills < told + 500) return;
      told = report.kills;
      console.error(`${kind}: ${told} of ${kills} kills, ${report.faults.length} faults`);
    };
    reports.push([kind, await killProcesses({ kind, kills, program, lanes, onKill })]);
  }
} finally {
  await remove();
}

console.log(
  "| store | kills | in the middle of configure, rotate, rewrap | acknowledged pairs | recordings | complete rewraps | orphans removed, kept | faults |\n|---|---|---|---|---|---|---|---|",
);
const figure = (number: number): string => number.toLocaleString("en");
for (const [kind, { kills, during, pairs, recordings, rewraps, orphansRemoved, orphansKept, faults }] of reports) {
  const middle = [during.configure, during.rotate, during.rewrap].map(figure).join(", ");
  const counts = [pairs, recordings, rewraps].map(figure).join(" | ");
  const orphans = `${figure(orphansRemoved)}, ${figure(orphansKept)}`;
  console.log(`| ${kind} | ${figure(kills)} | ${middle} | ${counts} | ${orphans} | ${faults.length} |`);
}
for (const [kind, { faults }] of reports) for (const fault of faults) console.log(`\n${kind}: ${fault}`);
const failed = reports.filter(([, { faults, kills: done }]) => faults.length > 0 || done !== kills).length;
console.log(`\n${reports.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
