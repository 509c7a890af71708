import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { KmsControl } from "../../src/in-memory-kms/index.js";
import { signedHeaders } from "../in-memory-kms/transports.js";
import { home } from "../in-memory-kms/world.js";
import { firstLines, kmsCommandLine, spawnKms } from "../support/kms-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { run } from "./support.js";

const started: ChildProcess[] = [];
let folder: string;
let remove: () => Promise<void>;
beforeAll(async () => ({ folder, remove } = await temporaryFolder("kms-")));
afterAll(() => remove());
afterEach(() => started.splice(0).forEach((child) => child.kill("SIGKILL")));

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawnKms(args, env);
  started.push(child);
  return child;
}

const firstLine = async (child: ChildProcess) => (await firstLines(child, 1))[0] ?? "";

async function ask(
  url: string,
  operation: string,
  input: object,
  caller: { region?: string; accessKeyId?: string } = {},
) {
  const body = JSON.stringify(input);
  const headers = signedHeaders(new URL(url).host, `TrentService.${operation}`, body, {
    region: home,
    accessKeyId: "AKIAANYONE",
    ...caller,
  });
  const response = await fetch(url, { method: "POST", headers, body });
  return (await response.json()) as Record<string, unknown>;
}

/** Resolves to true once the port is closed. */
async function isGone(url: string): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const alive = await fetch(url, { method: "POST" }).then(
      (response) => response.body?.cancel().then(() => true),
      () => false,
    );
    if (!alive) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

