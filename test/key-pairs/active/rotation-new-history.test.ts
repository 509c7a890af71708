import { afterEach, describe, expect, it, vi } from "vitest";
import type { KeyPairStore } from "../../../src/index.js";
import type { VouchedKeyPair } from "../../../src/key-pairs/trust.js";
import { kmsError } from "../../../src/kms/kms-error.js";
import { overridden } from "../../support/setup.js";
import { altered, decryptBy } from "../altered-kms.js";
import { invented } from "../inventions.js";
import { configuration, organizationId, pointAsWriter, putAsWriter, world, type WorkerOptions } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
const unreachable = { attestation: kmsError("unreachable", { operation: "Decrypt", message: "no" }) };
afterEach(() => void vi.restoreAllMocks());

type World = ReturnType<typeof world>;

const aheadOf = (pair: VouchedKeyPair, sequence: number) =>
  invented({ kmsKeyArn: pair.wrapping.kmsKeyArn, birth: { sequence, previousDigest: pair.digest } });

async function writeHead(store: KeyPairStore, document: Uint8Array): Promise<void> {
  await store.swapHead(organizationId, (await store.readHead(organizationId))?.revision, document);
}

describe("a new history", () => {
  it("is none while the head is genuine", async () => {
    const { configured } = world();
    const { rotation, pair } = await configured();
    const next = await rotation.rotate({ configuration, newHistory: true });
    expect(next.birth).toMatchObject({ sequence: 2, previousDigest: pair.digest });
  });

  it("of an organization without one is its first", async () => {
    const { rotation } = world().worker();
    expect((await rotation.rotate({ configuration, newHistory: true })).birth.sequence).toBe(1);
    await expect(world().worker().rotation.rotate({ newHistory: true })).rejects.toMatchObject({
      code: "ERR_NOT_CONFIGURED",
    });
  });

  it.each<[what: string, fail: (parts: World) => unknown, code: string]>([
    ["KMS can't be asked", ({ kms }) => kms.faults.outage(), "ERR_KMS_UNAVAILABLE"],
    [
      "the store can't be read",
      ({ store }) => vi.spyOn(store, "readHead").mockImplementation(away),
      "ERR_STORE_UNAVAILABLE",
    ],
  ])("is not begun where %s", async (_, fail, code) => {
    const parts = world();
    const { pair } = await parts.configured();
    const head = await parts.store.readHead(organizationId);
    const { rotation } = parts.worker();
    fail(parts);
    await expect(rotation.rotate({ configuration, newHistory: true })).rejects.toMatchObject({ code });
    vi.restoreAllMocks();
    expect(await parts.store.readHead(organizationId)).toEqual(head);
    expect(await parts.store.listKeyPairs(organizationId, { limit: 9 })).toMatchObject([
      { keyPairId: pair.birth.keyPairId },
    ]);
  });

  it.each<[what: string, options: (parts: World) => WorkerOptions, code: string]>([
    [
      "KMS",
      ({ provider }) => ({ kms: altered(provider, { decrypt: decryptBy(provider, unreachable) }) }),
      "ERR_KMS_UNAVAILABLE",
    ],
    ["the store", ({ store }) => ({ store: overridden(store, { readKeyPair: away }) }), "ERR_STORE_UNAVAILABLE"],
  ])("leaves no genuine head behind of which only %s can't be asked", async (_, options, code) => {
    const parts = world();
    const { rotation } = await parts.configured(options(parts));
    const genuine = await parts.worker().rotation.rotate({});
    await expect(rotation.rotate({ configuration, newHistory: true })).rejects.toMatchObject({ code });
    expect((await parts.worker().records.readHead())?.digest).toEqual(genuine.digest);
  });

  it("is not begun while KMS can't be asked which pair of the store is genuine", async () => {
    const { configured, worker, store, kms } = world();
    await configured();
    await writeHead(store, Buffer.from("torn"));
    kms.faults.outage();
    const failed = worker().rotation.rotate({ configuration, newHistory: true });
    await expect(failed).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    expect(Buffer.from((await store.readHead(organizationId))!.document).toString()).toBe("torn");
  });

  it("goes on from the genuine pair however many forgeries lie before that", async () => {
    const { configured, worker, store, plant, kms } = world();
    const { pair } = await configured();
    for (let sequence = 2; sequence < 42; sequence += 1) await putAsWriter(store, aheadOf(pair, sequence));
    await plant(aheadOf(pair, 50));
    kms.journal.clear();
    const next = await worker().rotation.rotate({ configuration, newHistory: true });
    expect(next.birth).toMatchObject({ sequence: 2, previousDigest: pair.digest });
  });

  it.each([true, false])("is not begun for a caller who has left, who is told just that: %s", async (newHistory) => {
    const { configured, store } = world();
    const { rotation, records } = await configured();
    await writeHead(store, Buffer.from("torn"));
    const [leaving, left] = [new AbortController(), new Error("left")];
    const readHead = records.readHead.bind(records);
    vi.spyOn(records, "readHead").mockImplementationOnce(async (signal) => {
      leaving.abort(left);
      return readHead(signal && new AbortController().signal);
    });
    await expect(rotation.rotate({ newHistory, signal: leaving.signal })).rejects.toBe(left);
  });

  it("gives back to the store the pair that it has lost, so that the history is whole", async () => {
    const { configured, store } = world();
    const { rotation, pair, records } = await configured();
    await store.removeKeyPair(organizationId, pair.birth.keyPairId);
    await writeHead(store, Buffer.from("torn"));
    const next = await rotation.rotate({ newHistory: true });
    const walked: number[] = [];
    for await (const each of records.chain({ digest: next.digest }, () => 9)) walked.push(each.pair.birth.sequence);
    expect(walked).toEqual([2, 1]);
  });

  it("goes on from the newest pair that is held where the head went backwards", async () => {
    const { configured, store, kms } = world();
    const { rotation, pair: first } = await configured();
    await rotation.rotate({});
    const third = await rotation.rotate({});
    await pointAsWriter(store, first);
    kms.journal.clear();
    const message =
      "the store's head is at key pair 1, and this host has seen 3; " +
      "if the store was restored on purpose, call acceptRestoredStore()";
    for (const request of [{}, { configuration }]) {
      await expect(rotation.rotate(request)).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK", message });
    }
    expect(kms.journal.count()).toBe(0);
    const fourth = await rotation.rotate({ newHistory: true });
    expect(fourth.birth).toMatchObject({ sequence: 4, previousDigest: third.digest });
  });

  it("goes on where the store has no head any more", async () => {
    const { configured, store } = world();
    const { rotation, pair } = await configured();
    vi.spyOn(store, "readHead").mockResolvedValue(undefined);
    await expect(rotation.rotate({})).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    const swapHead = vi
      .spyOn(store, "swapHead")
      .mockImplementation(async () => ({ revision: "1", document: Buffer.of() }));
    const next = await rotation.rotate({ newHistory: true });
    expect(next.birth).toMatchObject({ sequence: 2, previousDigest: pair.digest });
    expect(swapHead.mock.lastCall?.[1]).toBeUndefined();
  });
});
