// Timers of node:test, faked before the library is loaded.
import assert from "node:assert/strict";
import { mock, test } from "node:test";

mock.timers.enable();
const { createTestKeyStore } = await import("recording-keystore/testing");

test("a recording longer than a turn of the event loop", async () => {
  const { keyStore } = await createTestKeyStore();
  const recording = Buffer.alloc(50_000_000, "recording");
  const { body } = await keyStore.encryptRecording(recording, { recordingId: "call-1" });
  const decrypted = await keyStore.decryptRecording(body, { recordingId: "call-1" });
  assert.ok(recording.equals(decrypted.body));
  await keyStore.close();
});
