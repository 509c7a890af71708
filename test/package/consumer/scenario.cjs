// What every JavaScript consumer does with the package, however it came by it.
const assert = require("node:assert/strict");
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { Readable } = require("node:stream");

const account = "000000000000";
const region = "us-east-1";
const kmsKeyAliasArn = `arn:aws:kms:${region}:${account}:alias/recordings`;

/** @param modules namespaces of recording-keystore, its entries, and @aws-sdk/client-kms */
module.exports = async function scenario({ root, aws, file, testing, sdk }, { maxAttempts = 3 } = {}) {
  const directory = mkdtempSync(path.join(os.tmpdir(), "recording-keystore-consumer-"));
  const kms = new testing.InMemoryKms();
  kms.createKey({ alias: "alias/recordings" });
  try {
    for (const store of [new testing.MemoryKeyPairStore(), new file.FileKeyPairStore({ directory })]) {
      const keyStore = new root.RecordingKeyStore({
        organizationId: "org-4711",
        homeRegion: region,
        kms: new aws.AwsKmsProvider({ client: new sdk.KMSClient({ ...kms.clientConfig(region), maxAttempts }) }),
        store,
        trustedKmsKeys: [account],
      });
      await assert.rejects(keyStore.encryptRecording(new Uint8Array(1), { recordingId: "call-1" }), {
        code: "ERR_NOT_CONFIGURED",
      });
      await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "monthly" });
      const recording = Buffer.alloc(200_000, "recording");

      const { body } = await keyStore.encryptRecording(recording, { recordingId: "call-1" });
      const decrypted = await keyStore.decryptRecording(body, { recordingId: "call-1" });
      assert.ok(recording.equals(decrypted.body));

      const streamed = await keyStore.encryptRecording(Readable.from([recording]), { recordingId: "call-2" });
      assert.ok(streamed.body instanceof Readable);
      const opened = await keyStore.decryptRecording(streamed.body, { recordingId: "call-2" });
      assert.ok(recording.equals(Buffer.concat(await opened.body.toArray())));

      if (store instanceof file.FileKeyPairStore) await throughFiles(keyStore, directory);

      keyStore.forgetPrivateKeys();
      kms.faults.outage();
      await keyStore.encryptRecording(recording, { recordingId: "call-3" });
      const refusal = await keyStore.decryptRecording(body, { recordingId: "call-1" }).catch((error) => error);
      assert.ok(
        refusal instanceof root.KmsError && refusal instanceof root.RecordingKeyStoreError && refusal.retryable,
        refusal,
      );
      assert.deepEqual([refusal.code, refusal.kind], ["ERR_KMS_UNAVAILABLE", "unreachable"]);
      kms.faults.heal();
      await keyStore.decryptRecording(body, { recordingId: "call-1" });
      await keyStore.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

/** From file to file, by threads whose code has to be found in whatever became of the package. */
async function throughFiles(keyStore, directory) {
  const [plain, encrypted, again] = ["plain", "encrypted", "again"].map((name) => path.join(directory, name));
  let threads = 1;
  // The file is made longer until it takes longer than a thread takes to start.
  for (let size = 2 ** 25; threads < 2 && size <= 2 ** 29; size *= 2) {
    writeFileSync(plain, Buffer.alloc(size, "recording"));
    ({ threads } = await keyStore.encryptFile(plain, encrypted, {
      recordingId: "call-4",
      threads: 2,
      overwrite: true,
    }));
  }
  assert.equal(threads, 2);
  await keyStore.decryptFile(encrypted, again, { recordingId: "call-4", threads: 2 });
  assert.ok(readFileSync(plain).equals(readFileSync(again)));
}
