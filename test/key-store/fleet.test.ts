import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { RecordingKeyStore, RecordingKeyStoreOptions } from "../../src/index.js";
import { configured, kmsKeyAliasArn, organizationId, setup } from "../support/setup.js";
import { backgroundWork } from "../support/turns.js";

const audio = randomBytes(1_000);
const recording = { recordingId: "r" };
const minute = 60_000;
const fleetSecret = randomBytes(32);

/** Lets what encryption has started in the background come to its end. */

/** All ways in which a secret may stand in a text. */
const spellings = (secret: Buffer) => [
  secret.toString("hex"),
  secret.toString("base64"),
  secret.toString("base64url"),
  secret.toString("latin1"),
  [...secret].join(","),
  [...secret].join(", "),
];

function expectNoSecretIn(seen: unknown, secret: Buffer): void {
  const everything = { depth: Infinity, showHidden: true, maxArrayLength: Infinity, maxStringLength: Infinity };
  const text = inspect(seen, everything) + JSON.stringify(seen) + String(seen);
  for (const spelling of spellings(secret)) expect(text.includes(spelling)).toBe(false);
}

describe("fleetSecret", () => {
  const typed = "correct horse battery staple, and then some more";
  it.each<[name: string, wrong: unknown, secret: Buffer]>([
    ["31 bytes", fleetSecret.subarray(0, 31), fleetSecret.subarray(0, 31)],
    ["no bytes", new Uint8Array(), fleetSecret],
    ["a text", typed, Buffer.from(typed)],
    ["a list of numbers", [...fleetSecret], fleetSecret],
    ["an ArrayBuffer", Uint8Array.from(fleetSecret).buffer, fleetSecret],
    ["another array of bytes", new Uint8ClampedArray(fleetSecret), fleetSecret],
    ["wider numbers", new Uint16Array(fleetSecret), fleetSecret],
    ["null", null, fleetSecret],
    ["an object", { secret: fleetSecret }, fleetSecret],
    ["an empty list", [], fleetSecret],
    ["a list with one too short", [fleetSecret, fleetSecret.subarray(1)], fleetSecret.subarray(1)],
    ["a list with a text", [fleetSecret, typed], Buffer.from(typed)],
    ["17 of them", Array.from({ length: 17 }, () => fleetSecret), fleetSecret],
  ])("is refused by name and not shown: %s", (_, wrong, secret) => {
    const { keyStoreWith } = setup();
    let error: unknown;
    try {
      keyStoreWith({ fleetSecret: wrong as Uint8Array });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "fleetSecret",
      message: "fleetSecret: must be a Uint8Array of at least 32 bytes, or a list of them",
    });
    expectNoSecretIn(error, secret);
  });

  it("is in no event, error, status, inspect output or store", async () => {
    const { keyStore, kms, store, clock } = setup({ fleetSecret });
    const seen: unknown[] = [];
    for (const name of ["keyPairChanged", "keyPairConfirmed", "lastKnownKeyInUse", "keyAtRisk"] as const) {
      keyStore.on(name, (event) => seen.push(event));
    }
    await keyStore.configure({ kmsKeyAliasArn });
    kms.faults.accessDenied();
    clock.advance(16 * minute);
    seen.push(keyStore, await keyStore.confirm(), await keyStore.keyPairs());
    seen.push(await keyStore.rotate().catch((error: unknown) => error));
    seen.push(Buffer.from((await store.readStatus(organizationId))!).toString());
    expect(seen.length).toBeGreaterThan(5);
    expectNoSecretIn(seen, fleetSecret);
  });

  it("is copied at once: the caller's buffers may be wiped", async () => {
    const first = Buffer.from(fleetSecret);
    const [second, third] = [Buffer.from(fleetSecret), randomBytes(40)];
    const { keyStore, keyStoreWith, kms } = setup({ fleetSecret: first });
    const wiped = keyStoreWith({ fleetSecret: [third, second] });
    for (const buffer of [first, second, third]) buffer.fill(0);
    await keyStore.configure({ kmsKeyAliasArn });
    kms.faults.outage();
    for (const worker of [wiped, keyStoreWith({ fleetSecret })]) {
      expect(await worker.encryptRecording(audio, recording)).toMatchObject({ confirmation: "confirmed" });
    }
    const guessing = keyStoreWith({ fleetSecret: new Uint8Array(32) }).encryptRecording(audio, recording);
    await expect(guessing).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
  });

  it("can be changed, worker by worker: the first of a list signs, and all are accepted", async () => {
    const [old, next] = [randomBytes(32), randomBytes(32)];
    const { keyStoreWith, kms, clock } = setup();
    const options = { old: { fleetSecret: old }, both: { fleetSecret: [next, old] }, next: { fleetSecret: next } };
    /** What a worker with these secrets, started in an outage, takes the fleet's word for. */
    const started = async (...names: (keyof typeof options)[]) => {
      kms.faults.outage();
      const fresh = names.map((name) => keyStoreWith(options[name]));
      const outcomes = await Promise.allSettled(fresh.map((worker) => worker.encryptRecording(audio, recording)));
      kms.faults.heal();
      return outcomes.map(({ status }) => status);
    };
    await keyStoreWith(options.old).configure({ kmsKeyAliasArn });
    expect(await started("old", "both", "next")).toEqual(["fulfilled", "fulfilled", "rejected"]);
    clock.advance(minute);
    await keyStoreWith(options.both).confirm();
    expect(await started("old", "both", "next")).toEqual(["rejected", "fulfilled", "fulfilled"]);
  });
});

