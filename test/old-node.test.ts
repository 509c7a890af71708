import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const entries = ["index", "aws", "key-policy/index", "kms/index", "stores/index", "stores/file", "http/index"];
const script = `
  delete String.prototype.isWellFormed;
  for (const entry of ${JSON.stringify([...entries, "sources/index", "sources/s3", "testing/index"])})
    await import("./src/" + entry + ".ts").then(() => console.log("loaded"), ({ message }) => console.log(message));
`;

describe("a Node that is too old", () => {
  it("is told by every entry, when it is loaded, what the package needs", () => {
    const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      encoding: "utf8",
    });
    const told = `recording-keystore needs Node 20.19 or newer, and this is Node ${process.versions.node}`;
    expect(stdout.trim().split("\n"), stderr).toEqual(Array(entries.length + 3).fill(told));
  });
});
