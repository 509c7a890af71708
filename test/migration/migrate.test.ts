import { createHash, randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import {
  appendFile,
  chmod,
  link,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { migrateRecordings, type MigratedFile, type MigrationOptions } from "../../src/migration/index.js";
import { createTestKeyStore, type TestKeyStore } from "../../src/testing/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { filesBelow, longAgo, opened, plainFiles } from "./support.js";

const audio = randomBytes(150_000);
const transcript = "hello";
let folder: string;
let remove: () => Promise<void>;
let world: TestKeyStore;
const plain = (path = "") => join(folder, "plain", path);
const report = () => join(folder, "report.jsonl");

beforeEach(async () => {
  ({ folder, remove } = await temporaryFolder("migration-"));
  world = await createTestKeyStore();
  await mkdir(plain());
});
afterEach(() => remove());

const migrate = (options: Partial<MigrationOptions> = {}) =>
  migrateRecordings(world.keyStore, { directory: plain(), ...options });
const reported = () =>
  readFileSync(report(), "utf8")
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => JSON.parse(line) as MigratedFile);
const states = (files: readonly MigratedFile[]) => Object.fromEntries(files.map(({ path, state }) => [path, state]));

describe("plain recordings", () => {
  beforeEach(() =>
    plainFiles(plain(), { "a/call-1.wav": audio, "a/call-1.vtt": transcript, "b/empty.mp3": "", "b/notes.pdf": "x" }),
  );

  it("are encrypted beside themselves, opened by KMS, and stay", async () => {
    const before = world.kms.journal.count("Decrypt");
    const { files, bytes, ...rest } = await migrate();
    expect(files).toMatchObject({ verified: 3, left: 1, failed: 0 });
    expect(bytes).toMatchObject({ verified: audio.length + transcript.length });
    expect(rest).toEqual({
      dryRun: false,
      complete: true,
      unfinished: [],
      encryptedOnly: 0,
      plaintextElsewhere: [],
      leftovers: [],
    });
    // One for each, though the private half that the first has unwrapped is in memory for a minute.
    expect(world.kms.journal.count("Decrypt") - before).toBe(3);
    const encrypted = ["a/call-1.vtt.rec", "a/call-1.wav.rec", "b/empty.mp3.rec"];
    expect(await filesBelow(plain())).toEqual(
      [...encrypted, "a/call-1.vtt", "a/call-1.wav", "b/empty.mp3", "b/notes.pdf"].sort(),
    );
    expect((await opened(world.keyStore, plain("a/call-1.wav.rec"))).equals(audio)).toBe(true);
    expect((await opened(world.keyStore, plain("a/call-1.vtt.rec"))).toString()).toBe(transcript);
    for (const path of encrypted) expect(statSync(plain(path)).mtime).toEqual(longAgo);
  });

  it("are deleted where that is asked for, and the report says what they were", async () => {
    const { files, complete } = await migrate({ deletePlain: true, reportPath: report() });
    expect({ deleted: files.deleted, complete }).toEqual({ deleted: 3, complete: true });
    expect(await filesBelow(plain())).toEqual([
      "a/call-1.vtt.rec",
      "a/call-1.wav.rec",
      "b/empty.mp3.rec",
      "b/notes.pdf",
    ]);
    expect((await opened(world.keyStore, plain("a/call-1.wav.rec"))).equals(audio)).toBe(true);
    expect((await stat(report())).mode & 0o777).toBe(0o600);
    expect(reported().find(({ path, state }) => path === "a/call-1.wav" && state === "deleted")).toMatchObject({
      recordingId: "call-1",
      asset: "main",
      size: audio.length,
      modifiedAt: longAgo.toISOString(),
      encryptedSize: statSync(plain("a/call-1.wav.rec")).size,
      sha256: createHash("sha256").update(audio).digest("hex"),
      keyPairId: (await world.keyStore.status()).activeKeyPair?.keyPairId,
      usedLastKnownKey: false,
      keyAtRisk: false,
    });
    // Verified is on disk before anything is deleted.
    const ofOne = reported().filter(({ path }) => path === "a/call-1.wav");
    expect(ofOne.map(({ state }) => state)).toEqual(["verified", "deleted"]);
  });

  it("go into another folder, which gets the same folders, and may lie below", async () => {
    const outputDirectory = plain("encrypted");
    expect(await migrate({ outputDirectory, suffix: ".enc" })).toMatchObject({ files: { verified: 3 } });
    expect(await filesBelow(outputDirectory)).toEqual(["a/call-1.vtt.enc", "a/call-1.wav.enc", "b/empty.mp3.enc"]);
    expect(await migrate({ outputDirectory, suffix: ".enc" })).toMatchObject({
      files: { verified: 3 },
      encryptedOnly: 0,
    });
    expect(await filesBelow(outputDirectory)).toHaveLength(3);
  });

  it("are only listed by a dry run, which asks neither KMS nor the store and writes nothing", async () => {
    const keyStore = {
      encryptFile: () => Promise.reject(new Error("asked")),
      decryptRecording: (() => Promise.reject(new Error("asked"))) as never,
    };
    const dry = () => migrateRecordings(keyStore, { directory: plain(), dryRun: true, reportPath: report() });
    const before = await filesBelow(folder);
    const { files, bytes, complete, unfinished } = await dry();
    expect({ files, bytes, complete }).toMatchObject({
      files: { "to-encrypt": 3, left: 1 },
      bytes: { "to-encrypt": audio.length + transcript.length, left: 1 },
      complete: false,
    });
    expect(states(unfinished)).toMatchObject({ "a/call-1.wav": "to-encrypt" });
    expect(await filesBelow(folder)).toEqual(before);
    await migrate({ reportPath: report() });
    expect(await dry()).toMatchObject({ files: { verified: 3, left: 1 }, complete: true });
    await rm(report());
    expect(await dry()).toMatchObject({ files: { "to-verify": 3, left: 1 }, complete: false });
  });

  it("are done once: a later run goes by report and folders, and writes nothing down twice", async () => {
    await migrate({ reportPath: report() });
    const [before, lines] = [world.kms.journal.count(), readFileSync(report(), "utf8")];
    expect(await migrate({ reportPath: report() })).toMatchObject({ files: { verified: 3 }, complete: true });
    expect({ calls: world.kms.journal.count() - before, same: readFileSync(report(), "utf8") === lines }).toEqual({
      calls: 0,
      same: true,
    });
    // Without the report they are verified once more, and so they are before they are deleted.
    await migrate();
    expect(world.kms.journal.count("Decrypt")).toBeGreaterThanOrEqual(3);
    const decrypts = world.kms.journal.count("Decrypt");
    expect(await migrate({ reportPath: report(), deletePlain: true })).toMatchObject({ files: { deleted: 3 } });
    expect(world.kms.journal.count("Decrypt") - decrypts).toBe(3);
    expect(await migrate({ reportPath: report(), deletePlain: true })).toMatchObject({
      files: { deleted: 3, left: 1 },
      encryptedOnly: 0,
      complete: true,
    });
    expect(await migrate()).toMatchObject({ files: { deleted: 0, left: 1 }, encryptedOnly: 3, complete: true });
  });

  it("that were changed since are an error that is named: never deleted, their recordings never replaced", async () => {
    await migrate({ reportPath: report() });
    const recording = await readFile(plain("a/call-1.wav.rec"));
    await appendFile(plain("a/call-1.wav"), "more");
    await writeFile(plain("a/call-1.vtt"), "hallo"); // of the same size
    for (const path of ["a/call-1.wav", "a/call-1.vtt"]) await utimes(plain(path), longAgo, new Date("2024-06-01"));
    for (const options of [
      { reportPath: report(), deletePlain: true },
      { deletePlain: true },
      { reportPath: report() },
    ]) {
      const { unfinished, complete } = await migrate(options);
      expect({ complete, states: states(unfinished) }).toEqual({
        complete: false,
        states: { "a/call-1.wav": "changed", "a/call-1.vtt": "changed" },
      });
      expect(unfinished[0]).toMatchObject({
        code: "ERR_FILE_CHANGED",
        message: expect.stringContaining("changed after"),
      });
    }
    expect((await readFile(plain("a/call-1.wav.rec"))).equals(recording)).toBe(true);
    expect(existsSync(plain("a/call-1.wav")) && existsSync(plain("a/call-1.vtt"))).toBe(true);
    await rename(plain("a/call-1.wav.rec"), join(folder, "old.rec"));
    await rm(plain("a/call-1.vtt.rec"));
    expect(await migrate({ deletePlain: true })).toMatchObject({ files: { deleted: 2 }, complete: true });
    expect((await opened(world.keyStore, plain("a/call-1.wav.rec"))).toString("latin1").endsWith("more")).toBe(true);
  });

  it("that change in place, with size and time as before, are not deleted either", async () => {
    await migrate({ reportPath: report() });
    await writeFile(plain("a/call-1.vtt"), "hallo");
    await utimes(plain("a/call-1.vtt"), longAgo, longAgo);
    const { unfinished } = await migrate({ reportPath: report(), deletePlain: true });
    expect(states(unfinished)).toEqual({ "a/call-1.vtt": "changed" });
    expect(await readFile(plain("a/call-1.vtt"), "utf8")).toBe("hallo");
  });

  it("are encrypted while KMS is away, and nothing is deleted until it has opened them", async () => {
    world.kms.faults.outage();
    const away = await migrate({ deletePlain: true, reportPath: report() });
    expect(away).toMatchObject({ files: { encrypted: 3 }, complete: false });
    expect(away.unfinished[0]).toMatchObject({ code: "ERR_KMS_UNAVAILABLE", retryable: true });
    expect(await filesBelow(plain())).toHaveLength(7);
    world.kms.faults.heal();
    world.clock.advance(60_000);
    world.kms.disableKey(world.kmsKeyArn);
    const refused = await migrate({ deletePlain: true, reportPath: report() });
    expect(refused.unfinished[0]).toMatchObject({ state: "encrypted", code: "ERR_KMS_REFUSED" });
    expect(await filesBelow(plain())).toHaveLength(7);
    world.kms.enableKey(world.kmsKeyArn);
    world.clock.advance(60_000);
    expect(await migrate({ deletePlain: true, reportPath: report() })).toMatchObject({
      files: { deleted: 3 },
      complete: true,
    });
    expect(states(reported())).toMatchObject({ "a/call-1.wav": "deleted" });
  });

  it("end the run, each in its place, where nothing can be encrypted", async () => {
    const { keyStore } = await createTestKeyStore({ configuration: false });
    const run = migrateRecordings(keyStore, { directory: plain(), reportPath: report(), concurrency: 1 });
    await expect(run).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED" });
    expect(reported().filter(({ state }) => state === "failed")).toMatchObject([{ code: "ERR_NOT_CONFIGURED" }]);
    expect(await filesBelow(plain())).toHaveLength(4);
  });

  it("end the run when the caller aborts, and the next one goes on", async () => {
    const abort = new AbortController();
    const onFile = ({ state }: MigratedFile) => {
      if (state !== "left") abort.abort(new Error("given up"));
    };
    await expect(migrate({ signal: abort.signal, concurrency: 1, onFile })).rejects.toThrow("given up");
    expect((await filesBelow(plain())).filter((path) => path.endsWith(".rec"))).toHaveLength(1);
    expect(await migrate()).toMatchObject({ files: { verified: 3 }, complete: true });
  });

  it("are counted for whoever watches, up to all bytes", async () => {
    const seen: unknown[] = [];
    await migrate({ onProgress: (progress) => seen.push(progress) });
    const totalBytes = audio.length + transcript.length;
    expect(seen.at(-1)).toEqual({ files: 4, totalFiles: 4, failed: 0, doneBytes: totalBytes, totalBytes });
  });
});

describe("what is no plain recording", () => {
  it("is left alone, and said to be: links, pipes, names that are no UTF-8, files in use, temporary ones", async () => {
    const temporary = `.recording-keystore-${"0".repeat(24)}.tmp`;
    await plainFiles(plain(), { "a.wav": audio, "b.wav": audio, [temporary]: "half" });
    await symlink(plain("a.wav"), plain("link.wav"));
    await plainFiles(join(folder, "other"), { "elsewhere.wav": audio });
    await symlink(join(folder, "other"), plain("linked folder"));
    execFileSync("mkfifo", [plain("pipe.wav")]);
    await utimes(plain("b.wav"), new Date(), new Date());
    const odd = Buffer.concat([Buffer.from(`${plain()}/caf`), Buffer.from([0xe9]), Buffer.from(".wav")]);
    await writeFile(odd, audio);
    const files: MigratedFile[] = [];
    const { leftovers, unfinished, complete } = await migrate({
      deletePlain: true,
      minAge: 3_600_000,
      onFile: (file) => files.push(file),
    });
    expect(Object.fromEntries(files.map(({ path, state, left }) => [path, left ?? state]))).toEqual({
      "a.wav": "deleted",
      "b.wav": "in-use",
      "link.wav": "link",
      "linked folder": "link",
      "pipe.wav": "special",
      "caf\\xe9.wav": "name",
    });
    expect({ leftovers, complete, unfinished: unfinished.length }).toEqual({
      leftovers: [temporary],
      complete: false,
      unfinished: 2,
    });
    expect(await filesBelow(join(folder, "other"))).toEqual(["elsewhere.wav"]);
    expect((await readFile(odd)).equals(audio)).toBe(true);
  });

  it("is not encrypted twice: a recording under any name, and one without its plain file", async () => {
    await plainFiles(plain(), { "a.wav": audio });
    await migrate({ deletePlain: true });
    await rename(plain("a.wav.rec"), plain("b.wav"));
    await utimes(plain("b.wav"), longAgo, longAgo);
    const files: MigratedFile[] = [];
    await migrate({ onFile: (file) => files.push(file) });
    expect(files).toMatchObject([{ path: "b.wav", state: "left", left: "encrypted" }]);
  });

  it("is not taken for a file's recording: another recording in its place, garbage, a folder, a link", async () => {
    await plainFiles(plain(), { "a.wav": audio, "b.wav": audio, "c.wav": audio, "d.wav": audio, "e.wav": audio });
    await migrate({ rule: ({ path }) => (path === "a.wav" ? { recordingId: "other" } : undefined) });
    await plainFiles(plain(), { "b.wav.rec": "garbage" });
    await mkdir(plain("c.wav.rec"));
    await symlink(plain("a.wav.rec"), plain("d.wav.rec"));
    const before = await readFile(plain("a.wav.rec"));
    const { unfinished } = await migrate({ deletePlain: true });
    expect(states(unfinished)).toEqual({ "a.wav": "failed", "b.wav": "failed", "c.wav": "failed", "d.wav": "failed" });
    expect(new Set(unfinished.map(({ code }) => code))).toEqual(new Set(["ERR_FILE_EXISTS"]));
    expect((await readFile(plain("a.wav.rec"))).equals(before)).toBe(true);
    expect(await readFile(plain("b.wav.rec"), "utf8")).toBe("garbage");
    for (const path of ["a.wav", "b.wav", "c.wav", "d.wav"]) expect(existsSync(plain(path))).toBe(true);
    expect(existsSync(plain("e.wav"))).toBe(false);
  });

  it("does not open: a recording that was spoilt since keeps its plain file", async () => {
    await plainFiles(plain(), { "a.wav": audio });
    await migrate();
    const recording = await readFile(plain("a.wav.rec"));
    recording[recording.length - 40_000]! ^= 1;
    await writeFile(plain("a.wav.rec"), recording);
    const { unfinished } = await migrate({ deletePlain: true });
    expect(unfinished).toMatchObject([{ path: "a.wav", state: "failed", code: "ERR_RECORDING_TAMPERED" }]);
    expect((await readFile(plain("a.wav"))).equals(audio)).toBe(true);
  });
});

describe("names", () => {
  it("that two files would share are refused to both, also where one of them is gone by now", async () => {
    await plainFiles(plain(), { "a/1.wav": audio, "b/1.mp3": audio, "c/2.wav": audio });
    const { unfinished, files } = await migrate({ deletePlain: true });
    expect(files).toMatchObject({ deleted: 1, failed: 2 });
    expect(unfinished[0]?.message).toMatch(/rule: gives the same recording and asset for (a\/1\.wav|b\/1\.mp3)/);
    await plainFiles(plain(), { "d/2.wav": audio });
    expect(states((await migrate()).unfinished)).toMatchObject({ "d/2.wav": "failed" });
    await rm(plain("b/1.mp3"));
    await rm(plain("d"), { recursive: true });
    expect(await migrate({ deletePlain: true, reportPath: report() })).toMatchObject({
      files: { deleted: 1, failed: 0 },
    });
    await rm(plain("a/1.wav.rec")); // moved elsewhere
    await plainFiles(plain(), { "e/1.wav": audio });
    expect(states((await migrate({ reportPath: report() })).unfinished)).toEqual({ "e/1.wav": "failed" });
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("postgres://u:hunter2@h");
      },
      /^unknown failure \(Error\)$/,
    ],
    ["rejects", () => Promise.reject(new TypeError("hunter2")), /^unknown failure \(TypeError\)$/],
    ["gives a text", () => "x" as never, /rule: must give an object/],
    ["gives no id", () => ({}) as never, /recordingId: must be/],
    ["gives an id that none can be", () => ({ recordingId: "a\nb" }), /recordingId: must be/],
    ["gives metadata that none can be", () => ({ recordingId: "a", metadata: { a: 1n } }), /metadata/],
  ])("of a rule that %s are the file's failure", async (_, rule, message) => {
    await plainFiles(plain(), { "a.wav": audio });
    const { unfinished } = await migrate({ rule, deletePlain: true });
    expect(unfinished).toMatchObject([{ path: "a.wav", state: "failed", message: expect.stringMatching(message) }]);
    expect(await filesBelow(plain())).toEqual(["a.wav"]);
  });

  it("and metadata of a rule that takes its time go into the recording", async () => {
    await plainFiles(plain(), { "a.wav": audio });
    await migrate({ rule: async ({ size }) => ({ recordingId: "x", asset: "y", metadata: { size } }) });
    expect(
      await world.keyStore.readMetadata(await readFile(plain("a.wav.rec")), { recordingId: "x", asset: "y" }),
    ).toMatchObject({ metadata: { size: audio.length } });
  });
});

