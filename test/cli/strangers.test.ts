import { spawn, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.js";
import { run } from "./support.js";
import { configured, useWorld } from "./world.js";

const world = useWorld();
const path = (name: string) => join(world.folder, name);

describe("a command that is given nonsense says in a line what is wrong, with an exit code of its own", () => {
  beforeEach(() => {
    mkdirSync(path("folder"));
    writeFileSync(path("bad.json"), '{"a":');
    writeFileSync(path("a"), "audio");
  });
  const at = (text: string) => text.replaceAll("{}", world.folder);

  it.each([
    [
      ["encrypt", "{}/folder", "-", "--recording-id", "x"],
      exitCodes.failed,
      /^cannot read .*folder: it is a folder \(EISDIR\)/,
    ],
    [
      ["encrypt", "{}/none", "-", "--recording-id", "x"],
      exitCodes.failed,
      /^cannot read .*none: there is no such file/,
    ],
    [
      ["decrypt", "{}/none", "-", "--recording-id", "x"],
      exitCodes.failed,
      /^cannot read .*none: there is no such file/,
    ],
    [["encrypt", "{}/a", "{}/b", "--recording-id", ""], exitCodes.usage, /^--recording-id: must be 1 to 1024 bytes/],
    [["encrypt", "{}/a", "{}/a", "--recording-id", "x"], exitCodes.usage, /^<output>: must not be the input file/],
    [["status", "--home-region", "moon"], exitCodes.usage, /^--home-region: must be/],
    [["status", "--trusted-kms-keys", "moon"], exitCodes.usage, /^--trusted-kms-keys: must be a 12-digit/],
    [["status", "--store", "s3://x"], exitCodes.usage, /^--store: must be the name of a general purpose bucket/],
    [
      ["salvage", "{}/folder", "{}/b", "--recording-id", "x"],
      exitCodes.failed,
      /^cannot read .*folder: it is a folder/,
    ],
    [
      ["encrypt", "{}/a", "{}/b", "--recording-id", "x", "--metadata", "{}/folder"],
      exitCodes.usage,
      /^--metadata .*: it is a folder/,
    ],
    [
      ["encrypt", "{}/a", "{}/b", "--recording-id", "x", "--metadata", "{}/bad.json"],
      exitCodes.usage,
      /^--metadata .*bad\.json: is no JSON$/m,
    ],
    [["status", "--config", "{}/folder"], exitCodes.usage, /^--config .*: it is a folder \(EISDIR\)$/m],
    [["status", "--config", "{}/bad.json"], exitCodes.usage, /^--config .*: is no JSON$/m],
    [["status", "--config", ""], exitCodes.usage, /^--config : there is no such file/],
    [["status", "--fleet-secret-file", "{}/none"], exitCodes.usage, /^--fleet-secret-file .*: there is no such file/],
    [["rewrap", "--resume", "{}/bad.json"], exitCodes.usage, /^--resume .*: is no JSON$/m],
    [["kms", "--principals", "{}/folder"], exitCodes.usage, /^--principals .*: it is a folder/],
    [["check-policy", "{}/folder", "--organizations", "o"], exitCodes.usage, /folder: it is a folder/],
    [
      ["encrypt", "{}/a", "{}/b", "--recording-id", "x", "--recording-id", "y"],
      exitCodes.usage,
      /^--recording-id is given more than once/,
    ],
    [
      ["status", "--confirm", "--organization", "a", "--organization=b"],
      exitCodes.usage,
      /^--organization is given more than once/,
    ],
  ])("%j", async (argv, code, said) => {
    await configured();
    const ran = await run(argv.map(at));
    expect(ran).toMatchObject({ code, out: "" });
    expect(ran.err).toMatch(said);
    expect(ran.err).not.toMatch(/illegal operation|no such file or directory|Unexpected/); // not what Node says
    expect(readdirSync(world.folder)).not.toContain("b");
  });

  it.each([
    [["status", "--json", "--config", "{}/bad.json"], /is no JSON/],
    [["status", "--json", "--organisation", "x"], /unknown option '--organisation'/],
    [["configure", "--json"], /required option '--alias <arn>'/],
    [["stats", "--json"], /unknown command 'stats'/],
  ])("as JSON and nothing else, where that is asked for: %j", async (argv, said) => {
    const { code, out, err } = await run(argv.map(at));
    expect({ code, out }).toEqual({ code: exitCodes.usage, out: "" });
    expect((JSON.parse(err) as { error: { message: string } }).error.message).toMatch(said);
  });

  it("as JSON on standard error too, where the recording goes to standard output", async () => {
    await configured();
    const { code, err, bytes } = await run(["encrypt", "-", "-", "--recording-id", "r", "--json"], {
      input: Buffer.from("audio"),
    });
    expect({ code, facts: JSON.parse(err) }).toMatchObject({ code: 0, facts: { plaintextSize: 5 } });
    writeFileSync(path("r.rec"), bytes);
    const back = await run(["decrypt", path("r.rec"), "-", "--json"]);
    expect({ audio: back.bytes.toString(), facts: JSON.parse(back.err) }).toMatchObject({
      audio: "audio",
      facts: { plaintextSize: 5 },
    });
  });
});

describe("the process of a command", () => {
  const bin = resolve("src/cli/bin.ts");
  const started = (argv: readonly string[], stdio: StdioOptions) =>
    spawn(process.execPath, ["--import", "tsx", bin, ...argv], {
      stdio,
      env: { ...process.env, ...world.environment },
    });

  it("says in a line that its output is full", async () => {
    const full = openSync("/dev/full", "w");
    try {
      const child = started(
        ["policy", "--organizations", "o", "--service-account", "111122223333"],
        ["ignore", full, "pipe"],
      );
      let said = "";
      child.stderr?.on("data", (data: Buffer) => (said += data.toString()));
      const [code] = (await once(child, "close")) as [number];
      expect({ code, said }).toEqual({ code: exitCodes.failed, said: "cannot write: the disk is full (ENOSPC)\n" });
    } finally {
      closeSync(full);
    }
  });

  it("ends at Ctrl-C in the middle of a decryption, and leaves nothing", async () => {
    await configured();
    writeFileSync(path("a"), Buffer.alloc(500_000));
    await run(["encrypt", path("a"), path("a.rec"), "--recording-id", "r"]);
    const recording = readFileSync(path("a.rec"));
    const before = readdirSync(world.folder).sort();
    const child = started(["decrypt", "-", path("out"), "--recording-id", "r"], ["pipe", "ignore", "pipe"]);
    let said = "";
    child.stderr?.on("data", (data: Buffer) => (said += data.toString()));
    child.stdin?.on("error", () => undefined); // it is gone before all is read
    // It gets the beginning and waits for the rest.
    child.stdin?.write(recording.subarray(0, 300_000));
    const isWriting = () => readdirSync(world.folder).some((name) => name.endsWith(".tmp"));
    await expect.poll(isWriting).toBe(true);
    child.kill("SIGINT");
    const [code] = (await once(child, "close")) as [number];
    expect({ code, said }).toEqual({ code: exitCodes.interrupted, said: "Interrupted.\n" });
    expect(readdirSync(world.folder).sort()).toEqual(before);
  });
});
