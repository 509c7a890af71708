import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { exitCodes } from "../../src/cli/exit-codes.js";
import { PublicBundleEncryptor } from "../../src/encrypt-only.js";
import { testStepNames } from "../../src/administration.js";
import { FakeTerminal, run } from "./support.js";
import { accountId, alias, configured, json, organization, policy, region, useWorld } from "./world.js";

const audio = randomBytes(200_000);
const world = useWorld();
const path = (name: string) => join(world.folder, name);

describe("the organization's keys", () => {
  it("are tried, configured, changed and listed", async () => {
    expect(await json("test", "--alias", alias)).toMatchObject({ ok: true, kmsKeyArn: world.kmsKeyArn });
    expect((await json("status"))["configured"]).toBe(false);
    expect(await json("configure", "--alias", alias, "--period", "daily")).toMatchObject({ changed: true });
    expect(await json("configure", "--alias", alias, "--period", "daily", "--only-if-changed")).toMatchObject({
      changed: false,
    });
    expect(await json("rotate")).toMatchObject({ rotated: true, keyPair: { sequence: 2 } });
    expect(await json("rotate", "--if-due")).toMatchObject({ rotated: false, keyPair: { sequence: 2 } });
    expect(await json("history", "--limit", "1")).toMatchObject({ items: [{ sequence: 2, active: true }], more: true });
    const { out } = await run(["history"]);
    expect(out).toMatch(/^number +made +why +spec[^]*^2 [^]*on-demand[^]*active$[^]*^1 [^]*configure/m);
    expect(await json("status", "--confirm")).toMatchObject({ vouchedBy: "kms", keyAtRisk: false });
    expect(await json("usage", "--probe", "--retention", "365")).toMatchObject({
      kmsKeys: [{ kmsKeyArn: world.kmsKeyArn, keyPairs: 2, opens: "yes" }],
    });
  });

  it("are said to be at risk by an exit code of its own", async () => {
    await configured();
    world.kms.disableKey(world.kmsKeyArn);
    const { code, out } = await run(["status", "--confirm"]);
    expect(code).toBe(exitCodes.incomplete);
    expect(out).toMatch(/key at risk +yes[^]*disabled[^]* 1\. /);
  });

  it("are said to stay where they are when the alias is pointed elsewhere", async () => {
    await configured();
    const other = world.kms.createKey({ accountId, region, policy });
    world.kms.pointAlias(alias, other);
    const { code, out } = await run(["status", "--confirm"]);
    expect(code).toBe(0);
    expect(out).toContain(`KMS key                ${world.kmsKeyArn}`);
    expect(out.slice(out.indexOf("Since "))).toMatch(new RegExp(`${other}[^]* 1\\. `));
  });

  it("are not configured where the test fails, and each step is shown", async () => {
    world.kms.faults.accessDenied();
    const { code, out } = await run(["configure", "--alias", alias]);
    expect(code).toBe(exitCodes.refused);
    expect(out).toMatch(/make-key-pair +FAILED[^]*unwrap-private-key +-[^]* 1\. /);
    world.kms.faults.heal();
    expect(await json("status")).toMatchObject({ configured: false });
  });

  it("are tried step by step under a person's eyes, and as one object of JSON", async () => {
    const terminal = new FakeTerminal();
    const lines: string[] = [];
    const { code } = await run(["test", "--alias", alias], { terminal, onLine: (line) => lines.push(line) });
    expect(code).toBe(0);
    expect(lines.map((line) => line.replaceAll(/\u001B\[\d+m/g, ""))).toEqual([
      "step",
      ...testStepNames.map((name) => `${name.padEnd(19)}  ok`),
      "",
      `Passed: ${world.kmsKeyArn}`,
    ]);
    expect(terminal.drawn.map((line) => /\d of 7 steps.*  (\S+)$/.exec(line)?.[1])).toEqual([...testStepNames]);
    const asJson = await run(["test", "--alias", alias, "--json"], { terminal: new FakeTerminal() });
    expect(JSON.parse(asJson.out)).toMatchObject({ ok: true, steps: testStepNames.map((name) => ({ name })) });
  });

  it("are tried with each step said before the next one begins", async () => {
    const said: string[] = [];
    const calls = () => world.kms.journal.count("Decrypt");
    const onLine = (line: string) => said.push(`${line.split(" ")[0]} after ${calls()} Decrypts`);
    await run(["configure", "--alias", alias], { onLine });
    expect(said).toEqual(
      expect.arrayContaining(["make-key-pair after 0 Decrypts", "decrypt-and-compare after 1 Decrypts"]),
    );
  });

  it("are rewrapped, with a report that the next call goes on from", async () => {
    await configured();
    await run(["rotate"]);
    expect(await json("rewrap", "--dry-run")).toMatchObject({ done: false, already: 2 });
    expect(await run(["rewrap", "--report", path("report.json")])).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(path("report.json"), "utf8"))).toMatchObject({ complete: true });
    const calls = world.kms.journal.count();
    expect(await run(["rewrap", "--report", path("report.json")])).toMatchObject({
      code: exitCodes.usage,
      err: expect.stringContaining("a report is not replaced"),
    });
    expect(world.kms.journal.count(), "KMS was asked for nothing").toBe(calls);
    const decrypts = () => world.kms.journal.count("Decrypt");
    const before = decrypts();
    expect(await run(["rewrap", "--resume", path("report.json")])).toMatchObject({ code: 0 });
    expect(decrypts() - before).toBeLessThan(2);
    expect(await run(["rewrap", "--resume", path("nothing")])).toMatchObject({ code: exitCodes.usage });
    expect(await json("forget-orphans", "--dry-run")).toEqual({ removed: [], kept: [] });
  });

  it("come back from recordings, into a store that has lost them", async () => {
    await configured();
    writeFileSync(path("a"), audio);
    await run(["encrypt", path("a"), path("a.rec"), "--recording-id", "call-1"]);
    vi.stubEnv("RECORDING_KEYSTORE_STORE", `file:${path("other keys")}`);
    writeFileSync(path("b.rec"), "no recording");
    const { code, out } = await run(["restore-key-pairs", path("a.rec"), path("b.rec")]);
    expect(code).toBe(exitCodes.incomplete);
    expect(out).toMatch(/^1 .*put back$[^]*b\.rec: /m);
    expect(await run(["decrypt", path("a.rec"), path("back")])).toMatchObject({ code: 0 });
    expect(readFileSync(path("back")).equals(audio)).toBe(true);
  });
});

