import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { subjects } from "../../bench/subjects.js";
import { atLength } from "../support/effort.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = new URL("../../docs/benchmarks.md", import.meta.url);
const bench = (...args: string[]) =>
  spawnSync(process.execPath, ["--import", "tsx", "bench/run.ts", ...args], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

describe("npm run bench", () => {
  it("runs subjects, keeps the promises that are counts, and writes nothing when quick", () => {
    const before = existsSync(page) ? readFileSync(page, "utf8") : "";
    const own = Object.keys(subjects).filter((name) => name !== "peers"); // which would have to be installed
    const tried = atLength(own, ["small", "random"]);
    const { status, stdout, stderr } = bench("--quick", ...tried);
    expect(status, stderr).toBe(0);
    for (const name of tried) expect(stdout).toMatch(new RegExp(`\\(${name}\\)\n\n\\| what \\|.*\n.*\n\\| .*\\d`));
    expect(stdout).toMatch(/\| ≤ 2: met \|/);
    expect(stdout).not.toMatch(/NaN|Infinity|undefined/);
    expect(existsSync(page) ? readFileSync(page, "utf8") : "").toBe(before);
  }, 240_000);

  it("names the subjects that there are when it is asked for another", () => {
    const { status, stderr } = bench("nonsense");
    expect(status).not.toBe(0);
    expect(stderr).toContain("no such subject: nonsense; there are streamed,");
  });
});
