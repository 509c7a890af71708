import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PublicBundleEncryptor, type PublicBundleEncryptorOptions } from "../../src/encrypt-only.js";
import { bytesSource, inspectRecording, RecordingKeyStore, type RecordingKeyStoreOptions } from "../../src/index.js";
import {
  InMemoryKms,
  InMemoryKmsProvider,
  MemoryKeyPairStore,
  MemoryLastConfirmedStore,
  TestClock,
} from "../../src/testing/index.js";
import { collect } from "../recording/support.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const audio = randomBytes(150_000);
const recording = { recordingId: "call-1" };
const fleetSecret = randomBytes(32);
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const organizationId = "org-1";
const accountId = "000000000000";
const kmsKeyAliasArn = `arn:aws:kms:us-east-1:${accountId}:alias/recordings`;

/** An organization's KMS key, and key stores that no busy machine keeps waiting too long. */
function setup(options: Partial<RecordingKeyStoreOptions> = {}) {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock, pooledKeyPairs: true });
  const keyArn = kms.createKey({ alias: "alias/recordings" });
  const store = new MemoryKeyPairStore();
  const unlimited = { kmsTimeout: 600_000, storeTimeout: 600_000, confirmTimeout: 60_000 };
  const keyStoreWith = (more: Partial<RecordingKeyStoreOptions> = {}) =>
    new RecordingKeyStore({
      organizationId,
      homeRegion: "us-east-1",
      kms: new InMemoryKmsProvider(kms),
      store,
      trustedKmsKeys: [accountId],
      clock,
      ...unlimited,
      ...options,
      ...more,
    });
  return { clock, kms, keyArn, keyStoreWith, keyStore: keyStoreWith() };
}

/** A key store with a key pair, the bundle that it exports, and an encryptor with nothing but that. */
async function exported(options: Partial<RecordingKeyStoreOptions> = {}, validFor?: number) {
  const parts = setup(options);
  const { keyStore, clock } = parts;
  await keyStore.configure({ kmsKeyAliasArn });
  const bundle = await keyStore.exportPublicBundle(validFor === undefined ? {} : { validFor });
  const encryptorWith = (more: Partial<PublicBundleEncryptorOptions> = {}) =>
    new PublicBundleEncryptor({ organizationId, bundle, clock, ...more });
  return { ...parts, bundle, encryptorWith, encryptor: encryptorWith() };
}

describe("what an encryptor makes of a public bundle", () => {
  let folder: string;
  let remove: () => Promise<void>;
  beforeAll(async () => ({ folder, remove } = await temporaryFolder()));
  afterAll(() => remove());

  it.each(["X25519", "RSA_2048"] as const)("is opened by the organization's key store: %s", async (keyPairSpec) => {
    const { keyStore, kms, clock } = setup();
    await keyStore.configure({ kmsKeyAliasArn, keyPairSpec });
    const bundle = await keyStore.exportPublicBundle();
    kms.journal.clear();
    const encryptor = new PublicBundleEncryptor({ organizationId, bundle, clock });
    const options = { ...recording, asset: "screen", metadata: { party: "them" }, publicMetadata: { codec: "opus" } };
    const { body, ...facts } = await encryptor.encryptRecording(audio, options);
    expect(kms.journal.calls()).toEqual([]);
    const { keyPairId } = encryptor.health();
    expect(facts).toEqual({ keyPairId, usedLastKnownKey: false, keyAtRisk: false, confirmation: "confirmed" });
    expect(await encryptor.encryptedSize(audio.length, options)).toBe(body.length);
    const opened = await keyStore.decryptRecording(body, { ...recording, asset: "screen" });
    expect(opened).toMatchObject({ keyPairId, metadata: { party: "them" }, publicMetadata: { codec: "opus" } });
    expect(Buffer.compare(opened.body, audio)).toBe(0);
  });

  it("is opened of every kind of stream, of a file, by a reader, and in threads", async () => {
    const { keyStore, encryptor } = await exported();
    const readable = await encryptor.encryptRecording(Readable.from([audio]), recording);
    const web = await encryptor.encryptRecording(new Blob([audio]).stream(), recording);
    const [input, output] = [join(folder, "call.wav"), join(folder, "call.rec")];
    await writeFile(input, audio);
    expect(await encryptor.encryptFile(input, output, recording)).toMatchObject({ plaintextSize: audio.length });
    const threads = await encryptor.encryptRecording(audio, { ...recording, threads: 2 });
    const recordings = [await collect(readable.body), await collect(web.body), await readFile(output), threads.body];
    expect(await readable.done).toEqual({ plaintextSize: audio.length, encryptedSize: recordings[0]?.length });
    for (const encrypted of recordings) {
      await using reader = await keyStore.openRecording(bytesSource(encrypted), recording);
      expect(Buffer.compare(await reader.read(0, audio.length), audio)).toBe(0);
    }
  });

  it("is opened after changes of key and of the KMS key, and with the store lost", async () => {
    const { keyStore, keyStoreWith, kms, encryptor } = await exported();
    const { body } = await encryptor.encryptRecording(audio, recording);
    const other = kms.createKey();
    kms.pointAlias(kmsKeyAliasArn, other);
    await keyStore.rotate();
    const { body: later } = await encryptor.encryptRecording(audio, recording);
    const lost = keyStoreWith({ store: new MemoryKeyPairStore(), embeddedKeys: [accountId] });
    for (const opening of [keyStore, lost])
      for (const encrypted of [body, later])
        expect(Buffer.compare((await opening.decryptRecording(encrypted, recording)).body, audio)).toBe(0);
  });

  it("carries no private half where the key store's recordings carry none", async () => {
    const { keyStore, encryptor } = await exported({ selfContained: false });
    const { body } = await encryptor.encryptRecording(audio, recording);
    const { keyPairId, wrappedDataKeys } = await inspectRecording(body);
    expect(keyPairId).toBe(encryptor.health().keyPairId);
    expect(wrappedDataKeys.map(({ embeddedKey }) => embeddedKey)).toEqual([undefined]);
    expect(Buffer.compare((await keyStore.decryptRecording(body, recording)).body, audio)).toBe(0);
  });
});