describe("recordings", () => {
  beforeEach(async () => {
    await configured();
    writeFileSync(path("a"), audio);
  });
  const encrypt = (...rest: string[]) =>
    run(["encrypt", path("a"), path("a.rec"), "--recording-id", "call-1", ...rest]);

  it("go from file to file, from standard input, and to standard output", async () => {
    writeFileSync(path("facts.json"), '{"agent":"4711"}');
    expect(await encrypt("--metadata", path("facts.json"))).toMatchObject({ code: 0 });
    const decrypted = await run(["decrypt", path("a.rec"), path("b"), "--recording-id", "call-1"]);
    expect(decrypted).toMatchObject({ code: 0, out: expect.stringContaining('{"agent":"4711"}') });
    expect(readFileSync(path("b")).equals(audio)).toBe(true);

    const sealed = await run(["encrypt", "-", "-", "--recording-id", "call-2"], { input: audio });
    expect(sealed).toMatchObject({ code: 0, out: "", err: expect.stringContaining("plaintextSize") });
    expect(
      (await run(["decrypt", "-", "-", "--recording-id", "call-2"], { input: sealed.bytes })).bytes.equals(audio),
    ).toBe(true);
    await run(["decrypt", "-", path("c"), "--recording-id", "call-2"], { input: sealed.bytes });
    expect(readFileSync(path("c")).equals(audio)).toBe(true);
  });

  it("say in their header whose they are, to anybody", async () => {
    await encrypt();
    vi.stubEnv("RECORDING_KEYSTORE_KMS_ENDPOINT", "http://127.0.0.1:1");
    const facts = { authenticated: false, organizationId: organization, recordingId: "call-1" };
    expect(await json("inspect", path("a.rec"))).toMatchObject(facts);
    const { out } = await run(["inspect", "-"], { input: readFileSync(path("a.rec")) });
    expect(out).toMatch(/recordingId +call-1/);
  });

  it("open without the store, by what they carry, under the KMS keys that are listed", async () => {
    await encrypt();
    vi.stubEnv("RECORDING_KEYSTORE_STORE", undefined);
    expect(await run(["decrypt", path("a.rec"), path("b")])).toMatchObject({
      code: exitCodes.usage,
      err: expect.stringContaining("--store <url> is missing"),
    });
    expect(await run(["decrypt", path("a.rec"), path("b"), "--embedded-keys", "999999999999"])).toMatchObject({
      code: exitCodes.keys,
    });
    expect(await run(["decrypt", path("a.rec"), path("b"), "--embedded-keys", accountId])).toMatchObject({ code: 0 });
    expect(readFileSync(path("b")).equals(audio)).toBe(true);
  });

  it("are made with a bundle alone, and opened as any other", async () => {
    expect(await run(["export-bundle", path("org.bundle"), "--valid-for", "7"])).toMatchObject({ code: 0 });
    expect(await run(["export-bundle", path("org.bundle")])).toMatchObject({ code: exitCodes.usage });
    for (const days of ["0", "367", "1.5", "-1", ""])
      expect(await run(["export-bundle", path("no.bundle"), `--valid-for=${days}`])).toMatchObject({
        code: exitCodes.usage,
        err: expect.stringMatching(/^--valid-for <days>: must be a whole number of days from 1 to 366$/m),
      });
    const bundle = readFileSync(path("org.bundle"));
    const { body } = await new PublicBundleEncryptor({ organizationId: organization, bundle }).encryptRecording(audio, {
      recordingId: "call-9",
    });
    writeFileSync(path("call-9.rec"), body);
    expect(await run(["decrypt", path("call-9.rec"), path("call-9")])).toMatchObject({ code: 0 });
    expect(readFileSync(path("call-9")).equals(audio)).toBe(true);
  });

  it("are salvaged as far as they go", async () => {
    await encrypt();
    const cut = readFileSync(path("a.rec")).subarray(0, 150_000);
    writeFileSync(path("cut.rec"), cut);
    const before = readdirSync(world.folder);
    expect(await run(["decrypt", path("cut.rec"), path("b")])).toMatchObject({ code: exitCodes.damaged });
    expect(readdirSync(world.folder)).toEqual(before); // nothing half-written
    const { code, out } = await run(["salvage", path("cut.rec"), path("b")]);
    expect({ code, out }).toEqual({ code: exitCodes.incomplete, out: expect.stringMatching(/complete +no\nwhy +/) });
    const left = readFileSync(path("b"));
    expect(left.length).toBe(131_072);
    expect(left.equals(audio.subarray(0, left.length))).toBe(true);
  });

  it("wait for a slow KMS, and do not go on with the last known key in its place", async () => {
    world.kms.faults.latency(1_500);
    expect(await run(["encrypt", path("a"), path("a.rec"), "--recording-id", "call-1"])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^usedLastKnownKey +no$/m),
    });
  });

  it("leave nothing behind where writing ends early, and replace nothing unasked", async () => {
    await encrypt();
    const before = readdirSync(world.folder);
    const half = readFileSync(path("a.rec")).subarray(0, 150_000);
    expect(await run(["decrypt", "-", path("b"), "--recording-id", "call-1"], { input: half })).toMatchObject({
      code: exitCodes.damaged,
    });
    expect(readdirSync(world.folder)).toEqual(before);
    const sealed = readFileSync(path("a.rec"));
    expect(await encrypt()).toMatchObject({ code: exitCodes.usage, err: expect.stringContaining("ERR_FILE_EXISTS") });
    expect(await run(["encrypt", "-", path("a.rec"), "--recording-id", "x"], { input: audio })).toMatchObject({
      code: exitCodes.usage,
    });
    expect(readFileSync(path("a.rec")).equals(sealed)).toBe(true);
    expect(await encrypt("--overwrite")).toMatchObject({ code: 0 });
    expect(readFileSync(path("a.rec")).equals(sealed)).toBe(false);
  });

  it("end with an exit code of its own when the user gives up", async () => {
    const signal = AbortSignal.abort(new Error("interrupted"));
    const { code, err } = await run(["encrypt", path("a"), path("a.rec"), "--recording-id", "r"], { signal });
    expect({ code, err }).toEqual({ code: exitCodes.interrupted, err: "Interrupted." });
    expect(readdirSync(world.folder)).not.toContain("a.rec");
  });
});

