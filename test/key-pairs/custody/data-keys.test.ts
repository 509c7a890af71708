import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeBirthRecord } from "../../../src/format/birth-record.js";
import { newDataKey } from "../../../src/format/data-key-wrapping.js";
import { rewrapKeyPairs } from "../operations/rewrap-worlds.js";
import { storedWrapping } from "../../../src/key-pairs/wrappings.js";
import { altered, decryptBy, purposeOf } from "../altered-kms.js";
import { dataKeysOf, opened, opening, recipientOf } from "./data-key-worlds.js";
import { invented } from "../inventions.js";
import { accountId, homeRegion, kmsKeyAliasArn, minute, organizationId, putAsWriter, times, turns } from "../world.js";

afterEach(() => void vi.restoreAllMocks());

describe("a new data key", () => {
  it("is 32 random bytes of its own", () => {
    const [one, other] = [newDataKey(), newDataKey()];
    expect([one.length, one.byteOffset, one.buffer.byteLength]).toEqual([32, 0, 32]);
    expect([one.equals(other), one.equals(Buffer.alloc(32))]).toEqual([false, false]);
  });
});

describe("a recording's data key", () => {
  it("is opened by the store's pair, with one call to KMS and to the store for all of them", async () => {
    const { dataKeys, pair, kms, store } = await opening();
    const read = vi.spyOn(store, "readKeyPair");
    const leases = [await dataKeys.lease([recipientOf(pair)]), await dataKeys.lease([recipientOf(pair)])];
    for (const lease of leases) expect([lease.keyPairId, await opened(lease)]).toEqual([pair.birth.keyPairId, true]);
    expect({ calls: kms.journal.calls().map(purposeOf), reads: read.mock.calls.length }).toEqual({
      calls: ["private-key"],
      reads: 1,
    });
    expect(kms.journal.calls()[0]).toMatchObject({ operation: "Decrypt", keyId: pair.wrapping.kmsKeyArn });
  });

  it("is read once for each pair that KMS has unwrapped, also after keys were forgotten", async () => {
    const { dataKeys, pair, custody, store } = await opening();
    const read = vi.spyOn(store, "readKeyPair");
    await opened(await dataKeys.lease([recipientOf(pair)]));
    custody.forgetAll();
    await opened(await dataKeys.lease([recipientOf(pair)]));
    expect(read).toHaveBeenCalledTimes(1);
  });

  it.each([
    [minute, minute],
    [5 * minute, 5 * minute],
    [1_000, 1_000],
    [999, 1_000],
    [0, 1_000],
  ])("is leased with a privateKeyTtl of %i ms for %i ms", async (privateKeyTtl, duration) => {
    const { dataKeys, pair, clock } = await opening({ times: { ...times, privateKeyTtl } });
    const { lease } = await dataKeys.lease([recipientOf(pair)]);
    clock.advance(duration - 1);
    expect(lease.valid()).toBe(true);
    clock.advance(1);
    expect(lease.valid()).toBe(false);
    lease.release();
  });

  it("is unwrapped by KMS for whoever asks for that, though the private half is in memory, and stays there", async () => {
    const { dataKeys, pair, kms } = await opening();
    await opened(await dataKeys.lease([recipientOf(pair)]));
    expect(await opened(await dataKeys.lease([recipientOf(pair)], { askKms: true }))).toBe(true);
    await opened(await dataKeys.lease([recipientOf(pair)]));
    expect(kms.journal.calls().map(purposeOf)).toEqual(["private-key", "private-key"]);
  });

  it("is unwrapped anew once privateKeyTtl is over", async () => {
    const { dataKeys, pair, clock, kms } = await opening();
    await opened(await dataKeys.lease([recipientOf(pair)]));
    clock.advance(minute - 1);
    await opened(await dataKeys.lease([recipientOf(pair)]));
    expect(kms.journal.count("Decrypt")).toBe(1);
    clock.advance(1);
    await opened(await dataKeys.lease([recipientOf(pair)]));
    expect(kms.journal.count("Decrypt")).toBe(2);
  });

  it("of another organization is refused before anything is read", async () => {
    const { dataKeys, pair, store, kms } = await opening();
    const read = vi.spyOn(store, "readKeyPair");
    const birthRecord = encodeBirthRecord({ ...pair.birth, organizationId: "org-2" });
    await expect(dataKeys.lease([{ ...recipientOf(pair), birthRecord }])).rejects.toMatchObject({
      code: "ERR_RECORDING_MISMATCH",
      message: "the recording's key pair belongs to another organization",
    });
    expect({ reads: read.mock.calls.length, calls: kms.journal.count() }).toEqual({ reads: 0, calls: 0 });
  });

  it("of a pair that was made for a test is refused before anything is read", async () => {
    const { dataKeys, pair, store, kms } = await opening({}, [accountId]);
    const read = vi.spyOn(store, "readKeyPair");
    const birthRecord = encodeBirthRecord({ ...pair.birth, purpose: "test" });
    await expect(dataKeys.lease([{ ...recipientOf(pair), birthRecord }])).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: `the recording's key pair ${pair.birth.keyPairId} was made for a test`,
    });
    expect({ reads: read.mock.calls.length, calls: kms.journal.count() }).toEqual({ reads: 0, calls: 0 });
  });

  it("under another birth record than the store's was changed", async () => {
    const { dataKeys, pair, kms } = await opening();
    const birthRecord = encodeBirthRecord({ ...pair.birth, createdAt: 9 });
    const refused = {
      code: "ERR_RECORDING_TAMPERED",
      message: `the recording names key pair ${pair.birth.keyPairId} with another birth record than the store's`,
    };
    for (let time = 0; time < 2; time += 1) {
      await expect(dataKeys.lease([{ ...recipientOf(pair), birthRecord }])).rejects.toMatchObject(refused);
    }
    expect(await opened(await dataKeys.lease([recipientOf(pair)]))).toBe(true);
    expect(kms.journal.count("Decrypt")).toBe(1);
  });

  it("is not opened under a KMS key that the anchor does not cover", async () => {
    const { dataKeys, pair, kms } = await opening({ trustedKmsKeys: ["999999999999"] });
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(kms.journal.count()).toBe(0);
  });

  it("is not opened by a private half that is not the stored public key's, which is not kept", async () => {
    const parts = await opening();
    const kms = altered(parts.provider, { decrypt: decryptBy(parts.provider, { "private-key": Buffer.alloc(32, 9) }) });
    const { context } = parts.worker({ kms });
    await expect(dataKeysOf(context).lease([recipientOf(parts.pair)])).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: `key pair ${parts.pair.birth.keyPairId}: its public key is not that of its private half`,
    });
    expect(context.custody.size).toBe(0);
  });

  it("waits for KMS once for all who ask at a time", async () => {
    const { dataKeys, pair, kms } = await opening();
    const leases = await Promise.all(Array.from({ length: 50 }, () => dataKeys.lease([recipientOf(pair)])));
    for (const lease of leases) expect(await opened(lease)).toBe(true);
    expect(kms.journal.count("Decrypt")).toBe(1);
  });

  it("is read of the store for a caller who may leave", async () => {
    const { dataKeys, pair, records } = await opening();
    const { signal } = new AbortController();
    const read = vi.spyOn(records, "readPair");
    await opened(await dataKeys.lease([recipientOf(pair)], { signal }));
    expect(read.mock.lastCall).toEqual([pair.birth.keyPairId, signal]);
  });
});

