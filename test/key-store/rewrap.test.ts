import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { KeyPairStore, RecordingKeyStore } from "../../src/index.js";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { storedWrapping, wrappingIdOf } from "../../src/key-pairs/wrappings.js";
import { accountId, configured, homeRegion, kmsKeyAliasArn, organizationId, overridden } from "../support/setup.js";

const audio = randomBytes(1_000);
const opens = async (keyStore: RecordingKeyStore, body: Uint8Array) =>
  Buffer.from((await keyStore.decryptRecording(body, { recordingId: "r" })).body).equals(audio);

/** Two pairs under a first KMS key and one under a second, to which the alias was moved; a recording of the first pair. */
async function moved(keyPairSpec: "X25519" | "RSA_2048" = "X25519") {
  const parts = await configured();
  if (keyPairSpec !== "X25519") await parts.keyStore.configure({ kmsKeyAliasArn, keyPairSpec });
  const { body, keyPairId } = await parts.keyStore.encryptRecording(audio, { recordingId: "r" });
  await parts.keyStore.rotate();
  const newKeyArn = parts.kms.createKey({ accountId, region: homeRegion });
  parts.kms.pointAlias(kmsKeyAliasArn, newKeyArn);
  await parts.keyStore.rotate();
  parts.keyStore.forgetPrivateKeys();
  return { ...parts, body, keyPairId, newKeyArn };
}