describe("exportPublicBundle()", () => {
  it("gives the pair that the store names now, within headTtl too", async () => {
    const { keyStore, keyStoreWith, clock } = await exported();
    const { keyPairId } = await keyStoreWith().rotate();
    const encryptor = new PublicBundleEncryptor({ organizationId, bundle: await keyStore.exportPublicBundle(), clock });
    expect(encryptor.health()).toMatchObject({ keyPairId, sequence: 2 });
  });

  it("gives none of a pair that nobody has vouched for, and none where there is none", async () => {
    const { keyStore, keyStoreWith, kms } = setup();
    await expect(keyStore.exportPublicBundle()).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED" });
    await keyStore.configure({ kmsKeyAliasArn });
    kms.faults.outage();
    const fresh = keyStoreWith({ lastConfirmed: new MemoryLastConfirmedStore() });
    expect(await fresh.encryptRecording(audio, recording)).toMatchObject({ confirmation: "unconfirmed" });
    await expect(fresh.exportPublicBundle()).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED", retryable: true });
    kms.faults.heal();
    kms.faults.accessDenied();
    const refused = keyStoreWith({ lastConfirmed: new MemoryLastConfirmedStore() });
    await expect(refused.exportPublicBundle()).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
  });

  it("says what the key store knows of its key, and so do recordings", async () => {
    const { keyStore, kms, keyArn, clock } = await exported();
    kms.disableKey(keyArn);
    await keyStore.confirm();
    const encryptor = new PublicBundleEncryptor({ organizationId, bundle: await keyStore.exportPublicBundle(), clock });
    const flags = { usedLastKnownKey: true, keyAtRisk: true };
    expect(encryptor.health()).toMatchObject(flags);
    expect(await encryptor.encryptRecording(audio, recording)).toMatchObject(flags);
  });

  it("is valid for a day, or for as long as it is told", async () => {
    const { clock, encryptor } = await exported();
    const exportedAt = clock.now();
    expect(encryptor.health()).toMatchObject({ exportedAt, expiresAt: exportedAt + day, expired: false });
    const longer = await exported({}, 366 * day);
    expect(longer.encryptor.health().expiresAt).toBe(exportedAt + 366 * day);
  });

  it("is valid no longer than maxLastConfirmedAge allows its own key store", async () => {
    const { keyStore, clock, kms } = await exported({ maxLastConfirmedAge: 3 * hour });
    const confirmedAt = clock.now();
    kms.faults.outage();
    clock.advance(hour);
    const encryptor = new PublicBundleEncryptor({ organizationId, bundle: await keyStore.exportPublicBundle(), clock });
    expect(encryptor.health()).toMatchObject({ confirmedAt, expiresAt: confirmedAt + 3 * hour });
    clock.advance(2 * hour + 1);
    await expect(keyStore.exportPublicBundle()).rejects.toMatchObject({ code: "ERR_KEY_TOO_OLD" });
  });

  it.each<[options: object, message: string]>([
    [{ validFor: 59_999 }, "validFor: must be at least 60000"],
    [{ validFor: 366 * day + 1 }, "validFor: must be at most 31622400000"],
    [{ validfor: day }, "validfor: is not a known option; did you mean validFor?"],
    [{ expiresIn: day }, "expiresIn: is not a known option"],
  ])("refuses %j by name", async (options, message) => {
    const { keyStore } = await exported();
    await expect(keyStore.exportPublicBundle(options)).rejects.toThrow(message);
  });
});

