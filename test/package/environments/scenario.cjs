// What a test does in a runner whose globals are those of a DOM, or of another context.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { Readable } = require("node:stream");

const region = "us-east-1";
const recordingId = "call-1";
const recording = Buffer.alloc(100_000, "recording");

/** @param modules namespaces of the library's entries; `aws` and `sdk` where the runner can load the SDK */
module.exports = async function scenario({ root, file, testing, sources, aws, sdk }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "recording-keystore-runner-"));
  try {
    const store = new file.FileKeyPairStore({
      directory: path.join(folder, "store"),
      hostDirectory: path.join(folder, "host"),
    });
    const lastConfirmed = store.hostLastConfirmed();
    const configuration = { keyPairSpec: "RSA_2048" };
    for (const options of [{ fleetSecret: new Uint8Array(32).fill(7) }, { store, lastConfirmed }, { configuration }]) {
      const { keyStore, kms } = await testing.createTestKeyStore(options);
      await useKeyStore(keyStore, { root, sources, folder });
      kms.faults.outage();
      keyStore.forgetPrivateKeys();
      const { body } = await keyStore.encryptRecording(recording, { recordingId });
      const refusal = await keyStore.decryptRecording(body, { recordingId }).catch((error) => error);
      assert.ok(refusal instanceof root.KmsError && refusal.code === "ERR_KMS_UNAVAILABLE", String(refusal));
      await keyStore.close();
    }
    if (aws) await useAws({ root, testing, aws, sdk });
    await conformance(testing);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
};

async function useKeyStore(keyStore, { root, sources, folder }) {
  const { signal } = new AbortController();
  const { body } = await keyStore.encryptRecording(new Uint8Array(recording), {
    recordingId,
    metadata: { a: 1 },
    signal,
  });
  for (const bytes of [body, new Uint8Array(body)])
    assert.ok(recording.equals((await keyStore.decryptRecording(bytes, { recordingId, signal })).body));
  for (const stream of [Readable.from([recording]), Readable.from([new Uint8Array(recording)]), chunks()]) {
    const sealed = await keyStore.encryptRecording(stream, { recordingId });
    const opened = await keyStore.decryptRecording(sealed.body, { recordingId });
    const found = [];
    for await (const chunk of opened.body) found.push(chunk);
    assert.ok(recording.equals(Buffer.concat(found)));
  }
  const left = new AbortController();
  left.abort(new Error("no longer wanted"));
  await assert.rejects(keyStore.encryptRecording(recording, { recordingId, signal: left.signal }), /no longer wanted/);
  assert.equal((await keyStore.readMetadata(body, { recordingId })).metadata.a, 1);
  await keyStore.salvageRecording(new Uint8Array(body), { recordingId });

  const [plain, encrypted, again] = ["plain", "encrypted", "again"].map((name) => path.join(folder, name));
  fs.writeFileSync(plain, recording);
  await keyStore.encryptFile(plain, encrypted, { recordingId, overwrite: true });
  await keyStore.decryptFile(encrypted, again, { recordingId, overwrite: true });
  assert.ok(recording.equals(fs.readFileSync(again)));
  const { pathToFileURL } = require("node:url");
  for (const source of [root.bytesSource(new Uint8Array(body)), await sources.fileSource(pathToFileURL(encrypted))]) {
    const reader = await keyStore.openRecording(source, { recordingId });
    assert.ok(recording.subarray(5, 50).equals(await reader.read(5, 45, { signal })));
    await reader.close();
    await source.close?.();
  }
  await keyStore.rotate();
  await keyStore.status();
}

async function* chunks() {
  yield new Uint8Array(recording);
}

async function useAws({ root, testing, aws, sdk }) {
  const kms = new testing.InMemoryKms();
  kms.createKey({ alias: "alias/recordings" });
  const keyStore = new root.RecordingKeyStore({
    organizationId: "org-4711",
    homeRegion: region,
    kms: new aws.AwsKmsProvider({ client: () => new sdk.KMSClient(kms.clientConfig(region)) }),
    store: new testing.MemoryKeyPairStore(),
    trustedKmsKeys: ["000000000000"],
  });
  await keyStore.configure({ kmsKeyAliasArn: `arn:aws:kms:${region}:000000000000:alias/recordings` });
  const { body } = await keyStore.encryptRecording(recording, { recordingId });
  keyStore.forgetPrivateKeys();
  await keyStore.decryptRecording(body, { recordingId });
  await keyStore.close();
}

async function conformance({ keyPairStoreConformance, kmsProviderConformance, ...testing }) {
  const tests = [];
  const runner = { describe: (_name, define) => define(), it: (name, run) => void tests.push([name, run]) };
  keyPairStoreConformance(runner, async () => ({ store: new testing.MemoryKeyPairStore() }), {
    headChanges: true,
  });
  kmsProviderConformance(runner, async () => {
    const kms = new testing.InMemoryKms();
    const keyArn = kms.createKey({ alias: "alias/recordings" });
    const keyAliasArn = keyArn.replace(/:key\/.*$/, ":alias/recordings");
    return { provider: new testing.InMemoryKmsProvider(kms), keyArn, keyAliasArn };
  });
  for (const [name, run] of tests) {
    try {
      await run();
    } catch (cause) {
      throw new Error(`${name}: ${cause.stack}`);
    }
  }
}
