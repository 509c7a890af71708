import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import type { RecordingKeyStore } from "../../src/index.js";
import type { RecordingKeyStoreEvents } from "../../src/telemetry.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { effort } from "../support/effort.js";
import { configured, impatient, overridden } from "../support/setup.js";

const audio = randomBytes(1_000);
const day = 86_400_000;
const allKinds = [
  "connection-refused",
  "name-not-found",
  "connection-reset",
  "hang",
  "internal-error",
  "throttling",
  "access-denied",
  "expired-credentials",
  "missing-credentials",
] as const;
const kinds = allKinds.filter((kind) =>
  effort<readonly string[]>(allKinds, ["connection-refused", "hang", "access-denied"]).includes(kind),
);

/** Encrypts until what that starts in the background has come to its end, and the result says what it should. */
const encryptUntil = (keyStore: RecordingKeyStore, usedLastKnownKey: boolean) =>
  vi.waitFor(
    async () => {
      const result = await keyStore.encryptRecording(audio, { recordingId: "r2" });
      expect(result).toMatchObject({ usedLastKnownKey, confirmation: "confirmed" });
      return result;
    },
    { timeout: 60_000 },
  );

describe.each(kinds)("while KMS fails with %s", (kind) => {
  it("encryption goes on, says so, and heals; decryption fails clearly and works again", async () => {
    const { keyStore, kms, clock } = await configured({}, kind === "hang" ? impatient : undefined);
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    kms.faults.inject(kind);
    clock.advance(16 * 60_000);
    // The first one starts confirming, and does not wait for it.
    expect((await keyStore.encryptRecording(audio, { recordingId: "first" })).usedLastKnownKey).toBe(false);
    const during = await encryptUntil(keyStore, true);
    expect(await keyStore.status()).toMatchObject({
      usedLastKnownKey: true,
      trouble: { task: "confirm" },
      lastKmsError: { diagnosis: { summary: expect.any(String) } },
    });

    await expect(keyStore.decryptRecording(body, { recordingId: "r" })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_KMS_(UNAVAILABLE|REFUSED)$/),
      retryable: true,
    });

    kms.faults.heal();
    expect(Buffer.from((await keyStore.decryptRecording(body, { recordingId: "r" })).body).equals(audio)).toBe(true);
    clock.advance(31_000);
    await encryptUntil(keyStore, false);
    expect(Buffer.from((await keyStore.decryptRecording(during.body, { recordingId: "r2" })).body).equals(audio)).toBe(
      true,
    );
  });
});

it("tells of a key at risk", async () => {
  const { keyStore, kms, keyArn } = await configured();
  kms.scheduleKeyDeletion(keyArn);
  expect(await keyStore.confirm()).toMatchObject({
    keyAtRisk: true,
    lastKmsError: { diagnosis: { kind: "key-pending-deletion" } },
  });
  expect(await keyStore.encryptRecording(audio, { recordingId: "r" })).toMatchObject({
    keyAtRisk: true,
    usedLastKnownKey: true,
  });
});

it("stops opening recordings once KMS refuses, at the latest after privateKeyTtl", async () => {
  const { keyStore, kms, keyArn, clock } = await configured();
  const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
  await keyStore.decryptRecording(body, { recordingId: "r" });
  kms.disableKey(keyArn);
  await keyStore.decryptRecording(body, { recordingId: "r" }); // still within the time to live
  clock.advance(60_000);
  await expect(keyStore.decryptRecording(body, { recordingId: "r" })).rejects.toMatchObject({
    code: "ERR_KMS_REFUSED",
    kind: "key-disabled",
  });
});

it("a refusal seen by confirmation drops the unwrapped key at once", async () => {
  const { keyStore, kms, keyArn } = await configured();
  const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
  await keyStore.decryptRecording(body, { recordingId: "r" });
  kms.disableKey(keyArn);
  await keyStore.confirm();
  await expect(keyStore.decryptRecording(body, { recordingId: "r" })).rejects.toMatchObject({ kind: "key-disabled" });
});