describe("recording-keystore kms", () => {
  it("serves every Region to anyone, and ends cleanly on SIGTERM", async () => {
    const child = start([]);
    const url = await firstLine(child);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    for (const region of [home, "eu-west-1"]) {
      const { KeyMetadata } = await ask(url, "CreateKey", {}, { region });
      expect(KeyMetadata).toMatchObject({
        AWSAccountId: "000000000000",
        Arn: expect.stringContaining(`:${region}:`) as string,
      });
    }
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  it("takes principals, Regions and a port", async () => {
    const principals = path.join(folder, "principals.json");
    const nothing = { Version: "2012-10-17", Statement: [] };
    await writeFile(
      principals,
      JSON.stringify({
        principals: [{ accessKeyId: "AKIABOB", arn: "arn:aws:iam::111122223333:user/bob", identityPolicy: nothing }],
      }),
    );
    const url = await firstLine(start(["--principals", principals, "--region", home, "--region", "eu-west-1"]));
    expect(await ask(url, "ListKeys", {}, { accessKeyId: "AKIABOB" })).toMatchObject({
      __type: "AccessDeniedException",
      message: expect.stringContaining("user/bob") as string,
    });
    expect(await ask(url, "ListKeys", {})).toEqual({ Keys: [], Truncated: false });
    expect(await ask(url, "ListKeys", {}, { region: "ap-south-1" })).toMatchObject({
      __type: "InvalidSignatureException",
    });
  });

  it("begins with one key behind an alias, for callers of its account", async () => {
    const aliasArn = "arn:aws:kms:eu-west-1:111122223333:alias/recordings";
    const url = await firstLine(start(["--key", aliasArn]));
    const { KeyMetadata } = await ask(url, "DescribeKey", { KeyId: aliasArn }, { region: "eu-west-1" });
    expect(KeyMetadata).toMatchObject({ AWSAccountId: "111122223333", Enabled: true });
  });

  it("serves KMS and its control over TLS, with a certificate for clients to trust", async () => {
    const [url = "", printed = ""] = await firstLines(start(["--tls"]), 2);
    const file = printed.replace("certificate: ", "");
    const control = new KmsControl(url, { ca: await readFile(file, "utf8") });
    expect(url).toMatch(/^https:/);
    await control.outage({ times: 1 });
    expect(await control.faults()).toMatchObject([{ kind: "connection-refused" }]);
  });

  it("has every key that it has answered for after a kill, and takes the seed no second time", async () => {
    const [seed, data] = [path.join(folder, "seed.yaml"), path.join(folder, "kept.json")];
    await writeFile(
      seed,
      `accounts: [{ accountId: "000000000000", keys: [{ aliases: [alias/seeded] }] }]
principals: [{ accessKeyId: AKIABOB, arn: "arn:aws:iam::000000000000:user/bob", identityPolicy: administrator }]
`,
    );
    const args = ["--seed", seed, "--data", data];
    const child = start(args);
    const exit = once(child, "exit");
    const url = await firstLine(child);
    const { CiphertextBlob } = await ask(url, "Encrypt", { KeyId: "alias/seeded", Plaintext: "AAEC" });
    // Each is answered when it is on the disk: whatever the kill hits, these are there.
    const answered: string[] = [];
    const create = async () => {
      const { KeyMetadata } = await ask(url, "CreateKey", {});
      answered.push((KeyMetadata as { KeyId: string }).KeyId);
      if (answered.length === 5) child.kill("SIGKILL");
    };
    const all = await Promise.allSettled(Array.from({ length: 20 }, create));
    expect(all.map(({ status }) => status)).toContain("fulfilled");

    await exit;
    const again = await firstLine(start(args));
    const { Keys } = await ask(again, "ListKeys", {}, { accessKeyId: "AKIABOB" });
    const ids = (Keys as { KeyId: string }[]).map(({ KeyId }) => KeyId);
    expect(ids).toEqual(expect.arrayContaining(answered));
    expect(answered.length).toBeGreaterThanOrEqual(5);
    expect(await ask(again, "Decrypt", { CiphertextBlob })).toMatchObject({ Plaintext: "AAEC" });
    const { Aliases } = await ask(again, "ListAliases", {});
    expect(Aliases).toHaveLength(1);
  });

  it.each([
    ["its parent is gone", kmsCommandLine, {}],
    [
      "npm is gone, and left a shell behind",
      ["sh", "-c", `${kmsCommandLine.map((part) => `"${part}"`).join(" ")}; true`],
      { npm_command: "exec" },
    ],
  ])("ends when %s", async (_name, [program, ...args], env) => {
    const script = `require("node:child_process").spawn(${JSON.stringify(program)}, ${JSON.stringify(args)}, { stdio: ["ignore", "inherit", "inherit"] }); setInterval(() => {}, 1000)`;
    const parent = spawn(process.execPath, ["-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, npm_command: undefined, ...env },
    });
    started.push(parent);
    const url = await firstLine(parent);
    parent.kill("SIGKILL");
    expect(await isGone(url)).toBe(true);
  });

  const mistakes: [args: string[], said: RegExp][] = [
    [["kms", "--prot", "1"], /--prot/],
    [["kms", "--port", "many"], /--port: not a port number/],
    [["kms", "--principals", "no-such-file.json"], /--principals no-such-file\.json/],
    [["kms", "--tls-cert", "cert.pem"], /--tls-cert and --tls-key together/],
    [["kms", "--tls-cert", "no-such.pem", "--tls-key", "no-such.pem"], /no-such\.pem/],
    [["kms", "--seed", "no-such-file.json"], /--seed no-such-file\.json/],
    [["kms", "--key", "alias/x"], /--key: not the ARN of an alias of KMS: alias\/x/],
    [["kms", "--region", "eu-west"], /--region: not a Region: eu-west/],
    [["kms", "extra"], /too many arguments/],
    [["kns"], /unknown command 'kns'[^]*kms/],
  ];
  it.each(mistakes)("refuses the mistaken arguments %o", async (args, said) => {
    const { code, err } = await run(args);
    expect(code).toBe(2);
    expect(err).toMatch(said);
  });

  it.each([
    [["--help"], /kms/],
    [["kms", "--help"], /--principals <file>/],
  ] as const)("shows help for %o", async (args, said) => {
    const { code, out } = await run(args);
    expect(code).toBe(0);
    expect(out).toMatch(said);
  });
});
