import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FileKeyPairStore } from "../../src/stores/file.js";
import { recordFile } from "../../src/stores/file/names.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { configured, organizationId } from "../support/setup.js";

const audio = randomBytes(100);

/** The place of a damaged pair in the history, and the digest of the one before, are in what was damaged: nothing is guessed. */
it("a damaged file of an old key pair costs the list of key pairs and that pair's recordings, and nothing else", async () => {
  const { folder, remove } = await temporaryFolder();
  const { keyStore, keyStoreWith } = await configured({
    store: new FileKeyPairStore({ directory: folder }),
    selfContained: false,
  });
  const recordings: { body: Uint8Array; keyPairId: string }[] = [];
  for (let pair = 0; pair < 3; pair += 1) {
    if (pair > 0) await keyStore.rotate();
    recordings.push(await keyStore.encryptRecording(audio, { recordingId: "r" }));
  }
  const [oldest, damaged, newest] = recordings as [
    (typeof recordings)[0],
    (typeof recordings)[0],
    (typeof recordings)[0],
  ];
  await writeFile(join(folder, "organizations", organizationId, "pairs", recordFile(damaged.keyPairId)), "torn");

  const worker = keyStoreWith({ store: new FileKeyPairStore({ directory: folder }) });
  await expect(worker.keyPairs()).rejects.toMatchObject({
    code: "ERR_STORE_CORRUPT",
    message: expect.stringContaining(recordFile(damaged.keyPairId)),
  });
  await expect(worker.decryptRecording(damaged.body, { recordingId: "r" })).rejects.toMatchObject({
    code: "ERR_STORE_CORRUPT",
  });
  for (const { body } of [oldest, newest])
    expect(audio.equals((await worker.decryptRecording(body, { recordingId: "r" })).body)).toBe(true);
  expect(await worker.encryptRecording(audio, { recordingId: "r" })).toMatchObject({
    usedLastKnownKey: false,
    confirmation: "confirmed",
  });
  expect(await worker.rotate()).toMatchObject({ sequence: 4 });
  await remove();
});