describe("failures", () => {
  const failures: [name: string, argv: string[], code: number, said: RegExp, before?: () => unknown][] = [
    [
      "KMS away",
      ["rotate"],
      exitCodes.tryAgain,
      /ERR_KMS_UNAVAILABLE\)\n\n.*could not be reached[^]* 1\. /,
      () => world.stop(),
    ],
    [
      "KMS denying",
      ["rotate"],
      exitCodes.refused,
      /ERR_KMS_REFUSED\)\n\n[^]* 1\. /,
      () => world.kms.faults.accessDenied(),
    ],
    ["no such recording", ["decrypt", "nowhere", "b"], exitCodes.failed, /nowhere.*ERR_SOURCE_NOT_FOUND/],
    [
      "an alias that is none",
      ["test", "--alias", "alias/x"],
      exitCodes.usage,
      /^--alias: must be an alias ARN[^]*test --help tells more/,
    ],
    ["no alias", ["configure"], exitCodes.usage, /required option '--alias <arn>'/],
    ["a misspelt option", ["status", "--organisation", "x"], exitCodes.usage, /--organisation[^]*--organization/],
    ["a misspelt command", ["rotat"], exitCodes.usage, /rotat[^]*rotate/],
    ["a period that is none", ["test", "--alias", "a", "--period", "hourly"], exitCodes.usage, /daily, weekly/],
    ["a limit that is none", ["history", "--limit", "0"], exitCodes.usage, /--limit <number>: must be/],
    ["a store of another kind", ["status", "--store", "mysql://x"], exitCodes.usage, /file:, dynamodb:/],
    ["a store's unknown parameter", ["status", "--store", "s3://b/p?regoin=x"], exitCodes.usage, /no parameter regoin/],
    ["a folder on another host", ["status", "--store", "file://keys/org"], exitCodes.usage, /file: URL has no host/],
    [
      "a password on the command line",
      ["status", "--store", "postgres://u:hunter2@h/d"],
      exitCodes.usage,
      /PGPASSWORD/,
    ],
    ["settings that are no file", ["status", "--config", "nothing.json"], exitCodes.usage, /--config nothing\.json: /],
  ];
  it.each(failures)("%s: an exit code, and what to do", async (_, argv, code, said, before) => {
    await configured();
    await before?.();
    const ran = await run(argv);
    expect(ran).toMatchObject({ code, out: "" });
    expect(ran.err).toMatch(said);
    expect(ran.err).not.toContain("hunter2");
  });

  it("a folder without a store is not taken for a new one", async () => {
    vi.stubEnv("RECORDING_KEYSTORE_STORE", `file:${path("elsewhere")}`);
    const { code, err } = await run(["rotate"]);
    expect(code).toBe(exitCodes.tryAgain); // its disk may not be mounted yet
    expect(err).toMatch(/ERR_STORE_UNAVAILABLE/);
    expect(readdirSync(world.folder)).not.toContain("elsewhere");
  });

  it("are JSON where that is asked for", async () => {
    await configured();
    world.kms.faults.accessDenied();
    const { code, out, err } = await run(["rotate", "--json"]);
    expect({ code, out }).toEqual({ code: exitCodes.refused, out: "" });
    expect(JSON.parse(err)).toMatchObject({ error: { code: "ERR_KMS_REFUSED", kind: "access-denied" } });
  });
});

