import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { recordingKeyPolicy } from "../../src/key-policy/index.js";
import { firstLines, startKms, type KmsProcess } from "../support/kms-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const serviceAccountId = "444455556666";
const organization = { id: "acme", name: "Acme", homeRegion: "eu-west-1", kmsAccountId: "111122223333" };
const kmsKeyAliasArn = `arn:aws:kms:${organization.homeRegion}:${organization.kmsAccountId}:alias/recordings`;
const credentials = { accessKeyId: "AKIARECORDER", secretAccessKey: "any" };

/** The organization's key, with the policy that the service's page shows, and the service's role. */
const seed = {
  principals: [
    {
      accessKeyId: credentials.accessKeyId,
      arn: `arn:aws:iam::${serviceAccountId}:role/recording-service`,
      identityPolicy: "administrator",
    },
  ],
  accounts: [
    {
      accountId: organization.kmsAccountId,
      region: organization.homeRegion,
      keys: [
        {
          aliases: ["alias/recordings"],
          policy: recordingKeyPolicy({
            accountId: organization.kmsAccountId,
            grants: [{ serviceAccountId, organizationIds: [organization.id] }],
          }),
        },
      ],
    },
  ],
};

describe("the example service on a KMS of another process, set up by its environment", () => {
  let kms: KmsProcess;
  let folder: string;
  let remove: () => Promise<void>;

  beforeAll(async () => {
    ({ folder, remove } = await temporaryFolder("service-on-kms-"));
    const file = (name: string, content: unknown) => writeFile(join(folder, name), JSON.stringify(content));
    await Promise.all([file("seed.json", seed), file("organizations.json", [organization])]);
    await writeFile(join(folder, "fleet-secret"), Buffer.alloc(32, 7));
    kms = await startKms(["--seed", join(folder, "seed.json")]);
  });
  afterAll(async () => {
    await kms[Symbol.asyncDispose]();
    await remove();
  });

  /** `npm run service`, as docs/guides/deployment.md sets it up. */
  async function start() {
    const args = ["--import", "tsx", join(root, "examples/recording-service/main.ts")];
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: {
        ...process.env,
        AWS_ENDPOINT_URL_KMS: kms.url,
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        SERVICE_KMS: "aws",
        SERVICE_ACCOUNT: serviceAccountId,
        SERVICE_ORGANIZATIONS: join(folder, "organizations.json"),
        SERVICE_DATA: join(folder, "data"),
        SERVICE_FLEET_SECRET_FILE: join(folder, "fleet-secret"),
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const ended = once(child, "exit");
    const [line = ""] = await firstLines(child, 1);
    const origin = /http:\/\/localhost:\d+/.exec(line)?.[0] ?? line;
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(`${origin}/acme${path}`, {
        redirect: "manual",
        ...init,
        headers: { origin, ...(init.headers as Record<string, string>) },
      });
    return {
      ask,
      submit: (path: string, fields: Record<string, string>) =>
        ask(path, { method: "POST", body: new URLSearchParams(fields) }),
      upload: async (bytes: Uint8Array<ArrayBuffer>) => {
        const headers = { "content-type": "audio/wav" };
        const answer = await ask("/recordings?name=call.wav&seconds=1", { method: "POST", body: bytes, headers });
        const { address } = (await answer.json()) as { address: string };
        return address.replace("/acme", "");
      },
      contentOf: async (address: string) => new Uint8Array(await (await ask(`${address}/content`)).arrayBuffer()),
      end: async (signal: NodeJS.Signals) => {
        child.kill(signal);
        await ended;
      },
    };
  }

  it("keeps its recordings over a kill, goes on recording while KMS is away, and plays all of them afterwards", async () => {
    const bytes = new Uint8Array(100_000).fill(7);
    let service = await start();
    const saved = await service.submit("/keys/save", {
      kmsKeyAliasArn,
      keyPairSpec: "X25519",
      periodicKeyChange: "daily",
    });
    expect(saved.status).toBe(303);
    const before = await service.upload(bytes);
    await service.end("SIGKILL");

    await kms.control.inject("connection-refused");
    service = await start();
    const meanwhile = await service.upload(bytes);
    expect((await service.ask(`${before}/content`)).status).toBe(503);
    await kms.control.heal();
    for (const address of [before, meanwhile]) expect(await service.contentOf(address)).toEqual(bytes);
    await service.end("SIGTERM");
  });
});
