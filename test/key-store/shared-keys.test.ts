import { randomBytes } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { bytesSource, type KmsProvider } from "../../src/index.js";
import { configured } from "../support/setup.js";
import { drain, world } from "./registry/world.js";

const audio = randomBytes(3 * 65_536);
const options = { recordingId: "r" };

/** A recording, and key stores on one provider, whose decryptions a gate can hold. */
async function sharing() {
  const parts = await configured();
  const provider = parts.provider();
  const { body } = await parts.keyStore.encryptRecording(audio, options);
  const state = { gate: Promise.resolve(), asked: 0 };
  const kms: KmsProvider = {
    describeKey: (...args) => provider.describeKey(...args),
    encrypt: (...args) => provider.encrypt(...args),
    generateDataKeyPair: (...args) => provider.generateDataKeyPair(...args),
    decrypt: async (...args) => {
      state.asked += 1;
      await state.gate;
      return provider.decrypt(...args);
    },
  };
  const instance = (more: { privateKeyTtl?: number } = {}) => parts.keyStoreWith({ kms, background: false, ...more });
  return { ...parts, body, state, instance };
}

describe("private keys that key stores on one provider share", () => {
  it("cost one KMS call for an instance per request, one after the other", async () => {
    const { body, state, instance } = await sharing();
    for (let request = 0; request < 20; request += 1) {
      await using keyStore = instance();
      await keyStore.decryptRecording(body, options);
    }
    expect(state.asked).toBe(1);
  });

  it("cost one KMS call for an instance per request, all at once", async () => {
    const { body, state, instance } = await sharing();
    const requests = Array.from({ length: 20 }, async () => {
      await using keyStore = instance();
      return (await keyStore.decryptRecording(body, options)).body;
    });
    for (const opened of await Promise.all(requests)) expect(audio.equals(opened)).toBe(true);
    expect(state.asked).toBe(1);
  });

  it("outlive close() of one key store: readers, streams and pending calls of the others go on", async () => {
    const { body, state, instance } = await sharing();
    const [first, second] = [instance(), instance()];
    await first.decryptRecording(body, options);
    await using reader = await second.openRecording(bytesSource(body), options);
    const { body: stream } = await second.decryptRecording(new Blob([body]).stream(), options);
    const pending = instance({ privateKeyTtl: 0 });
    let open!: () => void;
    state.gate = new Promise((resolve) => (open = resolve));
    const waiting = pending.decryptRecording(body, options);
    await expect.poll(() => state.asked).toBe(2);
    await first.close();
    open();
    expect(audio.equals((await waiting).body)).toBe(true);
    expect(audio.subarray(70_000, 70_100).equals(await reader.read(70_000, 100))).toBe(true);
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(piece);
    expect(audio.equals(Buffer.concat(pieces))).toBe(true);
    await second.decryptRecording(body, options);
    expect(state.asked).toBe(2);
  });

  it("outlive a key store that keeps none", async () => {
    const { body, state, instance } = await sharing();
    const [keeping, without] = [instance(), instance({ privateKeyTtl: 0 })];
    await keeping.decryptRecording(body, options);
    await without.decryptRecording(body, options);
    await keeping.decryptRecording(body, options);
    expect(state.asked).toBe(2);
  });

  it("end for all of them with forgetPrivateKeys() of one", async () => {
    const { body, state, instance } = await sharing();
    const [first, second] = [instance(), instance()];
    await using reader = await second.openRecording(bytesSource(body), options);
    first.forgetPrivateKeys();
    await expect(reader.read(0, 100)).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    await second.decryptRecording(body, options);
    expect(state.asked).toBe(2);
  });

  it("outlive release() in a registry, whose next key store goes on with them", async () => {
    const { stores, configure, encrypt, opens, kms } = world();
    await configure("org-1");
    const { body } = await encrypt("org-1");
    const { body: open } = await (await stores.for("org-1")).decryptRecording(new Blob([body]).stream(), options);
    const released = stores.release("org-1"); // waits for the open stream
    await turn();
    await using reader = await (await stores.for("org-1")).openRecording(bytesSource(body), options);
    await drain(open);
    await released;
    kms.journal.clear();
    expect((await reader.read(0, 10)).length).toBe(10);
    expect(await opens("org-1", body)).toBe(true);
    expect(kms.journal.count("Decrypt")).toBe(0);
    await stores.close();
    expect(stores.status().unwrappedPrivateKeys).toBe(0);
  });
});