describe("settings", () => {
  it("come from the command line before the environment, and from there before the file", async () => {
    await configured();
    const file = path("settings.json");
    writeFileSync(
      file,
      JSON.stringify({ organization: "org-of-the-file", homeRegion: region, trustedKmsKeys: [accountId] }),
    );
    expect(await json("status", "--config", file)).toMatchObject({ organizationId: organization });
    vi.stubEnv("RECORDING_KEYSTORE_ORGANIZATION", undefined);
    expect(await json("status", "--config", file)).toMatchObject({ organizationId: "org-of-the-file" });
    expect(await json("status", "--config", file, "--organization", "org-3")).toMatchObject({
      organizationId: "org-3",
    });
  });

  it.each([
    ["no JSON", "{", /is no JSON/],
    ["no object", "[]", /must hold a JSON object/],
    ["a name that is none", '{"organisation":"x"}', /organisation is no setting; there are organization,/],
    ["a list that is none", '{"trustedKmsKeys":"x"}', /trustedKmsKeys must be a list of texts/],
    ["a text that is none", '{"store":["x"]}', /store must be a text/],
  ])("in a file with %s are refused", async (_, text, said) => {
    writeFileSync(path("settings.json"), text);
    const { code, err } = await run(["status", "--config", path("settings.json")]);
    expect(code).toBe(exitCodes.usage);
    expect(err).toMatch(said);
  });

  it("name a file with the fleet's secret, which is shown nowhere", async () => {
    const secret = randomBytes(32);
    writeFileSync(path("secret"), secret);
    const ran = await run(["configure", "--alias", alias, "--fleet-secret-file", path("secret"), "--json"]);
    expect(ran.code).toBe(0);
    for (const spelt of ["hex", "base64", "base64url", "latin1"] as const)
      expect(ran.out + ran.err).not.toContain(secret.toString(spelt));
    expect(await json("status", "--fleet-secret-file", path("secret"))).toMatchObject({ configured: true });
  });
});