describe("hard links", () => {
  it("within the folder are all deleted; one elsewhere is named", async () => {
    await plainFiles(plain(), { "a/1.wav": audio, "b/3.wav": "other" });
    await link(plain("a/1.wav"), plain("a/2.wav"));
    await link(plain("b/3.wav"), join(folder, "kept.wav"));
    const first = await migrate({ deletePlain: true, reportPath: report() });
    expect(first).toMatchObject({ files: { deleted: 3 }, plaintextElsewhere: ["b/3.wav"], complete: false });
    expect(await filesBelow(plain())).toEqual(["a/1.wav.rec", "a/2.wav.rec", "b/3.wav.rec"]);
    expect(await migrate({ reportPath: report() })).toMatchObject({ plaintextElsewhere: ["b/3.wav"] });
  });
});

describe("a report", () => {
  beforeEach(() => plainFiles(plain(), { "a.wav": audio }));

  it("whose last line a kill has cut off is gone on with", async () => {
    await migrate({ reportPath: report() });
    const whole = await readFile(report(), "utf8");
    for (const cut of [1, 20, whole.length - whole.indexOf("\n") - 2]) {
      await writeFile(report(), whole.slice(0, -cut));
      expect(await migrate({ reportPath: report() })).toMatchObject({ files: { verified: 1 }, complete: true });
      const lines = (await readFile(report(), "utf8")).trimEnd().split("\n");
      expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ path: "a.wav", state: "verified" });
    }
  });

  it("may lie in the folder, and is not migrated", async () => {
    const reportPath = plain("a.json");
    expect(await migrate({ reportPath, deletePlain: true })).toMatchObject({ files: { deleted: 1, left: 0 } });
    expect(await migrate({ reportPath, deletePlain: true })).toMatchObject({ files: { deleted: 1, left: 0 } });
    expect(await filesBelow(plain())).toEqual(["a.json", "a.wav.rec"]);
  });

  it.each([
    ["another file", "dear diary\n", /no report of a migration/],
    ["an empty file", "", /no report of a migration/],
    ["other JSON", '{"report":"sales"}\n', /no report of a migration/],
    ["a later version's", '{"report":"recording-keystore migration","version":2}\n', /a later version/],
    [
      "one of another folder",
      '{"report":"recording-keystore migration","version":1,"directory":"/x"}\n',
      /another directory: \/x/,
    ],
  ])("that is %s is refused, and stays as it is", async (_, text, said) => {
    await writeFile(report(), text);
    await expect(migrate({ reportPath: report() })).rejects.toThrow(said);
    expect(await readFile(report(), "utf8")).toBe(text);
    expect(await filesBelow(plain())).toEqual(["a.wav"]);
  });

  it("is for its owner alone, whatever its rights were", async () => {
    await migrate({ reportPath: report() });
    await chmod(report(), 0o644);
    await migrate({ reportPath: report() });
    expect((await stat(report())).mode & 0o777).toBe(0o600);
  });

  it("believes nothing that decides about a deletion", async () => {
    await migrate({ reportPath: report() });
    await plainFiles(plain(), { "a.wav": randomBytes(audio.length) });
    // The line says that all was verified as it is now.
    expect(await migrate({ reportPath: report() })).toMatchObject({ files: { verified: 1 } });
    expect(states((await migrate({ reportPath: report(), deletePlain: true })).unfinished)).toEqual({
      "a.wav": "changed",
    });
    expect(existsSync(plain("a.wav"))).toBe(true);
  });
});

