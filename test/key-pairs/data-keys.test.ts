import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { DataKeyLease } from "../../src/recording/data-key-lease.js";
import { DataKeys, newDataKey, type Recipient } from "../../src/key-pairs/data-keys.js";
import type { KeyPair } from "../../src/key-pairs/key-pair.js";
import { encodeBirthRecord } from "../../src/key-pairs/birth-record.js";
import { decodeDocument, encodeDocument } from "../../src/key-pairs/documents.js";
import { KeyTrust } from "../../src/key-pairs/key-trust.js";
import { TrustAnchor } from "../../src/kms/trust-anchor.js";
import { accountId, homeRegion, minute, organizationId, times, world } from "./world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

const dataKey = randomBytes(32);
const recipientOf = (pair: KeyPair): Recipient => ({ birthRecord: pair.birthRecord, wrappedDataKey: pair.wrappingKey.wrap(dataKey) });
const embeddedOf = (pair: KeyPair): Recipient => ({ ...recipientOf(pair), kmsKeyArn: pair.wrapping.kmsKeyArn, wrappedPrivateKey: pair.wrapping.ciphertext });

/** An organization with one pair, and a worker that opens data keys. */
async function opening(more: Parameters<ReturnType<typeof world>["worker"]>[0] = {}, embeddedKeys?: readonly string[]) {
  const parts = world();
  const { pair, rotation } = await parts.configured();
  const made = parts.worker(more);
  parts.kms.journal.clear();
  const dataKeys = new DataKeys(made.context, embeddedKeys && new TrustAnchor(embeddedKeys, "embeddedKeys"));
  return { ...parts, ...made, pair, changing: rotation, dataKeys };
}

async function opened({ lease }: { lease: DataKeyLease }): Promise<boolean> {
  const key = await lease.dataKey();
  lease.release();
  return key.equals(dataKey);
}

it("a new data key is 32 bytes of its own", () => {
  const [one, other] = [newDataKey(), newDataKey()];
  expect([one.length, one.byteOffset, one.buffer.byteLength, one.equals(other), one.equals(Buffer.alloc(32))]).toEqual([32, 0, 32, false, false]);
});

