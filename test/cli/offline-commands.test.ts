import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exitCodeMeanings, exitCodes } from "../../src/cli/exit-codes.js";
import { commands } from "../../src/cli/commands/index.js";
import { createProgram } from "../../src/cli/program.js";
import { settings } from "../../src/cli/settings.js";
import { run } from "./support.js";

const grant = ["--organizations", "org-1,org-2", "--service-account", "444455556666"];
const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

describe("policy and check-policy", () => {
  it("writes a policy that the check finds right, for whom it was written", async () => {
    const { out } = await run(["policy", ...grant, "--as", "key-policy", "--account", "111122223333"]);
    const input = Buffer.from(out);
    expect(await run(["check-policy", "-", ...grant, "--key", key], { input })).toMatchObject({ code: 0 });
    const other = await run(
      ["check-policy", "-", "--organizations", "org-3", "--service-account", "444455556666", "--key", key],
      {
        input,
      },
    );
    expect(other).toMatchObject({ code: exitCodes.incomplete, out: expect.stringMatching(/^error: /m) });
  });

  it.each([
    ["statements", [], /"Sid": "Recordings"/],
    ["role-policy", ["--key", key], new RegExp(key)],
    ["cloudformation", ["--account", "111122223333"], /AWS::KMS::Key/],
    ["terraform", ["--account", "111122223333"], /resource "aws_kms_key"/],
  ])("writes %s", async (form, rest, said) => {
    expect(await run(["policy", ...grant, "--as", form, ...rest])).toMatchObject({
      code: 0,
      out: expect.stringMatching(said),
    });
  });

  it("writes grants, for a role or a user", async () => {
    const roles = ["--organizations", "org-1", "--service-roles", "arn:aws:iam::444455556666:role/recordings"];
    const { out } = await run(["policy", ...roles, "--as", "grants", "--key", key]);
    expect(out).toMatch(/^aws kms create-grant/);
    expect(await run(["policy", ...grant, "--as", "grants", "--key", key])).toMatchObject({
      code: exitCodes.usage,
      err: expect.stringMatching(/^--service-roles: must be given/),
    });
    expect(await run(["policy", ...roles, "--as", "grants"])).toMatchObject({
      err: expect.stringMatching(/^--key is missing/),
    });
  });
});

describe("drill", () => {
  const setup = ["--organization", "org-1", "--home-region", "eu-west-1"];

  it.each([
    ["as it comes", []],
    ["with RSA pairs, each day", ["--spec", "RSA_2048", "--period", "daily"]],
    ["of a service that requires a confirmed key", ["--require-confirmed-key"]],
    ["with a context key name of its own", ["--context-key-name", "tenant"]],
  ])("keeps every promise %s", async (_, rest) => {
    const { code, out } = await run(["drill", ...setup, ...rest]);
    expect(out).not.toContain("BROKEN");
    expect(out).toMatch(/^14 promises kept, 0 broken\.$/m);
    expect(code).toBe(0);
  });

  it("gives its findings as JSON", async () => {
    const { out } = await run(["drill", ...setup, "--json"]);
    expect(JSON.parse(out)).toMatchObject({
      kept: 14,
      broken: 0,
      findings: expect.arrayContaining([expect.objectContaining({ kept: true })]),
    });
  });
});

describe("completion", () => {
  const program = createProgram(
    commands,
    { print: () => undefined, printError: () => undefined, signal: new AbortController().signal } as never,
    () => undefined,
  );
  const complete = async (words: string[]) => {
    const { out } = await run(["completion", "bash"]);
    const line = `${out}\nCOMP_WORDS=(${words.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${words.length - 1}
_recording_keystore; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return spawnSync("bash", ["-c", line], { encoding: "utf8" }).stdout.trim().split("\n");
  };

  it("in bash knows each command and its options", async () => {
    expect((await complete(["recording-keystore", ""])).sort()).toEqual(
      program.commands.map((one) => one.name()).sort(),
    );
    expect(await complete(["recording-keystore", "rew"])).toEqual(["rewrap"]);
    expect(await complete(["recording-keystore", "rewrap", "--re"])).toEqual(["--resume", "--report"]);
  });

  it.each(["zsh", "fish"])("is there for %s", async (shell) => {
    const { out } = await run(["completion", shell]);
    for (const command of program.commands) expect(out).toContain(command.name());
  });
});

it("each command has help that names its options, and the whole its exit codes", async () => {
  const { out } = await run(["--help"]);
  for (const code of Object.values(exitCodes)) expect(out).toMatch(new RegExp(`^ +${code}  `, "m"));
  expect(await run([])).toMatchObject({ code: exitCodes.usage });
  for (const name of ["configure", "decrypt", "rewrap", "kms"]) {
    const help = await run([name, "--help"]);
    expect(help).toMatchObject({ code: 0, err: "" });
    expect(help.out).toMatch(/^Usage: recording-keystore /);
  }
});

describe("docs/guides/command-line.md", () => {
  const guide = readFileSync(new URL("../../docs/guides/command-line.md", import.meta.url), "utf8");
  const rowsUnder = (heading: string) =>
    (guide.split(/^## /m).find((text) => text.startsWith(heading)) ?? "")
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => line.split("|").map((cell) => cell.trim()));

  it("has each command", () => {
    const program = createProgram(commands, {} as never, () => undefined);
    const named = rowsUnder("Commands").flatMap(([, cell = ""]) => cell.replaceAll("`", "").split(", "));
    expect(named.sort()).toEqual(program.commands.map((command) => command.name()).sort());
  });

  it("has each setting, by each of its names", () => {
    expect(rowsUnder("Whose keys").map(([, option, variable, name]) => [option, variable, name])).toEqual(
      settings.map(({ name, flags }) => [
        `\`${flags.split(" ")[0]}\``,
        `\`RECORDING_KEYSTORE_${name.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}\``,
        `\`${name}\``,
      ]),
    );
  });

  it("has each exit code", () => {
    const rows = rowsUnder("Exit codes").map(([, code = "", meaning]) => [Number(code.replaceAll("`", "")), meaning]);
    expect(rows).toEqual(exitCodeMeanings.map(([code, meaning]) => [code, meaning]));
  });

  it("shows what the drill prints", async () => {
    const { out } = await run(["drill", "--organization", "org-4711", "--home-region", "eu-west-1"]);
    expect(guide).toContain(`${out}\n`);
  });
});
