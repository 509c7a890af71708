// Reads Vitest's JSON report and prints `N passed, N failed`. A skipped test counts as failed: nothing may be skipped.
// usage: node scripts/count-tests.mjs REPORT EXIT-STATUS-OF-VITEST
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";

const [, , file = "", status = "1"] = process.argv;
const report = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { testResults: [] };
const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
const brokenFiles = report.testResults.filter(
  (result) => result.status === "failed" && result.assertionResults.length === 0,
);
const passed = tests.filter((test) => test.status === "passed").length;
let failed = tests.length - passed + brokenFiles.length;
// Vitest also fails for what is no test's own: an unhandled rejection, an install that never got to the tests.
if (status !== "0" && failed === 0) failed = 1;

for (const { name } of brokenFiles) console.log(`failed to load: ${name}`);
for (const { fullName, status } of tests) if (status !== "passed") console.log(`${status}: ${fullName}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
