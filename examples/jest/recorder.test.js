/*
 * The usual way: each test has a key store, a KMS and a clock of its own, and takes KMS away as it likes. No SDK, no socket.
 */
const { createTestKeyStore } = require("recording-keystore/testing");
const { Recorder } = require("./recorder");

const audio = Buffer.from("two channels of a call");
let world;
let recorder;
beforeEach(async () => {
  world = await createTestKeyStore({ privateKeyTtl: 0, configuration: { periodicKeyChange: "monthly" } });
  recorder = new Recorder(world.keyStore);
});
afterEach(() => world.keyStore.close());

test("plays what was recorded", async () => {
  await recorder.record("call-1", audio);
  expect(audio.equals(await recorder.play("call-1"))).toBe(true);
});

test("records on while KMS is away, and plays again when it is back", async () => {
  world.kms.faults.outage();
  await recorder.record("call-1", audio);
  await expect(recorder.play("call-1")).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", retryable: true });
  world.kms.faults.heal();
  expect(audio.equals(await recorder.play("call-1"))).toBe(true);
});

test("changes the key pair a month later", async () => {
  world.clock.advance(32 * 86_400_000);
  await world.keyStore.rotateIfDue();
  expect((await world.keyStore.keyPairs()).items).toHaveLength(2);
});

test("says nothing about keys in what it throws", async () => {
  world.kms.faults.accessDenied();
  await recorder.record("call-1", audio);
  const error = await recorder.play("call-1").catch((thrown) => thrown);
  expect(error).toBeInstanceOf(require("recording-keystore").KmsError);
  expect(error.kind).toBe("access-denied");
});