describe("a pair that KMS has opened once", () => {
  /** Pairs that a KMS of the test opens, more than can be kept. */
  async function many(length: number) {
    const parts = await opening();
    const { calls, records } = parts;
    const pairs = Array.from({ length }, (_, index) => invented({ birth: { keyPairId: `pair-${index}` } }));
    const read = vi.spyOn(records, "readPair").mockImplementation(async (id) => pairs[Number(id.slice(5))]);
    vi.spyOn(calls, "unwrapHalf").mockImplementation(async ({ publicKey }) => ({
      publicKey,
      unwrap: () => Buffer.alloc(32),
    }));
    /** How many of these pairs had to be read of the store. */
    const reads = async (...indexes: number[]) => {
      for (const index of indexes) {
        const { birthRecord } = pairs[index]!;
        const { lease } = await parts.dataKeys.lease([{ birthRecord, wrappedDataKey: Buffer.alloc(80) }]);
        lease.release();
      }
      return read.mock.calls.splice(0).length;
    };
    return { reads };
  }

  it("is one of the latest thousand that are kept in mind", async () => {
    const { reads } = await many(1_001);
    expect(await reads(...Array.from({ length: 1_000 }, (_, index) => index))).toBe(1_000);
    expect(await reads(0, 999)).toBe(0);
    expect(await reads(1_000)).toBe(1);
    expect(await reads(1, 999, 1_000)).toBe(0);
    expect(await reads(0)).toBe(1);
  });

  it("is kept for what KMS has opened, and a damaged record is read anew until it is repaired", async () => {
    const { dataKeys, pair, store } = await opening();
    const { keyPairId } = pair.birth;
    const genuine = (await store.readKeyPair(organizationId, keyPairId))!;
    await store.removeKeyPair(organizationId, keyPairId);
    await putAsWriter(store, { ...pair, wrapping: { ...pair.wrapping, ciphertext: randomBytes(150) } });
    for (let time = 0; time < 2; time += 1) {
      await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KMS_REJECTED" });
    }
    await store.removeKeyPair(organizationId, keyPairId);
    await store.createKeyPair(genuine);
    expect(await opened(await dataKeys.lease([recipientOf(pair)]))).toBe(true);
  });
});

