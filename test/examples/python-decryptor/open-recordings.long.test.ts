import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  createReadStream,
  createWriteStream,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
} from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import { createTestKeyStore, type InMemoryKms } from "../../../src/testing/index.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { here, program, start, type Ended } from "./python.js";

async function setUp() {
  const { folder, remove } = await temporaryFolder("python-");
  const store = new FileKeyPairStore({ directory: join(folder, "store"), hostDirectory: join(folder, "host") });
  const world = await createTestKeyStore({ organizationId: "northwind", store });
  const endpoint = await world.kms.listen({ port: 0 });
  return { ...world, endpoint, env: callerOf(world.kms), folder, remove };
}

/** Environment of a boto3 that calls as the recording service's account, with the one right that is needed. */
function callerOf(kms: InMemoryKms) {
  const identityPolicy = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "kms:Decrypt", Resource: "*" }],
  };
  const { accessKeyId } = kms.addPrincipal({ arn: "arn:aws:iam::765628985471:role/reader", identityPolicy });
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: "any-secret-will-do",
    AWS_EC2_METADATA_DISABLED: "true",
  };
}

describe("open_recordings.py, by boto3 from a KMS over HTTP", () => {
  let world: Awaited<ReturnType<typeof setUp>>;
  beforeAll(async () => {
    world = await setUp();
  });
  afterAll(async () => {
    await world.keyStore.close();
    await world.endpoint.close();
    await world.remove();
  });

  const audio = randomBytes(200_000);
  let cases = 0;
  let target: string;
  beforeEach(async () => {
    world.kms.faults.heal();
    world.kms.journal.clear();
    target = join(world.folder, `case-${(cases += 1)}`);
    await mkdir(target);
  });
  const recordingIn = async (name: string, options: { metadata?: { caller: string }; recordingId?: string } = {}) => {
    const path = join(world.folder, `${name}.rksrec`);
    await writeFile(path, (await world.keyStore.encryptRecording(audio, { recordingId: name, ...options })).body);
    return path;
  };
  const known = (organization = "northwind", key = world.kmsKeyArn) => [
    ...["--organization", organization, "--kms-key", key, "--endpoint-url", world.endpoint.url, "--to", target],
  ];
  const open = (args: readonly string[]): Promise<Ended> =>
    start(program, ["open_recordings.py", ...args], world.env).ended;
  const lines = ({ stdout }: Ended) =>
    stdout.split("\n").flatMap((line) => (line ? [JSON.parse(line) as Record<string, unknown>] : []));
  const decrypts = () => world.kms.journal.count("Decrypt");

  it("opens many recordings with one call to KMS for each key pair", async () => {
    const paths = [
      await recordingIn("call-1"),
      await recordingIn("call-2", { metadata: { caller: "+49 30 1234567" } }),
      await recordingIn("call-3"),
    ];
    await world.keyStore.rotate();
    paths.push(await recordingIn("call-4"));
    const { kmsKeyAliasArn } = world;
    await world.keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "never", keyPairSpec: "RSA_2048" });
    paths.push(await recordingIn("of RSA"));
    world.kms.journal.clear();
    const ended = await open([...known(), ...paths]);
    expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: "" });
    expect(lines(ended).map(({ bytes, organizationId }) => ({ bytes, organizationId }))).toEqual(
      paths.map(() => ({ bytes: audio.length, organizationId: "northwind" })),
    );
    expect(lines(ended)[1]).toMatchObject({ recordingId: "call-2", metadata: { caller: "+49 30 1234567" } });
    for (const name of readdirSync(target)) expect(audio.equals(readFileSync(join(target, name))), name).toBe(true);
    expect(readdirSync(target)).toHaveLength(paths.length);
    expect(decrypts()).toBe(3);
    await world.keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "never" });
  });

  it("opens a recording that carries no private half by the folder of the file store", async () => {
    const bare = await createTestKeyStore({
      organizationId: "southwind",
      selfContained: false,
      store: new FileKeyPairStore({
        directory: join(world.folder, "other-store"),
        hostDirectory: join(world.folder, "other-host"),
      }),
    });
    const there = await bare.kms.listen({ port: 0 });
    const path = join(world.folder, "bare.rksrec");
    await writeFile(path, (await bare.keyStore.encryptRecording(audio, { recordingId: "bare" })).body);
    const args = [...known("southwind", bare.kmsKeyArn), "--endpoint-url", there.url, path];
    const own = callerOf(bare.kms);
    const without = await start(program, ["open_recordings.py", ...args], own).ended;
    expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining("ERR_KEY_PAIR_NOT_FOUND") });
    const ended = await start(
      program,
      ["open_recordings.py", ...args, "--store", join(world.folder, "other-store")],
      own,
    ).ended;
    expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: "" });
    expect(audio.equals(readFileSync(join(target, "bare")))).toBe(true);
    await bare.keyStore.close();
    await there.close();
  });

  it("refuses, leaves nothing, and goes on with the next one", async () => {
    const [whole, cut, spoilt] = [await recordingIn("whole"), await recordingIn("cut"), await recordingIn("spoilt")];
    truncateSync(cut, statSync(cut).size - 1);
    const bytes = await readFile(spoilt);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    await writeFile(spoilt, bytes);
    const long = await recordingIn("long");
    appendFileSync(long, "more");
    const ended = await open([...known(), cut, spoilt, long, join(world.folder, "missing.rksrec"), whole]);
    expect(ended.code).toBe(1);
    expect(ended.stderr.trimEnd().split("\n")).toEqual([
      expect.stringContaining("ERR_RECORDING_TRUNCATED"),
      expect.stringContaining("ERR_RECORDING_TAMPERED"),
      expect.stringContaining("ERR_RECORDING_TAMPERED"),
      expect.stringContaining("No such file"),
    ]);
    expect(readdirSync(target)).toEqual(["whole"]);
  });

  const refusals: Readonly<Record<string, { args: (path: string) => string[]; fault?: () => unknown; says: string }>> =
    {
      "another organization": { args: (path) => [...known("southwind"), path], says: "ERR_RECORDING_MISMATCH" },
      "another recording than expected": {
        args: (path) => [...known(), "--recording-id", "call-9", path],
        says: "ERR_RECORDING_MISMATCH",
      },
      "a KMS key that nobody has named": {
        args: (path) => [...known("northwind", `${world.kmsKeyArn}0`), path],
        says: "ERR_KEY_PAIR_UNTRUSTED",
      },
      "a denial of KMS": {
        args: (path) => [...known(), path],
        fault: () => world.kms.faults.accessDenied(),
        says: "AccessDeniedException",
      },
      "a KMS that fails": {
        args: (path) => [...known(), path],
        fault: () => world.kms.faults.serverError(),
        says: "ERR_KMS_UNAVAILABLE",
      },
    };
  it.each(Object.entries(refusals))("stops at %s", async (_what, { args, fault, says }) => {
    const path = await recordingIn("call-1");
    fault?.();
    const ended = await open(args(path));
    expect(ended).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(says) });
    expect(readdirSync(target)).toEqual([]);
  });

  it("touches no file that is there already", async () => {
    const path = await recordingIn("call-1");
    await writeFile(join(target, "call-1"), "mine");
    expect(await open([...known(), path])).toMatchObject({ code: 1, stderr: expect.stringContaining("exists") });
    expect(readFileSync(join(target, "call-1"), "utf8")).toBe("mine");
    expect(readdirSync(target)).toHaveLength(1);
  });

  it("inspects a header without any key or endpoint", async () => {
    const ended = await start(program, ["open_recordings.py", "--inspect", await recordingIn("call-1")]).ended;
    expect(ended.code).toBe(0);
    expect(lines(ended)).toEqual([
      expect.objectContaining({ organizationId: "northwind", recordingId: "call-1", kmsKeys: [world.kmsKeyArn] }),
    ]);
    expect(decrypts()).toBe(0);
  });

  it("puts a file in place only when the last segment has verified, and leaves none when it is ended before", async () => {
    const bytes = await readFile(await recordingIn("call-1"));
    const pipe = join(world.folder, "live.rksrec");
    execFileSync("mkfifo", [pipe]);
    const { child, ended } = start(program, ["open_recordings.py", ...known(), pipe], world.env);
    const writer = createWriteStream(pipe);
    writer.write(bytes.subarray(0, -1));
    const sizes = () => readdirSync(target).map((name) => ({ name, size: statSync(join(target, name)).size }));
    await expect
      .poll(sizes, { timeout: 60_000 })
      .toEqual([{ name: expect.stringMatching(/^\.unfinished-/), size: expect.toSatisfy((size: number) => size > 0) }]);
    child.kill("SIGTERM");
    await once(child, "exit");
    writer.on("error", () => undefined).destroy();
    expect(await ended).toMatchObject({ code: 143, stdout: "" });
    expect(sizes()).toEqual([]);
  });

  it("takes no more memory for a recording of 192 MiB than for one of 1 MiB", async () => {
    const peak = async (megabytes: number) => {
      const [plain, path] = [join(world.folder, "plain"), join(world.folder, `${megabytes}.rksrec`)];
      await writeFile(plain, "");
      truncateSync(plain, megabytes << 20);
      await world.keyStore.encryptFile(plain, path, { recordingId: "long", overwrite: true });
      const args = ["peak-memory.py", join(program, "open_recordings.py"), ...known(), path];
      const ended = await start(here, args, world.env).ended;
      expect(ended).toMatchObject({ code: 0 });
      const [hash, expected] = [createHash("sha256"), createHash("sha256")];
      await pipeline(createReadStream(join(target, String(megabytes))), hash);
      await pipeline(createReadStream(plain), expected);
      expect(hash.digest("hex")).toBe(expected.digest("hex"));
      return Number(ended.stderr);
    };
    const [small, large] = [await peak(1), await peak(192)];
    expect(small).toBeGreaterThan(1 << 20);
    expect(large - small).toBeLessThan(16 << 20);
  });
});