describe("a recording's data key", () => {
  it("is opened by the pair that the store has, one call to KMS and to the store for all of them", async () => {
    const { dataKeys, pair, kms, store } = await opening();
    const read = vi.spyOn(store, "readKeyPair");
    const leases = [await dataKeys.lease([recipientOf(pair)]), await dataKeys.lease([recipientOf(pair)])];
    for (const lease of leases) expect([lease.keyPairId, await opened(lease)]).toEqual([pair.birth.keyPairId, true]);
    expect([kms.journal.count("Decrypt"), read.mock.calls.length]).toEqual([1, 1]);
    expect(kms.journal.calls()[0]?.encryptionContext?.["recording-keystore:purpose"]).toBe("private-key");
  });

  it.each([
    [minute, minute],
    [5 * minute, 5 * minute],
    [1_000, 1_000],
    [0, 1_000],
  ])("is lent with a privateKeyTtl of %i ms for %i ms", async (privateKeyTtl, hold) => {
    const { dataKeys, pair, clock } = await opening({ times: { ...times, privateKeyTtl } });
    const { lease } = await dataKeys.lease([recipientOf(pair)]);
    clock.advance(hold - 1);
    expect(lease.valid()).toBe(true);
    clock.advance(1);
    expect(lease.valid()).toBe(false);
    lease.release();
  });

  it("is asked of each recipient in turn, and of the first failure all are told", async () => {
    const { dataKeys, pair, changing } = await opening();
    const next = await changing.change({});
    const spoilt = { ...recipientOf(pair), wrappedDataKey: randomBytes(80) };
    const lease = await dataKeys.lease([spoilt, recipientOf(next)]);
    expect([lease.keyPairId, await opened(lease)]).toEqual([next.birth.keyPairId, true]);
    const unknown = { ...spoilt, birthRecord: encodeBirthRecord({ ...pair.birth, keyPairId: "unknown" }) };
    await expect(dataKeys.lease([unknown, spoilt])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_NOT_FOUND", message: "the store has no key pair unknown, with which the recording was encrypted" });
    await expect(dataKeys.lease([spoilt, unknown])).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
  });

  it("is not asked of the next recipient by who has left", async () => {
    const { dataKeys, pair, store } = await opening();
    const read = vi.spyOn(store, "readKeyPair");
    const left = new Error("left");
    await expect(dataKeys.lease([recipientOf(pair), recipientOf(pair)], AbortSignal.abort(left))).rejects.toBe(left);
    expect(read).toHaveBeenCalledTimes(1);
  });

  it("of another organization is refused before anything is read", async () => {
    const { dataKeys, pair, store, kms } = await opening();
    const read = vi.spyOn(store, "readKeyPair");
    const foreign = { ...recipientOf(pair), birthRecord: encodeBirthRecord({ ...pair.birth, organizationId: "org-2" }) };
    await expect(dataKeys.lease([foreign])).rejects.toMatchObject({ code: "ERR_RECORDING_MISMATCH", message: "the recording's key pair belongs to another organization" });
    expect([read.mock.calls.length, kms.journal.count()]).toEqual([0, 0]);
  });

  it("under another birth record than the store's was changed", async () => {
    const { dataKeys, pair, kms } = await opening();
    const other = { ...recipientOf(pair), birthRecord: encodeBirthRecord({ ...pair.birth, sequence: 9 }) };
    const refused = { code: "ERR_RECORDING_TAMPERED", message: `the recording names key pair ${pair.birth.keyPairId} with another birth record than the store's` };
    for (let time = 0; time < 2; time += 1) await expect(dataKeys.lease([other])).rejects.toMatchObject(refused);
    expect(await opened(await dataKeys.lease([recipientOf(pair)]))).toBe(true);
    expect(kms.journal.count("Decrypt")).toBe(1);
  });

  it("is not opened under a KMS key that the anchor does not cover", async () => {
    const { dataKeys, pair, kms } = await opening({ trust: new KeyTrust(new TrustAnchor(["999999999999"])) });
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(kms.journal.count()).toBe(0);
  });

  it("is not opened by a private half that is not the stored public key's", async () => {
    const { dataKeys, pair, context } = await opening({ decryptionUnder: () => async () => randomBytes(32) });
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED", message: `key pair ${pair.birth.keyPairId}: its public key is not that of its private half` });
    expect(context.custody.size).toBe(0);
  });

  it("of more pairs than are kept in mind costs a read of the store each, and keeps the latest thousand", async () => {
    const { dataKeys, pair, store, context } = await opening({ trust: new KeyTrust(new TrustAnchor(["999999999999"])) });
    const { document } = (await store.readKeyPair(organizationId, pair.birth.keyPairId))!;
    const content = decodeDocument("keyPair", document, "");
    const recipients = Array.from({ length: 1_001 }, (_, index) => {
      const birthRecord = encodeBirthRecord({ ...pair.birth, keyPairId: `pair-${index}` });
      return { birthRecord, stored: encodeDocument("keyPair", { ...content, birthRecord }) };
    });
    const read = vi.spyOn(store, "readKeyPair").mockImplementation(async (_, keyPairId) => ({ organizationId, keyPairId, sequence: 1, document: recipients[Number(keyPairId.slice(5))]!.stored }));
    // Each is read and kept in mind, and then refused by the anchor before KMS is asked.
    const reads = async (...indexes: number[]) => {
      for (const index of indexes) await expect(dataKeys.lease([{ birthRecord: recipients[index]!.birthRecord, wrappedDataKey: Buffer.alloc(80) }])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
      return read.mock.calls.splice(0).length;
    };
    expect(await reads(...Array.from({ length: 1_000 }, (_, index) => index))).toBe(1_000);
    expect(await reads(0, 999)).toBe(0);
    expect(await reads(1_000)).toBe(1);
    expect(await reads(1, 999, 1_000)).toBe(0);
    expect(await reads(0)).toBe(1);
    expect(context.custody.size).toBe(0);
  });
});

describe("a recording's own wrapped private half", () => {
  const lost = (parts: Awaited<ReturnType<typeof opening>>) => vi.spyOn(parts.store, "readKeyPair").mockResolvedValue(undefined);

  it("serves when the store has lost the pair, or is away, and the list allows it", async () => {
    const parts = await opening({}, [accountId]);
    lost(parts);
    expect(await opened(await parts.dataKeys.lease([embeddedOf(parts.pair)]))).toBe(true);
    parts.context.custody.forgetAll();
    vi.spyOn(parts.store, "readKeyPair").mockImplementation(away);
    expect(await opened(await parts.dataKeys.lease([embeddedOf(parts.pair)]))).toBe(true);
  });

  it("does not serve while the store has the pair", async () => {
    const { dataKeys, pair } = await opening({}, [accountId]);
    const spoilt = { ...embeddedOf(pair), wrappedPrivateKey: randomBytes(100), kmsKeyArn: "arn:aws:kms:eu-west-1:999999999999:key/1" };
    expect(await opened(await dataKeys.lease([spoilt]))).toBe(true);
  });

  it("under a KMS key that is not on the list does not", async () => {
    const parts = await opening({}, ["999999999999"]);
    lost(parts);
    const { kmsKeyArn } = embeddedOf(parts.pair);
    await expect(parts.dataKeys.lease([embeddedOf(parts.pair)])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED", message: `the recording's own key is under ${kmsKeyArn}, which embeddedKeys does not cover` });
    expect(parts.kms.journal.count()).toBe(0);
  });

  it.each([
    ["without a list", undefined, (recipient: Recipient) => recipient],
    ["without a KMS key's name", [accountId], ({ kmsKeyArn: _, ...recipient }: Recipient) => recipient],
    ["without the half", [accountId], ({ wrappedPrivateKey: _, ...recipient }: Recipient) => recipient],
  ])("%s does not", async (_, list, change) => {
    const parts = await opening({}, list);
    const read = lost(parts);
    const recipient = change(embeddedOf(parts.pair));
    await expect(parts.dataKeys.lease([recipient])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_NOT_FOUND" });
    read.mockImplementation(away);
    await expect(parts.dataKeys.lease([recipient])).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", retryable: true });
  });

  it("does not serve when what the store has is damaged", async () => {
    const parts = await opening({}, [accountId]);
    vi.spyOn(parts.store, "readKeyPair").mockImplementation(async (_, keyPairId) => ({ organizationId, keyPairId, sequence: 1, document: Buffer.from("torn") }));
    await expect(parts.dataKeys.lease([embeddedOf(parts.pair)])).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT", message: `key pair ${parts.pair.birth.keyPairId}: is not JSON` });
  });
});

describe("what KMS says when a private half is unwrapped", () => {
  it("counts for status() when it is the active pair's, and for none else", async () => {
    const { dataKeys, pair, changing, active, context, kms } = await opening({}, [accountId]);
    const next = await changing.change({});
    await active.acquire(false);
    kms.faults.throttling();
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ kind: "throttled" });
    expect(context.health.trouble).toBeUndefined();
    await expect(dataKeys.lease([recipientOf(next)])).rejects.toMatchObject({ kind: "throttled" });
    expect(context.health.trouble).toMatchObject({ task: "unwrap", error: { kind: "throttled" } });
    kms.faults.heal();
    await opened(await dataKeys.lease([recipientOf(pair)]));
    expect(context.health.trouble?.task).toBe("unwrap");
    await opened(await dataKeys.lease([recipientOf(next)]));
    expect(context.health.trouble).toBeUndefined();
  });

  it("is not the active pair's when the recording's own half was asked about, or none is active", async () => {
    const parts = await opening({}, [accountId]);
    parts.kms.faults.throttling();
    await expect(parts.dataKeys.lease([recipientOf(parts.pair)])).rejects.toMatchObject({ kind: "throttled" });
    parts.kms.faults.heal();
    await parts.active.acquire(false);
    parts.kms.faults.throttling();
    vi.spyOn(parts.store, "readKeyPair").mockResolvedValue(undefined);
    const other = new DataKeys(parts.context, new TrustAnchor([accountId]));
    await expect(other.lease([embeddedOf(parts.pair)])).rejects.toMatchObject({ kind: "throttled" });
    expect(parts.context.health.trouble).toBeUndefined();
  });

  it("takes the key from all who hold it at once when it is a refusal, and only then", async () => {
    const { dataKeys, pair, kms, keyArn, context } = await opening();
    kms.disableKey(keyArn);
    const drop = vi.spyOn(context.custody, "drop");
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KMS_REFUSED" });
    expect(drop.mock.calls).toEqual([[{ organizationId, digest: pair.digest }]]);
    kms.enableKey(keyArn);
    kms.faults.throttling();
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    expect(drop).toHaveBeenCalledTimes(1);
  });

  it("is asked in the Region of the wrapping", async () => {
    const { dataKeys, pair, kms } = await opening();
    await opened(await dataKeys.lease([recipientOf(pair)]));
    expect(kms.journal.calls()[0]).toMatchObject({ region: homeRegion, keyId: pair.wrapping.kmsKeyArn });
  });
});
