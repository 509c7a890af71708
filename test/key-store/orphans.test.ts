import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { KeyPairStore } from "../../src/index.js";
import type { KeyPairInfo } from "../../src/administration.js";
import { decodeDocument, encodeDocument } from "../../src/key-pairs/documents.js";
import { configured, organizationId, overridden, setup } from "../support/setup.js";
import type { StoredHead } from "../../src/stores/index.js";

const audio = randomBytes(1_000);
const stored = async (store: KeyPairStore) =>
  (await store.listKeyPairs(organizationId, { limit: 100 })).map(({ keyPairId, sequence }) => ({
    keyPairId,
    sequence,
  }));

/** What stands beside a pair about whether it was ever active. */
const fateOf = async (store: KeyPairStore, keyPairId: string) => {
  const beside = await store.listWrappings(organizationId, keyPairId);
  const found = beside.find(({ wrappingId }) => wrappingId === "fate");
  return found && decodeDocument("fate", found.document, "fate");
};

/** Several workers that change the key at once: each has stored its pair before the first swings the head. */
async function race(workers: number) {
  const parts = await configured();
  let waiting = 0;
  let start: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (start = resolve));
  const swapHead: KeyPairStore["swapHead"] = async (...args) => {
    waiting += 1;
    if (waiting >= workers) start();
    await all;
    return parts.store.swapHead(...args);
  };
  const store = overridden(parts.store, { swapHead });
  const pairs = await Promise.all(Array.from({ length: workers }, () => parts.keyStoreWith({ store }).rotate()));
  expect(new Set(pairs.map(({ keyPairId }) => keyPairId)).size).toBe(1);
  return { ...parts, winner: pairs[0]!.keyPairId };
}

type Fate = NonNullable<Awaited<ReturnType<typeof fateOf>>>;

/** What somebody who can write to the store can put there: KMS has not sealed it. */
function forgedMark({ digest, kmsKeyArn }: Pick<KeyPairInfo, "digest" | "kmsKeyArn">): Buffer {
  return encodeDocument("fate", {
    digest: Buffer.from(digest, "base64url"),
    mark: { kmsKeyArn, ciphertext: randomBytes(150) },
  });
}

