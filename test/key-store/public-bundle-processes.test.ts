import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestKeyStore, TestClock } from "../../src/testing/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { compileWorker, WorkerProcess } from "../support/worker-process.js";

describe("a process with a public bundle and nothing else", () => {
  let folder: string;
  let remove: () => Promise<void>;
  let worker: string;
  beforeAll(async () => {
    ({ folder, remove } = await temporaryFolder());
    worker = await compileWorker(new URL("./public-bundle-worker.ts", import.meta.url), folder);
  });
  afterAll(() => remove());

  it("has no AWS SDK and no database client in its code", async () => {
    const code = await readFile(worker, "utf8");
    expect(code).toContain("exportPublicBundle");
    expect(code).not.toMatch(/@aws-sdk|@smithy|KMSClient|TrentService|dynamodb|node_modules\/pg\//i);
  });

  it("encrypts bytes, a stream and a file, which the organization's key store opens after the next change of key", async () => {
    const audio = randomBytes(300_000);
    const [bundle, input, output] = [join(folder, "bundle"), join(folder, "call.wav"), join(folder, "call")];
    const { keyStore } = await createTestKeyStore({ clock: new TestClock(Date.now()) }); // as the process has it
    await writeFile(bundle, await keyStore.exportPublicBundle());
    await writeFile(input, audio);
    const encrypting = new WorkerProcess(worker, [bundle, input, output]);
    const said = JSON.parse(await encrypting.line(0)) as object;
    await encrypting.kill();
    expect(said).toEqual({
      keyPairId: (await keyStore.status()).activeKeyPair?.keyPairId,
      confirmation: "confirmed",
      size: audio.length,
    });
    await keyStore.rotate();
    for (const recordingId of ["bytes", "stream", "file"]) {
      const { body } = await keyStore.decryptRecording(await readFile(`${output}.${recordingId}`), { recordingId });
      expect(Buffer.compare(body, audio)).toBe(0);
    }
    await keyStore.close();
  });
});