describe("requireConfirmedKey", () => {
  it.each<[name: string, options: Partial<RecordingKeyStoreOptions>, outcome: "refused" | "unconfirmed"]>([
    ["off by default", {}, "unconfirmed"],
    ["on by default with a fleetSecret", { fleetSecret }, "refused"],
    ["on if told so", { requireConfirmedKey: true }, "refused"],
    ["off if told so, with a fleetSecret", { fleetSecret, requireConfirmedKey: false }, "unconfirmed"],
  ])("is %s", async (_, options, outcome) => {
    const { keyStoreWith, kms } = await configured();
    kms.faults.outage();
    const encrypting = keyStoreWith(options).encryptRecording(audio, recording);
    if (outcome === "unconfirmed") expect(await encrypting).toMatchObject({ confirmation: "unconfirmed" });
    else await expect(encrypting).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED", retryable: true });
  });
});

/** Workers that have all encrypted, and a count of what KMS is asked from then on. */
async function fleetOf(count: number, options: Partial<RecordingKeyStoreOptions>) {
  const parts = await configured(options);
  const workers = [parts.keyStore, ...Array.from({ length: count - 1 }, () => parts.keyStoreWith())];
  const eachEncrypts = async () => {
    for (const worker of workers) {
      await worker.encryptRecording(audio, recording);
      await backgroundWork();
    }
  };
  await eachEncrypts();
  const asked = () => parts.kms.journal.count("Decrypt");
  return { ...parts, workers, eachEncrypts, asked };
}

describe("a fleet without a secret", () => {
  it("asks KMS in each worker every confirmEvery, and shares the last KMS error as a hint", async () => {
    const { keyStore, kms, clock, workers, eachEncrypts, asked } = await fleetOf(4, {});
    kms.journal.clear();
    clock.advance(16 * minute);
    await eachEncrypts();
    expect(asked()).toBe(4);
    kms.faults.accessDenied();
    await keyStore.confirm();
    expect((await workers[3]!.status()).fleet).toMatchObject({
      failure: { kind: "access-denied", operation: "Decrypt" },
      authentic: false,
    });
  });

  it("takes nobody's word for a key: each worker that starts asks KMS", async () => {
    const { keyStore, keyStoreWith, kms } = await configured();
    await keyStore.confirm();
    kms.journal.clear();
    await keyStoreWith().encryptRecording(audio, recording);
    expect(kms.journal.count("Decrypt")).toBe(1);
  });
});

