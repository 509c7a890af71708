// Files and the file store, in a folder of this process's own: under Yarn's Plug'n'Play, and under Node's permission model.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { FileKeyPairStore } = require("recording-keystore/stores/file");
const { createTestKeyStore } = require("recording-keystore/testing");

const folder = path.resolve(process.argv[2]);
const at = (...names) => path.join(folder, ...names);
const recordingId = "call-1";

async function main() {
  const store = new FileKeyPairStore({ directory: at("store"), hostDirectory: at("host") });
  const { keyStore } = await createTestKeyStore({ store, lastConfirmed: store.hostLastConfirmed() });
  fs.writeFileSync(at("plain"), Buffer.alloc(3_000_000, "recording"));
  for (const overwrite of [false, true]) {
    await keyStore.encryptFile(at("plain"), at("encrypted"), { recordingId, overwrite });
    await keyStore.decryptFile(at("encrypted"), at("again"), { recordingId, overwrite });
  }
  assert.ok(fs.readFileSync(at("plain")).equals(fs.readFileSync(at("again"))));
  assert.equal(fs.statSync(at("again")).mode & 0o077, 0);
  await keyStore.close();
  const left = fs.readdirSync(folder, { recursive: true }).filter((name) => name.includes(".tmp"));
  assert.deepEqual(left, []);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