describe("a process that starts in the middle of an outage", () => {
  it("goes on with the key that this host confirmed earlier, also when the store is away", async () => {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const { kms, keyStoreWith, store } = await configured({ lastConfirmed });
    kms.faults.outage();
    const away = overridden(store, { readHead: () => Promise.reject(new Error("no route to store")) });
    for (const parts of [{}, { store: away }]) {
      const result = await keyStoreWith(parts).encryptRecording(audio, { recordingId: "r" });
      expect(result).toMatchObject({ usedLastKnownKey: true, confirmation: "confirmed" });
    }
  });

  it("uses the stored key unconfirmed on a host that never confirmed anything, or refuses if told to", async () => {
    const { kms, keyStoreWith } = await configured();
    kms.faults.outage();
    const keyStore = keyStoreWith();
    const events: RecordingKeyStoreEvents["keyPairUnconfirmed"][] = [];
    keyStore.on("keyPairUnconfirmed", (event) => events.push(event));
    const encrypted = await keyStore.encryptRecording(audio, { recordingId: "r" });
    expect(encrypted).toMatchObject({ usedLastKnownKey: true, confirmation: "unconfirmed" });
    expect(events).toHaveLength(1);
    await expect(
      keyStoreWith({ requireConfirmedKey: true }).encryptRecording(audio, { recordingId: "r" }),
    ).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED", retryable: true });
    kms.faults.heal();
    const decrypted = await keyStore.decryptRecording(encrypted.body, { recordingId: "r" });
    expect(decrypted.confirmation).toBe("unconfirmed");
    expect((await keyStore.confirm()).confirmation).toBe("confirmed");
  });
});

it("emits at the start, after 1, 7 and 30 days, and at the end", async () => {
  const { keyStore, kms, clock } = await configured({ background: false });
  const days: number[] = [];
  let ended = 0;
  keyStore.on("lastKnownKeyInUse", (event) => days.push(event.days));
  keyStore.on("lastKnownKeyEnded", () => (ended += 1));
  kms.faults.outage();
  await keyStore.confirm();
  for (const age of [0.5, 0.6, 6, 1, 25]) {
    clock.advance(age * day);
    await keyStore.encryptRecording(audio, { recordingId: "r" });
  }
  expect(days).toEqual([0, 1, 7, 30]);
  kms.faults.heal();
  await keyStore.confirm();
  expect(ended).toBe(1);
});

it("stops at maxLastConfirmedAge for those who prefer that", async () => {
  const { keyStore, kms, clock } = await configured({ maxLastConfirmedAge: day, background: false });
  kms.faults.outage();
  await keyStore.encryptRecording(audio, { recordingId: "r" });
  clock.advance(day + 1);
  await expect(keyStore.encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({
    code: "ERR_KEY_TOO_OLD",
  });
});

it("a failed change shows, and does not stop encryption", async () => {
  const { keyStore, kms } = await configured();
  kms.faults.accessDenied();
  await expect(keyStore.rotate()).rejects.toMatchObject({ code: "ERR_KMS_REFUSED" });
  expect(await keyStore.status()).toMatchObject({ usedLastKnownKey: true, trouble: { task: "rotate" } });
  expect((await keyStore.encryptRecording(audio, { recordingId: "r" })).usedLastKnownKey).toBe(true);
  kms.faults.heal();
  await keyStore.rotate();
  expect((await keyStore.status()).usedLastKnownKey).toBe(false);
});

it("heals with the first recording that opens again", async () => {
  const { keyStore, kms } = await configured({ background: false });
  const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
  kms.faults.outage();
  await keyStore.confirm();
  kms.faults.heal();
  await keyStore.decryptRecording(body, { recordingId: "r" });
  expect((await keyStore.encryptRecording(audio, { recordingId: "r" })).usedLastKnownKey).toBe(false);
});

describe("a change that failed", () => {
  it("on demand is over with KMS's next answer", async () => {
    const { keyStore, kms } = await configured({ background: false });
    kms.faults.accessDenied({ times: 1 });
    await expect(keyStore.rotate()).rejects.toMatchObject({ code: "ERR_KMS_REFUSED" });
    expect((await keyStore.confirm()).usedLastKnownKey).toBe(false);
  });

  it("when due is over once any worker has made it, and not before", async () => {
    const { keyStore, keyStoreWith, kms, clock } = await configured({ background: false });
    const other = keyStoreWith();
    clock.advance(40 * day);
    kms.faults.accessDenied({ operation: "Encrypt" });
    await expect(keyStore.rotateIfDue()).rejects.toMatchObject({ code: "ERR_KMS_REFUSED" });
    expect((await keyStore.confirm()).usedLastKnownKey).toBe(true);
    kms.faults.heal();
    const { keyPair } = await other.rotateIfDue();
    clock.advance(61_000);
    expect(await keyStore.encryptRecording(audio, { recordingId: "r" })).toMatchObject({
      keyPairId: keyPair.keyPairId,
      usedLastKnownKey: false,
    });
  });
});

it("a slow answer about the old pair does not undo a quicker change", async () => {
  const { keyStore, kms } = await configured({ background: false });
  kms.faults.latency(80, { operation: "Decrypt", times: 1 });
  const slow = keyStore.confirm();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { keyPairId } = await keyStore.rotate();
  await slow;
  expect((await keyStore.encryptRecording(audio, { recordingId: "r" })).keyPairId).toBe(keyPairId);
});