describe("a fleet with a secret", () => {
  it("asks KMS once in confirmEvery for all its workers, and shares the last KMS error", async () => {
    const { keyStore, kms, clock, workers, eachEncrypts, asked } = await fleetOf(4, { fleetSecret });
    kms.journal.clear();
    clock.advance(16 * minute);
    await eachEncrypts();
    expect(asked()).toBe(1);
    kms.faults.accessDenied();
    clock.advance(minute);
    await keyStore.confirm();
    expect((await workers[3]!.status()).fleet).toMatchObject({
      failure: { kind: "access-denied", operation: "Decrypt" },
      authentic: true,
    });
  });

  it("asks KMS nothing about a pair that one of its workers has made", async () => {
    const { keyStore, kms, clock, eachEncrypts } = await fleetOf(3, { fleetSecret });
    const { keyPairId } = await keyStore.rotate();
    kms.journal.clear();
    clock.advance(61_000);
    await eachEncrypts();
    expect(kms.journal.count()).toBe(0);
    expect(await keyStore.encryptRecording(audio, recording)).toMatchObject({ keyPairId, usedLastKnownKey: false });
  });

  const troubles: [string, (parts: ReturnType<typeof setup>) => unknown][] = [
    ["can't be reached", ({ kms }) => kms.faults.outage()],
    ["denies", ({ kms }) => kms.faults.accessDenied()],
    ["has the key disabled", ({ kms, keyArn }) => kms.disableKey(keyArn)],
    ["has the key pending deletion", ({ kms, keyArn }) => kms.scheduleKeyDeletion(keyArn)],
  ];
  it.each(troubles)("holds the last confirmed key in a worker that starts while KMS %s", async (_, begin) => {
    const parts = await configured({ fleetSecret });
    const { keyPairId } = await parts.keyStore.encryptRecording(audio, recording);
    begin(parts);
    parts.clock.advance(10 * minute);
    const fresh = parts.keyStoreWith();
    expect(await fresh.encryptRecording(audio, recording)).toMatchObject({ keyPairId, confirmation: "confirmed" });
    expect(await fresh.status()).toMatchObject({
      vouchedBy: "fleet",
      lastConfirmedAt: new Date(parts.clock.now() - 10 * minute),
    });
  });

  it("tells all its workers that the key is at risk, by one question", async () => {
    const { keyStore, kms, keyArn, clock, workers, eachEncrypts, asked } = await fleetOf(3, { fleetSecret });
    kms.disableKey(keyArn);
    clock.advance(16 * minute);
    await keyStore.confirm();
    kms.journal.clear();
    await eachEncrypts();
    expect(asked()).toBe(0);
    for (const worker of workers) {
      const result = await worker.encryptRecording(audio, recording);
      expect(result).toMatchObject({ confirmation: "confirmed", keyAtRisk: true, usedLastKnownKey: true });
    }
  });

  it("is not kept from asking by an old word that somebody brings back", async () => {
    const { store, kms, clock, workers, asked } = await fleetOf(3, { fleetSecret });
    const old = (await store.readStatus(organizationId))!;
    kms.journal.clear();
    clock.advance(16 * minute);
    for (const worker of workers) {
      await store.writeStatus(organizationId, old);
      await worker.encryptRecording(audio, recording);
      await backgroundWork();
    }
    expect(asked()).toBe(3);
  });

  it.each([
    ["another secret", { fleetSecret: randomBytes(32) }],
    ["no secret", {}],
  ])("takes no word of a worker that has %s", async (_, options) => {
    const { keyStoreWith, kms } = await configured(options);
    kms.faults.outage();
    const believing = keyStoreWith({ fleetSecret, requireConfirmedKey: false });
    expect(await believing.encryptRecording(audio, recording)).toMatchObject({ confirmation: "unconfirmed" });
    expect(await believing.status()).toMatchObject({ confirmation: "unconfirmed" });
  });

  it("counts maxLastConfirmedAge from what any of its workers has heard", async () => {
    const { keyStore, keyStoreWith, clock } = await configured({ fleetSecret, background: false });
    const strict = keyStoreWith({ maxLastConfirmedAge: 60 * minute, background: true });
    const age = async (worker: RecordingKeyStore) => (await worker.status()).lastConfirmedAt!.getTime() - clock.now();
    await strict.encryptRecording(audio, recording);
    for (let hours = 0; hours < 3; hours += 1) {
      clock.advance(50 * minute);
      await keyStore.confirm();
      await strict.encryptRecording(audio, recording);
      await backgroundWork();
      expect(await age(strict)).toBe(0);
    }
  });
});