describe("an encryptor", () => {
  it("takes text and bytes, and with the fleet's secret the fleet's word alone", async () => {
    const { bundle, encryptorWith } = await exported({ fleetSecret });
    for (const secret of [undefined, fleetSecret, [randomBytes(32), fleetSecret]])
      for (const given of [bundle, Buffer.from(bundle), new Uint8Array(Buffer.from(bundle))])
        expect(encryptorWith({ bundle: given, ...(secret && { fleetSecret: secret }) }).health().sequence).toBe(1);
    const untrusted = expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(() => encryptorWith({ fleetSecret: randomBytes(32) })).toThrow(untrusted);
    const unsigned = await exported();
    expect(() => unsigned.encryptorWith({ fleetSecret })).toThrow(untrusted);
    expect(() => encryptorWith({ organizationId: "org-2" })).toThrow(untrusted);
  });

  it.each<[name: string, options: object, message: string]>([
    ["no bundle", { bundle: undefined }, "bundle: is required"],
    ["another object", { bundle: {} }, "bundle: must be what exportPublicBundle() gave, as text or bytes"],
    ["an empty bundle", { bundle: "" }, "public bundle: is not JSON"],
    ["no organization", { organizationId: "" }, "organizationId: must be 1 to 128"],
    ["a short secret", { fleetSecret: new Uint8Array(31) }, "fleetSecret: must be a Uint8Array of at least 32 bytes"],
    ["a misspelt secret", { fleetsecret: 1 }, "fleetsecret: is not a known option; did you mean fleetSecret?"],
    ["KMS", { kms: {} }, "kms: is not a known option"],
    ["a clock that is none", { clock: {} }, "clock: must be an object with now(), monotonic()"],
  ])("refuses by name: %s", async (_, options, message) => {
    const { encryptorWith } = await exported();
    expect(() => encryptorWith(options)).toThrow(message);
  });

  it("refuses options of its calls by name, and ends streams that it refuses", async () => {
    const { encryptor } = await exported();
    const source = Readable.from([audio]);
    const misspelt = { recordingId: "r", segmentsize: 4_096 };
    await expect(encryptor.encryptRecording(source, misspelt)).rejects.toThrow("segmentsize: is not a known option");
    expect(source.destroyed).toBe(true);
    const { signal } = new AbortController();
    await expect(encryptor.encryptRecording(audio, signal as never)).rejects.toThrow("options: must be an object");
    await expect(encryptor.encryptedSize(1, { recordingId: "" })).rejects.toThrow("recordingId: must be 1 to 1024");
    await expect(encryptor.encryptFile("a", "b", { ...recording, actor: "x" } as never)).rejects.toThrow(
      "actor: is not",
    );
  });

  it("ends with the caller's signal, before and in the middle", async () => {
    const { encryptor } = await exported();
    const aborted = AbortSignal.abort(new Error("enough"));
    await expect(encryptor.encryptRecording(audio, { ...recording, signal: aborted })).rejects.toThrow("enough");
    await expect(encryptor.encryptFile("a", "b", { ...recording, signal: aborted })).rejects.toThrow("enough");
    const controller = new AbortController();
    const endless = (async function* () {
      for (;;) yield audio;
    })();
    const { body, done } = await encryptor.encryptRecording(endless, { ...recording, signal: controller.signal });
    const reader = body.getReader();
    await reader.read();
    controller.abort(new Error("enough"));
    await expect(done).rejects.toThrow("enough");
  });

  it("has no way to open anything, and shows nothing but its organization", async () => {
    const { encryptorWith } = await exported({ fleetSecret });
    const encryptor = encryptorWith({ fleetSecret });
    expect(Object.getOwnPropertyNames(PublicBundleEncryptor.prototype).sort()).toEqual([
      "constructor",
      "encryptFile",
      "encryptRecording",
      "encryptedSize",
      "health",
      "renew",
    ]);
    expect(inspect(encryptor, { showHidden: true, depth: Infinity })).toBe(
      'PublicBundleEncryptor { organizationId: "org-1" }',
    );
  });
});