describe("pairs that never were active", () => {
  it("are removed when asked for, and nothing else is", async () => {
    const { keyStore, store, winner } = await race(4);
    const before = await stored(store);
    expect(before.map(({ sequence }) => sequence)).toEqual([2, 2, 2, 2, 1]);
    const lost = before.filter(({ keyPairId, sequence }) => sequence === 2 && keyPairId !== winner);
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    expect(await keyStore.removeOrphanedKeyPairs({ dryRun: true })).toEqual({ removed: lost, kept: [] });
    expect(await stored(store)).toEqual(before);
    expect(await keyStore.removeOrphanedKeyPairs()).toEqual({ removed: lost, kept: [] });
    expect((await stored(store)).map(({ sequence }) => sequence)).toEqual([2, 1]);
    for (const { keyPairId } of lost) expect(await store.listWrappings(organizationId, keyPairId)).toEqual([]);
    expect(await keyStore.removeOrphanedKeyPairs()).toEqual({ removed: [], kept: [] });
    keyStore.forgetPrivateKeys();
    expect(Buffer.from((await keyStore.decryptRecording(body, { recordingId: "r" })).body).equals(audio)).toBe(true);
    expect((await keyStore.keyPairs()).items).toHaveLength(2);
  });

  it("stay where a crash has left no proof", async () => {
    const { keyStore, keyStoreWith, store } = await configured();
    const crashing = keyStoreWith({ store: overridden(store, { swapHead: () => new Promise(() => undefined) }) });
    void crashing.rotate().catch(() => undefined);
    await expect.poll(async () => (await stored(store)).length).toBe(2);
    const [orphan] = await stored(store);
    // Ahead of the head it might be on its way; it is nobody's business yet.
    expect(await keyStore.removeOrphanedKeyPairs()).toEqual({ removed: [], kept: [] });
    await keyStore.rotate();
    expect(await keyStore.removeOrphanedKeyPairs()).toEqual({ removed: [], kept: [orphan] });
    expect(await stored(store)).toContainEqual(orphan);
  });

  it("are told from pairs that a restored store no longer names: recordings need those", async () => {
    const { keyStore, keyStoreWith, store } = await configured();
    const { revision, document } = (await store.readHead(organizationId)) as StoredHead;
    await keyStore.rotate();
    const { body, keyPairId } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    const now = (await store.readHead(organizationId)) as StoredHead;
    expect(now.revision).not.toBe(revision);
    await store.swapHead(organizationId, now.revision, document); // the head alone was restored
    const afterwards = keyStoreWith();
    await afterwards.rotate();
    expect(await afterwards.removeOrphanedKeyPairs()).toEqual({ removed: [], kept: [{ keyPairId, sequence: 2 }] });
    expect(Buffer.from((await afterwards.decryptRecording(body, { recordingId: "r" })).body).equals(audio)).toBe(true);
  });

  it("are not taken for lost when a store's client has called a success a refusal", async () => {
    const { keyStore, keyStoreWith, store } = await configured();
    let lied = false;
    const repeating = overridden(store, {
      swapHead: async (...args) => {
        const swapped = await store.swapHead(...args);
        if (lied) return swapped;
        lied = true;
        await keyStore.rotate(); // and another worker has already moved on
        return undefined;
      },
    });
    await keyStoreWith({ store: repeating }).rotate();
    expect(lied).toBe(true);
    const history = (await keyStore.keyPairs()).items.map(({ keyPairId }) => keyPairId);
    for (const keyPairId of history) expect(await fateOf(store, keyPairId)).not.toHaveProperty("mark");
    expect(
      (await keyStore.removeOrphanedKeyPairs()).removed.filter(({ keyPairId }) => history.includes(keyPairId)),
    ).toEqual([]);
  });

  it.each<[name: string, change: (genuine: Fate) => Uint8Array]>([
    ["of another pair", (genuine) => encodeDocument("fate", { ...genuine, digest: randomBytes(32) })],
    [
      "that KMS has not sealed",
      ({ digest, mark }) => encodeDocument("fate", { digest, mark: { ...mark!, ciphertext: randomBytes(150) } }),
    ],
    [
      "under another KMS key",
      ({ digest, mark }) => encodeDocument("fate", { digest, mark: { ...mark!, kmsKeyArn: `${mark!.kmsKeyArn}0` } }),
    ],
    ["that says nothing", ({ digest }) => encodeDocument("fate", { digest })],
    ["that is none", () => Buffer.from("{}")],
  ])("are kept with a mark %s", async (_name, change) => {
    const { keyStore, keyStoreWith, store, winner } = await race(2);
    const orphan = (await stored(store)).find(({ keyPairId, sequence }) => sequence === 2 && keyPairId !== winner)!;
    const document = change((await fateOf(store, orphan.keyPairId))!);
    const reading = overridden(store, { listWrappings: async () => [{ wrappingId: "fate", document }] });
    expect(await keyStoreWith({ store: reading }).removeOrphanedKeyPairs()).toEqual({ removed: [], kept: [orphan] });
    expect(await keyStore.removeOrphanedKeyPairs({ dryRun: true })).toEqual({ removed: [orphan], kept: [] });
  });

  it("a mark on a pair of the history changes nothing", async () => {
    const { keyStore, store } = await configured();
    const [active] = (await keyStore.keyPairs()).items;
    await store.createWrapping(organizationId, active!.keyPairId, {
      wrappingId: "fate",
      document: forgedMark(active!),
    });
    await keyStore.rotate();
    expect(await keyStore.removeOrphanedKeyPairs()).toEqual({ removed: [], kept: [] });
    expect(await stored(store)).toHaveLength(2);
  });

  it("stay while the history can't be read whole, and where the store removes nothing", async () => {
    const { keyStoreWith, store } = await race(3);
    const count = (await stored(store)).length;
    const [first] = (await stored(store)).slice(-1);
    const damaged = overridden(store, {
      listKeyPairs: async (...args) =>
        (await store.listKeyPairs(...args)).filter(({ keyPairId }) => keyPairId !== first?.keyPairId),
    });
    await expect(keyStoreWith({ store: damaged }).removeOrphanedKeyPairs()).rejects.toMatchObject({
      code: "ERR_STORE_CORRUPT",
    });
    const keeping = new Proxy(overridden(store, {}), {
      get: (target, name) => (name === "removeKeyPair" ? undefined : (Reflect.get(target, name) as unknown)),
    });
    await expect(keyStoreWith({ store: keeping }).removeOrphanedKeyPairs()).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "store",
    });
    expect((await keyStoreWith({ store: keeping }).removeOrphanedKeyPairs({ dryRun: true })).removed).toHaveLength(2);
    await expect(keyStoreWith().removeOrphanedKeyPairs({ dryRun: "yes" as never })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "dryRun",
    });
    expect(await stored(store)).toHaveLength(count);
  });

  it("nothing is there to remove before configuration", async () => {
    await expect(setup().keyStore.removeOrphanedKeyPairs()).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED" });
  });

  it("a mark on a pair that an old head does not name has nothing removed, where the newer head was seen", async () => {
    const { keyStore, store } = await configured();
    const { document } = (await store.readHead(organizationId)) as StoredHead;
    const newer = await keyStore.rotate();
    const { revision } = (await store.readHead(organizationId)) as StoredHead;
    await store.createWrapping(organizationId, newer.keyPairId, { wrappingId: "fate", document: forgedMark(newer) });
    await store.swapHead(organizationId, revision, document);
    await expect(keyStore.removeOrphanedKeyPairs()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    expect(await stored(store)).toHaveLength(2);
  });
});