describe("options", () => {
  it.each([
    [{ directory: undefined }, /directory: is required/],
    [{ directory: 1 }, /directory: must be the path/],
    [{ outputDirectory: "" }, /outputDirectory: must be the path/],
    [{ suffix: "a/b" }, /suffix: must be/],
    [{ suffix: "" }, /suffix: must be/],
    [{ reportPath: 7 }, /reportPath: must be/],
    [{ rule: "x" }, /rule: must be a function/],
    [{ deletePlain: "yes" }, /deletePlain: must be a boolean/],
    [{ dryRun: 1 }, /dryRun: must be a boolean/],
    [{ minAge: -1 }, /minAge: must be/],
    [{ concurrency: 0 }, /concurrency: must be/],
    [{ concurrency: 65 }, /concurrency: must be/],
    [{ onFile: {} }, /onFile: must be a function/],
    [{ signal: {} }, /signal: must be an AbortSignal/],
    [{ deleteplain: true }, /deleteplain: is not a known option; did you mean deletePlain/],
  ])("%o are refused before anything is done", async (options, said) => {
    await expect(migrate(options as never)).rejects.toThrow(said);
  });

  it("want a key store, and a folder that is there", async () => {
    await expect(migrateRecordings({} as never, { directory: plain() })).rejects.toThrow(/keyStore: must be/);
    await expect(migrate({ directory: plain("none") })).rejects.toMatchObject({ code: "ERR_FILE_IO" });
    await plainFiles(plain(), { "a.wav": audio });
    await expect(migrate({ directory: plain("a.wav") })).rejects.toMatchObject({ code: "ERR_FILE_IO" });
  });
});