describe("rewrapping", () => {
  it.each([
    ["X25519", 2],
    ["RSA_2048", 3],
  ] as const)(
    "wraps earlier %s pairs under the active pair's KMS key, once, so that the old key may go",
    async (spec, earlier) => {
      const { keyStore, kms, keyArn, newKeyArn, body } = await moved(spec);
      expect(await keyStore.rewrapKeyPairs()).toMatchObject({
        complete: true,
        kmsKeyArn: newKeyArn,
        rewrapped: earlier,
        already: 1,
        failed: [],
      });
      expect(await keyStore.rewrapKeyPairs()).toMatchObject({
        complete: true,
        kmsKeyArn: newKeyArn,
        rewrapped: 0,
        already: earlier + 1,
        failed: [],
      });
      for (const gone of [() => kms.disableKey(keyArn), () => kms.scheduleKeyDeletion(keyArn)]) {
        gone();
        keyStore.forgetPrivateKeys();
        expect(await opens(keyStore, body)).toBe(true);
      }
      expect(await keyStore.status()).toMatchObject({ usedLastKnownKey: false, keyAtRisk: false });
    },
  );

  it("without it, recordings go with the old key", async () => {
    const { keyStore, kms, keyArn, body } = await moved();
    kms.disableKey(keyArn);
    await expect(opens(keyStore, body)).rejects.toMatchObject({ code: "ERR_KMS_REFUSED", kind: "key-disabled" });
  });

  it("asks KMS no more than before while the old key answers, and reads no wrappings", async () => {
    const { keyStore, keyStoreWith, store, kms, body } = await moved();
    await keyStore.rewrapKeyPairs();
    let listed = 0;
    const reading = keyStoreWith({
      store: overridden(store, { listWrappings: (...args) => ((listed += 1), store.listWrappings(...args)) }),
    });
    const before = kms.journal.calls().length;
    expect(await opens(reading, body)).toBe(true);
    expect([kms.journal.calls().length - before, listed]).toEqual([1, 0]);
  });

  it("is not looked for in an outage, which passes", async () => {
    const { keyStore, kms, keyArn, body } = await moved();
    await keyStore.rewrapKeyPairs();
    keyStore.forgetPrivateKeys();
    kms.faults.throttling({ keyId: keyArn });
    await expect(opens(keyStore, body)).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", kind: "throttled" });
    kms.faults.heal();
    kms.disableKey(keyArn);
    kms.faults.outage();
    await expect(opens(keyStore, body)).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    kms.faults.heal();
    expect(await opens(keyStore, body)).toBe(true);
  });

  it("an outage of the new key goes before the old one's refusal", async () => {
    const { keyStore, kms, keyArn, newKeyArn, body } = await moved();
    await keyStore.rewrapKeyPairs();
    keyStore.forgetPrivateKeys();
    kms.disableKey(keyArn);
    kms.faults.throttling({ keyId: newKeyArn });
    await expect(opens(keyStore, body)).rejects.toMatchObject({ kind: "throttled", retryable: true });
    kms.faults.heal();
    kms.disableKey(newKeyArn);
    await expect(opens(keyStore, body)).rejects.toMatchObject({
      kind: "key-disabled",
      message: expect.stringContaining(keyArn),
    });
  });

  it("opens pairs whose own account is trusted no more", async () => {
    const { keyStore, keyStoreWith, newKeyArn, body, store } = await moved();
    const strict = keyStoreWith({ trustedKmsKeys: [newKeyArn] });
    await expect(opens(strict, body)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    await keyStore.rewrapKeyPairs();
    expect(await opens(strict, body)).toBe(true);
    // Not because another key store of this process had it open: without a covered wrapping it stays shut.
    const without = keyStoreWith({
      trustedKmsKeys: [newKeyArn],
      store: overridden(store, { listWrappings: async () => [] }),
    });
    await expect(opens(without, body)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });

  it("goes on past a pair that can't be, and says which and why", async () => {
    const { keyStore, kms, keyArn, newKeyArn, keyPairId } = await moved();
    kms.disableKey(keyArn);
    const report = await keyStore.rewrapKeyPairs();
    expect(report).toMatchObject({ complete: false, kmsKeyArn: newKeyArn, rewrapped: 0, already: 1 });
    expect(report.failed.map(({ sequence, error }) => [sequence, error.code])).toEqual([
      [2, "ERR_KMS_REFUSED"],
      [1, "ERR_KMS_REFUSED"],
    ]);
    expect(report.failed[1]?.keyPairId).toBe(keyPairId);
    expect(inspect(report, { depth: Infinity })).not.toMatch(/privateKey|plaintext/i);
    kms.enableKey(keyArn);
    expect(await keyStore.rewrapKeyPairs()).toMatchObject({ complete: true, rewrapped: 2 });
  });

  it.each<[string, (parts: Awaited<ReturnType<typeof moved>>) => unknown, object]>([
    ["KMS is away", ({ kms }) => kms.faults.outage(), { code: "ERR_KMS_UNAVAILABLE", retryable: true }],
    [
      "KMS goes away in the middle",
      ({ kms }) => kms.faults.serverError({ operation: "Encrypt" }),
      { code: "ERR_KMS_UNAVAILABLE" },
    ],
    [
      "the store is away",
      ({ store }) => void (store.createWrapping = async () => Promise.reject(new Error("away"))),
      { code: "ERR_STORE_UNAVAILABLE", retryable: true },
    ],
  ])("rejects where %s, and may be called again", async (_name, trouble, error) => {
    const parts = await moved();
    const createWrapping = parts.store.createWrapping.bind(parts.store);
    trouble(parts);
    await expect(parts.keyStore.rewrapKeyPairs()).rejects.toMatchObject(error);
    parts.kms.faults.heal();
    parts.store.createWrapping = createWrapping;
    expect(await parts.keyStore.rewrapKeyPairs()).toMatchObject({ complete: true });
  });

  it("is done once, however many do it at once", async () => {
    const { keyStoreWith, store, keyPairId } = await moved();
    const reports = await Promise.all(Array.from({ length: 4 }, () => keyStoreWith().rewrapKeyPairs()));
    expect(reports.map(({ complete, rewrapped, already }) => [complete, rewrapped + already])).toEqual(
      Array.from({ length: 4 }, () => [true, 3]),
    );
    expect(reports.reduce((sum, { rewrapped }) => sum + rewrapped, 0)).toBe(2);
    expect(await store.listWrappings(organizationId, keyPairId)).toHaveLength(1);
  });

  it("ends with its signal", async () => {
    const { keyStore, kms } = await moved();
    kms.faults.hang();
    await expect(keyStore.rewrapKeyPairs({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    kms.faults.heal();
    const reason = new Error("enough");
    await expect(keyStore.rewrapKeyPairs({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("is an administrator's, who may edit", async () => {
    const { keyStore } = await moved();
    await expect(keyStore.administration(["recording:encryptionKey:view"]).rewrapKeyPairs()).rejects.toMatchObject({
      code: "ERR_NOT_PERMITTED",
    });
    expect(await keyStore.administration(["recording:encryptionKey:edit"]).rewrapKeyPairs()).toMatchObject({
      complete: true,
    });
  });
});

describe("whoever can write to the store gains nothing by a wrapping", () => {
  /** The pair's own KMS key is disabled, and the store holds nothing but what somebody has put there. */
  async function planted(
    make: (parts: Awaited<ReturnType<typeof moved>>) => { wrappingId: string; document: Uint8Array },
  ) {
    const parts = await moved();
    const wrapping = make(parts);
    await parts.store.createWrapping(organizationId, parts.keyPairId, wrapping);
    return parts;
  }
  const digestOf = async (keyStore: RecordingKeyStore, keyPairId: string) =>
    Buffer.from((await keyStore.keyPairs()).items.find((item) => item.keyPairId === keyPairId)!.digest, "base64url");

  it.each<
    [string, (parts: Awaited<ReturnType<typeof moved>>, digest: Buffer) => { wrappingId: string; document: Uint8Array }]
  >([
    ["that is no document", () => ({ wrappingId: "w", document: randomBytes(50) })],
    [
      "of a later version",
      (_, digest) => ({
        wrappingId: "w",
        document: Buffer.from(
          JSON.stringify({ version: 2, kind: "wrapping", critical: [], digest: digest.toString("base64") }),
        ),
      }),
    ],
    [
      "under a KMS key of another account",
      (_, digest) =>
        storedWrapping(
          { digest },
          { kmsKeyArn: `arn:aws:kms:${homeRegion}:999999999999:key/x`, ciphertext: randomBytes(200) },
        ),
    ],
    [
      "of another pair",
      ({ newKeyArn }) =>
        storedWrapping({ digest: randomBytes(32) }, { kmsKeyArn: newKeyArn, ciphertext: randomBytes(200) }),
    ],
    [
      "of nothing that KMS has made",
      ({ newKeyArn }, digest) => storedWrapping({ digest }, { kmsKeyArn: newKeyArn, ciphertext: randomBytes(200) }),
    ],
    [
      "in another one's place",
      ({ newKeyArn }, digest) => ({
        ...storedWrapping({ digest }, { kmsKeyArn: newKeyArn, ciphertext: randomBytes(200) }),
        wrappingId: "w",
      }),
    ],
  ])("%s", async (name, make) => {
    let digest = Buffer.alloc(0);
    const before = await moved();
    digest = await digestOf(before.keyStore, before.keyPairId);
    await before.store.createWrapping(organizationId, before.keyPairId, make(before, digest));
    const { keyStore, kms, keyArn, body } = before;
    kms.disableKey(keyArn);
    const asked = () => kms.journal.calls({ operation: "Decrypt" }).length;
    const first = asked();
    await expect(opens(keyStore, body)).rejects.toMatchObject({ code: "ERR_KMS_REFUSED", kind: "key-disabled" });
    // KMS is asked about nothing that the anchor does not cover, or that is of another pair.
    expect(asked() - first).toBe(name === "of nothing that KMS has made" ? 2 : 1);
    kms.enableKey(keyArn);
    expect(await opens(keyStore, body)).toBe(true);
  });

  it("the place of a true one can be taken, and the report says so", async () => {
    const { keyStore, keyPairId, newKeyArn } = await planted(({ newKeyArn: arn }) => ({
      wrappingId: wrappingIdOf(arn),
      document: encodeDocument("fate", { digest: randomBytes(32) }),
    }));
    expect(await keyStore.rewrapKeyPairs()).toMatchObject({
      complete: false,
      rewrapped: 1,
      failed: [{ keyPairId, error: { code: "ERR_STORE_CORRUPT", message: expect.stringContaining(newKeyArn) } }],
    });
  });

  it("nor by another private half under the new key", async () => {
    const parts = await moved();
    const { keyStore, kms, keyArn, newKeyArn, keyPairId, body } = parts;
    await keyStore.rewrapKeyPairs();
    const [wrapping] = await parts.store.listWrappings(organizationId, keyPairId);
    const others = (await keyStore.keyPairs()).items.find(({ sequence }) => sequence === 2)!;
    const [foreign] = await parts.store.listWrappings(organizationId, others.keyPairId);
    const hostile: KeyPairStore = overridden(parts.store, {
      listWrappings: async () => {
        const { wrapping: ciphertext } = JSON.parse(Buffer.from(foreign!.document).toString()) as { wrapping: unknown };
        return [
          {
            ...wrapping!,
            document: Buffer.from(
              JSON.stringify({ ...JSON.parse(Buffer.from(wrapping!.document).toString()), wrapping: ciphertext }),
            ),
          },
        ];
      },
    });
    kms.disableKey(keyArn);
    await expect(
      opens(parts.keyStoreWith({ store: hostile, trustedKmsKeys: [accountId] }), body),
    ).rejects.toMatchObject({ code: "ERR_KMS_REFUSED" });
    expect(await parts.keyStoreWith({ store: hostile }).rewrapKeyPairs()).toMatchObject({
      complete: false,
      kmsKeyArn: newKeyArn,
    });
  });
});
