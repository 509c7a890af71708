import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.js";
import { filesBelow, plainFiles } from "../migration/support.js";
import { FakeTerminal, run } from "./support.js";
import { configured, json, useWorld } from "./world.js";

const audio = randomBytes(200_000);
const world = useWorld();
const path = (name: string) => join(world.folder, name);
const plain = () => path("plain");

describe("migrate", () => {
  beforeEach(async () => {
    await configured();
    await plainFiles(plain(), { "a/call-1.wav": audio, "a/call-1.screen.mp4": "film", "b/notes.pdf": "x" });
  });

  it("says first what it would do, then encrypts, and deletes when told to", async () => {
    const calls = world.kms.journal.count();
    const dry = await run(["migrate", plain(), "--dry-run"]);
    expect(dry).toMatchObject({ code: 0, err: "" });
    expect(dry.out).toMatch(
      /^files +size\n2 +200\.0 kB +would be encrypted and verified\n1 +1 bytes +left alone\n\nNothing was done\.$/,
    );
    expect({ calls: world.kms.journal.count(), files: await filesBelow(plain()) }).toEqual({
      calls,
      files: ["a/call-1.screen.mp4", "a/call-1.wav", "b/notes.pdf"],
    });
    const first = await run(["migrate", plain(), "--report", path("report.jsonl")]);
    expect(first).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^2 .* verified through KMS$[^]*Nothing is left to do\.$/m),
    });
    const report = await json("migrate", plain(), "--report", path("report.jsonl"), "--delete-plain");
    expect(report).toMatchObject({ complete: true, files: { deleted: 2, left: 1 } });
    expect(await filesBelow(plain())).toEqual(["a/call-1.screen.mp4.rec", "a/call-1.wav.rec", "b/notes.pdf"]);
    await run(["decrypt", join(plain(), "a/call-1.wav.rec"), path("back"), "--recording-id", "call-1"]);
    expect(readFileSync(path("back")).equals(audio)).toBe(true);
  });

  it("takes rules, another folder and another suffix", async () => {
    const rules = [
      { path: "([^/]+)\\.screen\\.mp4$", recordingId: "$1", asset: "screen" },
      { path: "([^/]+)\\.wav$", recordingId: "$1" },
    ];
    writeFileSync(path("rules.json"), JSON.stringify(rules));
    const to = ["--to", path("encrypted"), "--suffix", ".enc", "--rules", path("rules.json"), "--concurrency", "1"];
    expect(await json("migrate", plain(), ...to)).toMatchObject({ complete: true, files: { verified: 2, left: 1 } });
    expect(await json("inspect", path("encrypted/a/call-1.screen.mp4.enc"))).toMatchObject({
      recordingId: "call-1",
      asset: "screen",
    });
  });

  it("says by its exit code and in words that something is left to do", async () => {
    await world.stop();
    const away = await run(["migrate", plain(), "--ids", "path", "--delete-plain"]);
    expect(away.code).toBe(exitCodes.incomplete);
    expect(away.out).toMatch(
      /2 .*KMS has not opened them yet[^]*encrypted +a\/call-1\.wav +.*\(ERR_KMS_UNAVAILABLE\)[^]*Something is left to do\.$/,
    );
    expect(await filesBelow(plain())).toHaveLength(5);
  });

  it("shows a bar to whoever watches, and never beside JSON", async () => {
    const terminal = new FakeTerminal();
    const { out } = await run(["migrate", plain()], { terminal });
    expect(terminal.drawn.at(-1)).toMatch(/^\[#{24}\] +100 % +200\.0 kB of 200\.0 kB .* 3 of 3 files$/);
    expect(out).toContain("\u001B[32m2    \u001B[39m");
    const watched = new FakeTerminal();
    const ran = await run(["migrate", plain(), "--json"], { terminal: watched });
    expect({ written: watched.written, colours: ran.out.includes("\u001B") }).toEqual({ written: [], colours: false });
  });

  it.each([
    [["migrate"], /missing required argument 'folder'/],
    [["migrate", "nowhere", "--dry-run"], /nowhere: there is no such file or folder/],
    [["migrate", ".", "--rules", "nothing.json"], /--rules nothing\.json: /],
    [["migrate", ".", "--rules", "x", "--ids", "path"], /'--rules <file>' cannot be used with option '--ids <how>'/],
    [["migrate", ".", "--ids", "inode"], /Allowed choices are name, path/],
    [["migrate", ".", "--min-age", "-1"], /--min-age <seconds>: must be a whole number/],
    [["migrate", ".", "--concurrency", "100"], /--concurrency <number>: must be a whole number from 1 to 64/],
  ])("%j: an exit code, and what is wrong", async (argv, said) => {
    const { code, out, err } = await run(argv);
    expect({ failed: code === exitCodes.usage || code === exitCodes.failed, out }).toEqual({ failed: true, out: "" });
    expect(err).toMatch(said);
  });

  it("refuses rules that are none", async () => {
    writeFileSync(path("rules.json"), '[{"path":"(","recordingId":"x"}]');
    const { code, err } = await run(["migrate", plain(), "--rules", path("rules.json")]);
    expect({ code, err }).toEqual({
      code: exitCodes.usage,
      err: expect.stringMatching(/rules\.json: patterns\.0\.path: must be a regular/),
    });
  });
});

describe("bars", () => {
  beforeEach(async () => {
    await configured();
    writeFileSync(path("a"), audio);
  });
  const drawnBy = async (...argv: string[]) => {
    const terminal = new FakeTerminal();
    const ran = await run(argv, { terminal, input: audio });
    expect(ran.code).toBe(0);
    return terminal.drawn;
  };

  it("are there for encrypt, decrypt, salvage, rewrap, drill and status", async () => {
    const all = /^\[#{24}\] +100 % +200\.0 kB of 200\.0 kB/;
    expect((await drawnBy("encrypt", path("a"), path("a.rec"), "--recording-id", "r")).at(-1)).toMatch(all);
    expect((await drawnBy("decrypt", path("a.rec"), path("b"))).at(-1)).toMatch(
      /^\[#{24}\] +100 % +20\d\.\d kB of 20\d\.\d kB/,
    );
    expect((await drawnBy("salvage", path("a.rec"), path("c"))).at(-1)).toMatch(/ %  200\.0 kB of 20\d\.\d kB/);
    expect((await drawnBy("encrypt", "-", path("d.rec"), "--recording-id", "r")).at(-1)).toMatch(/^20\d\.\d kB/);
    expect((await drawnBy("rewrap")).at(-1)).toMatch(/1 of 1 key pairs$/);
    expect((await drawnBy("drill")).at(-1)).toMatch(/6 of 7 steps/);
    expect(await drawnBy("status", "--confirm")).toEqual(["KMS and the store are asked"]);
  });

  it("are not there with --json, whatever the command", async () => {
    for (const argv of [
      ["encrypt", path("a"), path("a.rec"), "--recording-id", "r"],
      ["rewrap"],
      ["drill"],
      ["status"],
    ])
      expect(await drawnBy(...argv, "--json")).toEqual([]);
  });
});