describe("the end of a public bundle", () => {
  const expired = expect.objectContaining({
    code: "ERR_BUNDLE_EXPIRED",
    retryable: true,
    message: expect.stringContaining("export another one by exportPublicBundle(), and renew() it here"),
  });

  it("ends encryption to the millisecond, and the start of an encryptor", async () => {
    const { clock, encryptor, encryptorWith } = await exported();
    clock.advance(day - 1);
    expect(await encryptor.encryptRecording(audio, recording)).toMatchObject({ confirmation: "confirmed" });
    encryptorWith();
    clock.advance(1);
    expect(encryptor.health().expired).toBe(true);
    await expect(encryptor.encryptRecording(audio, recording)).rejects.toEqual(expired);
    await expect(encryptor.encryptedSize(1, recording)).rejects.toEqual(expired);
    expect(() => encryptorWith()).toThrow(expired);
  });

  it("leaves a stream that was begun in time to be encrypted to its end", async () => {
    const { clock, encryptor, keyStore } = await exported();
    const chunks = [audio.subarray(0, 70_000), audio.subarray(70_000)];
    const { body } = await encryptor.encryptRecording(
      (async function* () {
        for (const chunk of chunks) {
          yield chunk;
          clock.advance(day);
        }
      })(),
      recording,
    );
    const encrypted = await collect(body);
    await expect(encryptor.encryptRecording(audio, recording)).rejects.toEqual(expired);
    expect(Buffer.compare((await keyStore.decryptRecording(encrypted, recording)).body, audio)).toBe(0);
  });

  it("comes no later for a wall clock that is set back, also when the same bundle is handed over again", async () => {
    const { clock, encryptor, bundle } = await exported();
    clock.advance(23 * hour);
    clock.set(clock.now() - 20 * hour);
    encryptor.renew(bundle);
    clock.advance(hour - 1);
    expect(encryptor.health().expired).toBe(false);
    clock.advance(1);
    expect(encryptor.health().expired).toBe(true);
    expect(() => encryptor.renew(bundle)).toThrow(expired);
    await expect(encryptor.encryptRecording(audio, recording)).rejects.toEqual(expired);
  });

  it("comes by the wall clock where the monotonic one stood still, as while a machine sleeps", async () => {
    const { clock, encryptor } = await exported();
    clock.set(clock.now() + day);
    await expect(encryptor.encryptRecording(audio, recording)).rejects.toEqual(expired);
  });

  it("is not told by a clock that stands before the bundle was exported, but for a few minutes", async () => {
    const { clock, encryptorWith } = await exported();
    const exportedAt = clock.now();
    clock.set(exportedAt - 5 * minute);
    const encryptor = encryptorWith();
    clock.set(exportedAt - 5 * minute - 1);
    expect(() => encryptorWith()).toThrow(
      expect.objectContaining({ code: "ERR_BUNDLE_EXPIRED", message: expect.stringContaining("set it right") }),
    );
    await encryptor.encryptRecording(audio, recording); // one that goes on knows what time it was
  });

  it("is put off by another bundle, and by none that is worse", async () => {
    const { clock, encryptor, keyStore, bundle } = await exported();
    clock.advance(day);
    const next = await keyStore.exportPublicBundle();
    encryptor.renew(Buffer.from(next));
    expect(await encryptor.encryptRecording(audio, recording)).toMatchObject({ confirmation: "confirmed" });
    const before = encryptor.health();
    for (const worse of [bundle, next.slice(1), "", 7 as never]) expect(() => encryptor.renew(worse)).toThrow();
    expect(encryptor.health()).toEqual(before);
  });

  it("is not put off by a bundle that was exported before the one in use", async () => {
    const { clock, keyStore, bundle } = await exported();
    clock.advance(minute);
    const { keyPairId } = await keyStore.rotate();
    const encryptor = new PublicBundleEncryptor({ organizationId, bundle: await keyStore.exportPublicBundle(), clock });
    expect(() => encryptor.renew(bundle)).toThrow("bundle: must not have been exported before the one in use");
    expect(await encryptor.encryptRecording(audio, recording)).toMatchObject({ keyPairId });
  });
});
