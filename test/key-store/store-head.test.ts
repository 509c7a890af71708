import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { KeyPairStore, RecordingKeyStore } from "../../src/index.js";
import type { StoreHeadReport } from "../../src/administration.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { bornWith, documentOf, foreignPublicKey, forging, plantForgedHead, swingHead } from "../support/forgery.js";
import { configured, kmsKeyAliasArn, organizationId, overridden } from "../support/setup.js";
import type { StoredHead } from "../../src/stores/index.js";

const audio = randomBytes(1_000);
const recording = { recordingId: "r" };

/** Everything that a store holds of the organization. */
async function contentOf(store: KeyPairStore) {
  const pairs = await store.listKeyPairs(organizationId, { limit: 100 });
  const wrappings = await Promise.all(pairs.map(({ keyPairId }) => store.listWrappings(organizationId, keyPairId)));
  return {
    head: await store.readHead(organizationId),
    pairs,
    wrappings,
    status: await store.readStatus(organizationId),
  };
}

const headOf = async (store: KeyPairStore) => (await store.readHead(organizationId)) as StoredHead;

async function restoreHead(store: KeyPairStore, { document }: StoredHead): Promise<void> {
  await store.swapHead(organizationId, (await headOf(store)).revision, document);
}

/** Each worker changes the key, and all of them see one history without a gap. */
async function expectAllRotate(workers: readonly RecordingKeyStore[], from: number): Promise<void> {
  for (const [index, worker] of workers.entries()) expect((await worker.rotate()).sequence).toBe(from + index);
  for (const worker of workers) {
    const { items, ...page } = await worker.keyPairs();
    const newest = from + workers.length - 1;
    const sequences = Array.from({ length: newest }, (_, index) => newest - index);
    expect({ ...page, sequences: items.map(({ sequence }) => sequence) }).toEqual({ sequences });
    expect(await worker.status()).toMatchObject({ usedLastKnownKey: false, activeKeyPair: { sequence: newest } });
  }
}

