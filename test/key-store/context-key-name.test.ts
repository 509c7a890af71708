import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { RecordingKeyStore, type RecordingKeyStoreOptions } from "../../src/index.js";
import {
  createTestKeyStore,
  InMemoryKmsProvider,
  MemoryKeyPairStore,
  MemoryLastConfirmedStore,
} from "../../src/testing/index.js";
import { recordingKeyPolicy } from "../../src/key-policy/index.js";

const audio = randomBytes(1_000);
const recording = { recordingId: "r" };
const organizationId = "org-1";
const accountId = "111122223333";
const serviceAccountId = "765628985471";

/** An organization whose pairs have the name `before`, and whose key's policy now lets in other names as well. */
async function renamed(before: string | undefined, ...policyNames: string[]) {
  const lastConfirmed = new MemoryLastConfirmedStore();
  const naming = before === undefined ? {} : { contextKeyName: before };
  const parts = await createTestKeyStore({ organizationId, customerAccountId: accountId, lastConfirmed, ...naming });
  const { kms, kmsKeyArn, store, clock } = parts;
  const grants = policyNames.map((contextKeyName) => ({
    serviceAccountId,
    organizationIds: [organizationId],
    contextKeyName,
  }));
  kms.putKeyPolicy(kmsKeyArn, recordingKeyPolicy({ accountId, grants }));
  const service = kms.addPrincipal({
    arn: `arn:aws:iam::${serviceAccountId}:role/recording`,
    identityPolicy: "administrator",
  });
  const restarted = (options: Partial<RecordingKeyStoreOptions>) =>
    new RecordingKeyStore({
      organizationId,
      homeRegion: "us-east-1",
      kms: new InMemoryKmsProvider(kms, service),
      store,
      clock,
      trustedKmsKeys: [accountId],
      lastConfirmed,
      ...options,
    });
  /** Names under which the organization's id stood in the calls to KMS since the journal was cleared. */
  const namesUsed = () => {
    const contexts = kms.journal.calls().map(({ encryptionContext }) => Object.entries(encryptionContext ?? {}));
    return new Set(
      contexts.flatMap((entries) => entries.filter(([, id]) => id === organizationId).map(([name]) => name)),
    );
  };
  return { ...parts, lastConfirmed, restarted, namesUsed };
}

describe("contextKeyName", () => {
  it("is the reference system's by default, in every cryptographic call", async () => {
    const { keyStore, kms, namesUsed } = await renamed(undefined, "genesys-cloud-organization-id");
    const { body } = await keyStore.encryptRecording(audio, recording);
    await keyStore.decryptRecording(body, recording);
    await keyStore.rotate();
    expect(namesUsed()).toEqual(new Set(["genesys-cloud-organization-id"]));
    const cryptographic = kms.journal.calls().filter(({ operation }) => ["Encrypt", "Decrypt"].includes(operation));
    for (const { encryptionContext } of cryptographic) {
      expect(encryptionContext).toHaveProperty("genesys-cloud-organization-id", organizationId);
    }
  });

  it("is one of a list where pairs under an earlier name go on, and new ones are made under the first", async () => {
    const { keyStore, kms, restarted, namesUsed } = await renamed("before", "before", "after");
    const old = await keyStore.encryptRecording(audio, recording);
    const both = restarted({ contextKeyName: ["after", "before"] });
    kms.journal.clear();
    const during = await both.encryptRecording(audio, recording);
    expect(during).toMatchObject({ keyPairId: old.keyPairId, confirmation: "confirmed", usedLastKnownKey: false });
    expect(namesUsed()).toEqual(new Set(["before"]));

    kms.journal.clear();
    const { keyPairId } = await both.rotate();
    expect(namesUsed()).toEqual(new Set(["after"]));
    const after = await both.encryptRecording(audio, recording);
    expect(after).toMatchObject({ keyPairId, confirmation: "confirmed", usedLastKnownKey: false });
    expect((await both.keyPairs()).items.map(({ sequence }) => sequence)).toEqual([2, 1]);
    both.forgetPrivateKeys();
    for (const { body } of [old, during, after]) {
      expect(audio.equals((await both.decryptRecording(body, recording)).body)).toBe(true);
    }
    expect(namesUsed()).toEqual(new Set(["after", "before"]));
  });

  it("makes configure() with onlyIfChanged make a pair where the active one has an earlier name", async () => {
    const { restarted, kmsKeyAliasArn } = await renamed("before", "before", "after");
    const both = restarted({ contextKeyName: ["after", "before"] });
    const onlyIfChanged = { onlyIfChanged: true };
    expect(await both.configure({ kmsKeyAliasArn }, onlyIfChanged)).toMatchObject({
      changed: true,
      keyPair: { sequence: 2 },
    });
    expect(await both.configure({ kmsKeyAliasArn }, onlyIfChanged)).toMatchObject({ changed: false });
    expect(await restarted({ contextKeyName: "after" }).configure({ kmsKeyAliasArn }, onlyIfChanged)).toMatchObject({
      changed: false,
    });
  });

  it("is rewrapped under the name that each pair was made with", async () => {
    const { restarted, kms, kmsKeyAliasArn, kmsKeyArn, namesUsed } = await renamed("before", "before", "after");
    const both = restarted({ contextKeyName: ["after", "before"] });
    const policy = JSON.parse(kms.getKeyPolicy(kmsKeyArn)) as object;
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ accountId, region: "us-east-1", policy }));
    await both.rotate();
    kms.journal.clear();
    expect(await both.rewrapKeyPairs()).toMatchObject({ complete: true, rewrapped: 1, already: 1 });
    expect(namesUsed()).toEqual(new Set(["after", "before"]));
  });

  it("is the service's own: a pair with any other is not used, and its recordings open still", async () => {
    const { keyStore, restarted, lastConfirmed } = await renamed("before", "before", "after");
    const { body } = await keyStore.encryptRecording(audio, recording);
    expect(await lastConfirmed.load(organizationId)).toBeDefined();
    const strict = restarted({ contextKeyName: "after" });
    await expect(strict.encryptRecording(audio, recording)).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: expect.stringMatching(/context key name before.*contextKeyName/),
    });
    await expect(strict.rotate()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(audio.equals((await strict.decryptRecording(body, recording)).body)).toBe(true);
  });

  it("is copied: a list that is changed afterwards changes nothing", async () => {
    const { restarted, kms, namesUsed } = await renamed("before", "before", "after");
    const names = ["after", "before"];
    const both = restarted({ contextKeyName: names });
    names.splice(0, 2, "other");
    kms.journal.clear();
    await both.encryptRecording(audio, recording);
    await both.rotate();
    expect(namesUsed()).toEqual(new Set(["after", "before"]));
  });

  it.each([
    [5, "must be a name or a list of 1 to 16 names"],
    [null, "must be a name or a list of 1 to 16 names"],
    [{}, "must be a name or a list of 1 to 16 names"],
    [[], "must have at least 1 entry"],
    [Array(17).fill("a"), "must be a name or a list of 1 to 16 names"],
    ["", "must be 1 to 128 of"],
    ["aws:x", "must not begin with aws:"],
  ])("is checked: %j %s", async (contextKeyName, rule) => {
    const { kms } = await createTestKeyStore();
    const options = {
      organizationId,
      homeRegion: "us-east-1",
      kms: new InMemoryKmsProvider(kms),
      store: new MemoryKeyPairStore(),
    };
    expect(() => new RecordingKeyStore({ ...options, contextKeyName: contextKeyName as never })).toThrow(
      `contextKeyName: ${rule}`,
    );
  });
});