describe("a pair whose own KMS key refuses", () => {
  /** A pair whose key is disabled, with a number of planted wrappings. */
  async function refusing(planted: number, rewraps: boolean) {
    const parts = await opening();
    const { kms, pair, changing, store, active } = parts;
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ region: homeRegion }));
    await changing.rotate({});
    await active.acquire(false);
    if (rewraps) await rewrapKeyPairs(parts.context, active.vouched!.pair);
    for (let index = 0; index < planted; index += 1) {
      const kmsKeyArn = `arn:aws:kms:${homeRegion}:${accountId}:key/planted-${index}`;
      const wrapping = storedWrapping(pair, { kmsKeyArn, ciphertext: randomBytes(150) });
      await store.createWrapping(organizationId, pair.birth.keyPairId, wrapping);
    }
    kms.disableKey(pair.wrapping.kmsKeyArn);
    kms.journal.clear();
    return parts;
  }

  it("is opened under the active pair's key by the second KMS call, past 500 planted wrappings", async () => {
    const { dataKeys, pair, kms, active } = await refusing(500, true);
    expect(await opened(await dataKeys.lease([recipientOf(pair)]))).toBe(true);
    const { kmsKeyArn } = active.current!.pair.wrapping;
    expect(kms.journal.calls().map(({ keyId }) => keyId)).toEqual([pair.wrapping.kmsKeyArn, kmsKeyArn]);
  });

  it("is opened so too by a process that has only decrypted until now", async () => {
    const { worker, pair, kms } = await refusing(500, true);
    const { context, active } = worker();
    const history = async () => (await active.acquireVouched()).pair;
    expect(await opened(await dataKeysOf(context, { history }).lease([recipientOf(pair)]))).toBe(true);
    expect(kms.journal.calls().map(purposeOf)).toEqual(["private-key", "attestation", "private-key"]);
  });

  it("is tried under a few keys where the history can't be read, and under none for a bug", async () => {
    const { worker, pair, kms } = await refusing(500, false);
    await expect(dataKeysOf(worker().context).lease([recipientOf(pair)])).rejects.toMatchObject({
      kind: "key-disabled",
    });
    expect(kms.journal.count("Decrypt")).toBe(9);
    const bug = new TypeError("a bug");
    const broken = dataKeysOf(worker().context, { history: () => Promise.reject(bug) });
    await expect(broken.lease([recipientOf(pair)])).rejects.toBe(bug);
  });

  it("costs 9 calls to KMS where none opens it, and says what its own key says", async () => {
    const { dataKeys, pair, kms } = await refusing(500, false);
    const { kmsKeyArn } = pair.wrapping;
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ kind: "key-disabled", keyId: kmsKeyArn });
    expect(kms.journal.count("Decrypt")).toBe(9);
  });

  it("that the anchor covers no more opens by a further wrapping alone, also with its key kept", async () => {
    const parts = await opening();
    const { kms, pair, changing, worker, custody, store } = parts;
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ region: homeRegion }));
    const active = await changing.rotate({});
    await opened(await parts.dataKeys.lease([recipientOf(pair)]));
    // Another key store of the process, whose custody is the same.
    const strict = dataKeysOf(worker({ custody, trustedKmsKeys: [active.wrapping.kmsKeyArn] }).context);
    await expect(strict.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    await rewrapKeyPairs(parts.context, active);
    expect(await opened(await strict.lease([recipientOf(pair)]))).toBe(true);
    vi.spyOn(store, "listWrappings").mockResolvedValue([]);
    await expect(strict.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
  });

  it("is looked at again for a caller who leaves while further wrappings are listed", async () => {
    const { worker, pair, store } = await opening();
    const strict = worker({ trustedKmsKeys: [`arn:aws:kms:${homeRegion}:${accountId}:key/other`] });
    const [leaving, left] = [new AbortController(), new Error("left")];
    vi.spyOn(store, "listWrappings").mockReturnValue(new Promise(() => undefined));
    const asked = dataKeysOf(strict.context).lease([recipientOf(pair)], { signal: leaving.signal });
    asked.catch(() => undefined);
    await turns();
    leaving.abort(left);
    await expect(asked).rejects.toBe(left);
  });
});