describe("a store that was rolled back", () => {
  async function rolledBack() {
    const lastConfirmed = new MemoryLastConfirmedStore();
    const parts = await configured({ lastConfirmed, background: false });
    const first = (await parts.keyStore.keyPairs()).items[0]!;
    const old = await headOf(parts.store);
    const second = await parts.keyStore.rotate();
    await restoreHead(parts.store, old);
    parts.clock.advance(61_000);
    return { ...parts, first, second };
  }

  it("is refused, in this process and after a restart of this host; the newer pair stays in use", async () => {
    const { keyStore, keyStoreWith, second } = await rolledBack();
    for (const each of [keyStore, keyStoreWith()]) {
      expect(await each.encryptRecording(audio, recording)).toMatchObject({
        keyPairId: second.keyPairId,
        usedLastKnownKey: true,
      });
      expect((await each.status()).storeError).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
      await expect(each.rotate()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    }
  });

  it("is shown with the history of the newer pair, and neither rewrapped nor tidied", async () => {
    const { keyStore, first, second } = await rolledBack();
    expect(await keyStore.keyPairs()).toMatchObject({
      items: [
        { keyPairId: second.keyPairId, active: true },
        { keyPairId: first.keyPairId, active: false },
      ],
      storeError: { code: "ERR_STORE_ROLLED_BACK" },
    });
    expect(await keyStore.status()).toMatchObject({
      activeKeyPair: { keyPairId: second.keyPairId },
      claimed: { keyPair: { keyPairId: first.keyPairId } },
    });
    await expect(keyStore.rewrapKeyPairs()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    await expect(keyStore.removeOrphanedKeyPairs()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    await expect(keyStore.configure({ kmsKeyAliasArn })).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
  });

  it("is taken once the operator says so; a dry run says what would be believed and changes nothing", async () => {
    const { keyStore, first, second } = await rolledBack();
    await keyStore.encryptRecording(audio, recording);
    const believed = { ...first, active: true };
    const report: Omit<StoreHeadReport, "storeError"> = {
      storeHead: { keyPairId: first.keyPairId, sequence: 1, digest: first.digest },
      before: { ...second, active: false },
      believed,
      vouchedBy: "kms",
      done: false,
    };
    const dry = await keyStore.acceptRestoredStore({ dryRun: true });
    expect(dry).toMatchObject({ ...report, storeError: { code: "ERR_STORE_ROLLED_BACK" } });
    expect((await keyStore.encryptRecording(audio, recording)).keyPairId).toBe(second.keyPairId);

    expect(await keyStore.acceptRestoredStore()).toMatchObject({ ...report, done: true });
    expect(await keyStore.encryptRecording(audio, recording)).toMatchObject({
      keyPairId: first.keyPairId,
      usedLastKnownKey: false,
    });
  });

  it("serves every worker again once each of them was told", async () => {
    const { keyStore, keyStoreWith, first } = await rolledBack();
    const knowing = keyStoreWith();
    await knowing.encryptRecording(audio, recording);
    const workers = [keyStore, knowing];
    for (const worker of workers) {
      expect(await worker.acceptRestoredStore()).toMatchObject({
        believed: { keyPairId: first.keyPairId },
        done: true,
      });
    }
    await expectAllRotate([...workers, keyStoreWith()], 2);
  });

  it("is not taken where KMS refuses, or is away", async () => {
    const { keyStore, kms, second } = await rolledBack();
    kms.faults.accessDenied();
    await expect(keyStore.acceptRestoredStore()).rejects.toMatchObject({
      code: "ERR_KEY_UNCONFIRMED",
      cause: { kind: "access-denied" },
    });
    kms.faults.heal();
    kms.faults.outage();
    await expect(keyStore.acceptRestoredStore()).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    expect((await keyStore.encryptRecording(audio, recording)).keyPairId).toBe(second.keyPairId);
  });

  it("is not taken where it has forged the pair that it names", async () => {
    const { keyStore, store, second } = await rolledBack();
    const hostile = forging(store, () => ({ publicKey: foreignPublicKey }));
    store.readKeyPair = (...args) => hostile.readKeyPair(...args);
    for (const options of [{ dryRun: true }, {}]) {
      await expect(keyStore.acceptRestoredStore(options)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    }
    expect((await keyStore.encryptRecording(audio, recording)).keyPairId).toBe(second.keyPairId);
  });

  it("is left behind for the newer pair where the operator wants that", async () => {
    const { keyStore, keyStoreWith, second } = await rolledBack();
    const report = { believed: { keyPairId: second.keyPairId }, storeHead: { sequence: 1 }, done: true };
    expect(await keyStore.replaceUntrustedHead()).toMatchObject(report);
    await expectAllRotate([keyStore, keyStoreWith()], 3);
  });

  it("that names no pair at all has nothing to go back to", async () => {
    const { keyStore, store } = await rolledBack();
    store.readHead = () => Promise.resolve(undefined);
    await expect(keyStore.acceptRestoredStore()).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED" });
  });
});

describe("a head that nobody vouches for", () => {
  type World = Awaited<ReturnType<typeof configured>>;
  const heads: { name: string; plant: (world: World) => Promise<unknown> }[] = [
    { name: "a forged pair ahead", plant: ({ store }) => plantForgedHead(store) },
    {
      name: "a forged pair with the highest number there is",
      plant: ({ store }) => plantForgedHead(store, { sequence: 2 ** 53 - 2 }),
    },
    {
      name: "a pair that the store does not have",
      plant: async ({ store }) => {
        const [newest] = await store.listKeyPairs(organizationId, { limit: 1 });
        await swingHead(store, bornWith(documentOf(newest!), { keyPairId: "missing", sequence: 3 }));
      },
    },
    {
      name: "no document",
      plant: async ({ store }) =>
        store.swapHead(organizationId, (await headOf(store)).revision, Buffer.from("nothing of ours")),
    },
  ];

  /** Two pairs and the head after them spoilt; a worker that holds the second one. */
  async function spoilt(plant: (world: World) => Promise<unknown>) {
    const parts = await configured({ background: false });
    await parts.keyStore.rotate();
    const active = await parts.keyStore.encryptRecording(audio, recording);
    await plant(parts);
    parts.clock.advance(61_000);
    return { ...parts, active };
  }

  it.each(heads)("stops no recording, and no change is built upon it: $name", async ({ plant }) => {
    const { keyStore, keyStoreWith, active } = await spoilt(plant);
    for (const worker of [keyStore, keyStoreWith()]) {
      const used = { keyPairId: active.keyPairId, usedLastKnownKey: true, confirmation: "confirmed" };
      expect(await worker.encryptRecording(audio, recording)).toMatchObject(used);
      const refusal = { code: expect.stringMatching(/^ERR_(KEY_PAIR_UNTRUSTED|STORE_CORRUPT)$/) };
      await expect(worker.rotate()).rejects.toMatchObject(refusal);
      await expect(worker.configure({ kmsKeyAliasArn })).rejects.toMatchObject(refusal);
      expect((await worker.status()).storeError).toMatchObject(refusal);
    }
  });

  it.each(heads)("is replaced by the pair in use, and every worker changes the key again: $name", async ({ plant }) => {
    const { keyStore, keyStoreWith, store, active } = await spoilt(plant);
    const fresh = keyStoreWith();
    await fresh.encryptRecording(audio, recording);
    const before = await contentOf(store);
    const believed = { keyPairId: active.keyPairId, sequence: 2, active: true };
    expect(await keyStore.replaceUntrustedHead({ dryRun: true })).toMatchObject({ believed, done: false });
    expect(await contentOf(store)).toEqual(before);
    expect(await keyStore.replaceUntrustedHead()).toMatchObject({ believed, before: { sequence: 2 }, done: true });
    expect(await keyStore.replaceUntrustedHead()).toMatchObject({ believed, done: false });
    await expectAllRotate([keyStore, fresh, keyStoreWith()], 3);
  });

  it.each(heads)(
    "is replaced by a fresh worker with the newest pair that KMS vouches for: $name",
    async ({ plant }) => {
      const { keyStore, keyStoreWith, store, active } = await spoilt(plant);
      const fresh = keyStoreWith();
      const before = await headOf(store);
      const believed = { keyPairId: active.keyPairId, sequence: 2 };
      expect(await fresh.replaceUntrustedHead({ dryRun: true })).toMatchObject({
        believed,
        vouchedBy: "kms",
        done: false,
      });
      expect(await headOf(store)).toEqual(before);
      expect(await fresh.replaceUntrustedHead()).toMatchObject({ believed, vouchedBy: "kms", done: true });
      await expectAllRotate([fresh, keyStore], 3);
    },
  );

  it("that the operator looks at first is named in the report, with why it is not followed", async () => {
    const { keyStore, active } = await spoilt(({ store }) => plantForgedHead(store));
    await keyStore.encryptRecording(audio, recording);
    expect(await keyStore.replaceUntrustedHead({ dryRun: true })).toMatchObject({
      storeHead: { keyPairId: "forged", sequence: 3 },
      storeError: { code: "ERR_KEY_PAIR_UNTRUSTED" },
      before: { keyPairId: active.keyPairId, active: true },
      believed: { keyPairId: active.keyPairId, active: true },
    });
  });

  it("is replaced by nothing that nobody vouches for", async () => {
    const { keyStoreWith, store } = await configured({ background: false });
    await plantForgedHead(store);
    const hostile = forging(store, () => ({ publicKey: foreignPublicKey }), { listed: true });
    const fresh = keyStoreWith({ store: hostile });
    const before = await headOf(store);
    for (const options of [{ dryRun: true }, {}]) {
      await expect(fresh.replaceUntrustedHead(options)).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
    }
    expect(await headOf(store)).toEqual(before);
  });

  it("stays while KMS can't be asked, since it might be genuine", async () => {
    const { keyStore, store, kms } = await spoilt(({ store: planted }) => plantForgedHead(planted));
    const before = await headOf(store);
    kms.faults.outage();
    await expect(keyStore.replaceUntrustedHead()).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    expect(await headOf(store)).toEqual(before);
  });

  it("is not replaced over another worker that has just moved it", async () => {
    const { keyStoreWith, store } = await spoilt(({ store: planted }) => plantForgedHead(planted));
    const late = keyStoreWith({ store: overridden(store, { swapHead: () => Promise.resolve(undefined) }) });
    await expect(late.replaceUntrustedHead()).rejects.toMatchObject({ code: "ERR_STORE_CONFLICT", retryable: true });
  });
});

describe("a dry run", () => {
  it.each(["acceptRestoredStore", "replaceUntrustedHead"] as const)(
    "of %s() writes nothing to the store",
    async (method) => {
      const { keyStore, keyStoreWith, store } = await configured({ background: false });
      const old = await headOf(store);
      await keyStore.rotate();
      await restoreHead(store, old);
      const before = await contentOf(store);
      for (const worker of [keyStore, keyStoreWith()]) {
        expect(await worker[method]({ dryRun: true })).toMatchObject({ done: false });
        expect(await contentOf(store)).toEqual(before);
      }
    },
  );

  it("of replaceUntrustedHead() writes nothing where it searches the store", async () => {
    const { keyStoreWith, store } = await configured({ background: false });
    await plantForgedHead(store);
    const before = await contentOf(store);
    expect(await keyStoreWith().replaceUntrustedHead({ dryRun: true })).toMatchObject({
      believed: { sequence: 1 },
      done: false,
    });
    expect(await contentOf(store)).toEqual(before);
  });
});

describe("a head that KMS vouches for", () => {
  it("is followed and left where it is", async () => {
    const { keyStore, keyStoreWith, store } = await configured({ background: false });
    const newer = await keyStoreWith().rotate();
    const before = await headOf(store);
    expect(await keyStore.replaceUntrustedHead()).toMatchObject({
      believed: { keyPairId: newer.keyPairId },
      done: false,
    });
    expect(await headOf(store)).toEqual(before);
    expect((await keyStore.rotate()).sequence).toBe(3);
  });
});

describe("an organization that is not configured", () => {
  it.each(["acceptRestoredStore", "replaceUntrustedHead"] as const)("has nothing for %s()", async (method) => {
    const { keyStoreWith } = await configured();
    const other = keyStoreWith({ organizationId: "org-2" });
    await expect(other[method]()).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED" });
    await expect(other[method]({ dryRun: "yes" as never })).rejects.toMatchObject({ field: "dryRun" });
  });
});
