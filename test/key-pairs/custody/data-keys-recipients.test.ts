import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../../src/index.js";
import { encodeBirthRecord } from "../../../src/format/birth-record.js";
import type { Recipient } from "../../../src/key-pairs/custody/data-keys.js";
import { dataKeysOf, embeddedOf, opened, opening, recipientOf } from "./data-key-worlds.js";
import { invented } from "../inventions.js";
import { accountId, homeRegion, organizationId, putAsWriter } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

/** A recipient of a spec that this version of the library does not know. */
function ofTheFuture(recipient: Recipient): Recipient {
  const birthRecord = Buffer.from(
    Buffer.from(recipient.birthRecord).toString("latin1").replace("X25519", "X448-9"),
    "latin1",
  );
  return { ...recipient, birthRecord };
}

describe("several wrapped data keys", () => {
  it("are asked in turn, and the first that opens is taken", async () => {
    const { dataKeys, pair, changing } = await opening();
    const next = await changing.rotate({});
    const spoilt = { ...recipientOf(pair), wrappedDataKey: randomBytes(80) };
    const lease = await dataKeys.lease([spoilt, recipientOf(next), recipientOf(pair)]);
    expect([lease.keyPairId, await opened(lease)]).toEqual([next.birth.keyPairId, true]);
  });

  it("that all fail for good fail as the first one does", async () => {
    const { dataKeys, pair } = await opening();
    const spoilt = { ...recipientOf(pair), wrappedDataKey: randomBytes(80) };
    const unknown = { ...spoilt, birthRecord: encodeBirthRecord({ ...pair.birth, keyPairId: "unknown" }) };
    const notFound = {
      code: "ERR_KEY_PAIR_NOT_FOUND",
      message:
        "the store has no key pair unknown, with which the recording was encrypted. " +
        "restoreKeyPairs() puts back what recordings carry of their key pair",
      retryable: false,
    };
    await expect(dataKeys.lease([unknown, spoilt])).rejects.toMatchObject(notFound);
    await expect(dataKeys.lease([spoilt, unknown])).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
  });

  it("fail as the first one does that may open later, wherever it stands", async () => {
    const { dataKeys, pair, kms } = await opening();
    const recipients = [ofTheFuture(recipientOf(pair)), recipientOf(pair)];
    await expect(dataKeys.lease(recipients.slice(0, 1))).rejects.toMatchObject({ code: "ERR_FORMAT_TOO_NEW" });
    kms.faults.outage();
    for (const asked of [recipients, recipients.toReversed()]) {
      await expect(dataKeys.lease(asked)).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", retryable: true });
    }
    kms.faults.heal();
    expect(await opened(await dataKeys.lease(recipients))).toBe(true);
  });

  it("of two failures that may pass tell the first", async () => {
    const { dataKeys, pair, changing, kms, store } = await opening();
    const next = await changing.rotate({});
    kms.faults.outage();
    const readKeyPair = store.readKeyPair.bind(store);
    vi.spyOn(store, "readKeyPair").mockImplementation((...args) =>
      args[1] === next.birth.keyPairId ? away() : readKeyPair(...args),
    );
    const recipients = [recipientOf(pair), recipientOf(next)];
    await expect(dataKeys.lease(recipients)).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    await expect(dataKeys.lease(recipients.toReversed())).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });

  it("tell of a bug only where nothing may pass", async () => {
    const { dataKeys, pair, calls, kms } = await opening();
    const bug = Object.assign(new TypeError("a bug"), { retryable: true });
    vi.spyOn(calls, "unwrapHalf").mockRejectedValueOnce(bug);
    kms.faults.outage();
    await expect(dataKeys.lease([recipientOf(pair), recipientOf(pair)])).rejects.toMatchObject({ kind: "unreachable" });
    vi.spyOn(calls, "unwrapHalf").mockRejectedValueOnce(bug);
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toBe(bug);
  });

  it("are not asked further by who has left", async () => {
    const { dataKeys, pair, store } = await opening();
    const read = vi.spyOn(store, "readKeyPair").mockReturnValue(new Promise(() => undefined));
    const [leaving, left] = [new AbortController(), new Error("left")];
    const asked = dataKeys.lease([recipientOf(pair), recipientOf(pair)], { signal: leaving.signal });
    leaving.abort(left);
    await expect(asked).rejects.toBe(left);
    expect(read.mock.calls.length).toBeLessThanOrEqual(1);
  });
});

describe("a recording's own wrapped private half", () => {
  const damaged = { sequence: 1, document: Buffer.from("torn") };

  it.each<[what: string, spoil: (parts: Awaited<ReturnType<typeof opening>>) => unknown]>([
    ["has lost the pair", ({ store, pair }) => store.removeKeyPair(organizationId, pair.birth.keyPairId)],
    ["is away", ({ store }) => vi.spyOn(store, "readKeyPair").mockImplementation(away)],
    [
      "has damage in the pair's place",
      async ({ store, pair: { birth } }) => {
        await store.removeKeyPair(organizationId, birth.keyPairId);
        await store.createKeyPair({ organizationId, keyPairId: birth.keyPairId, ...damaged });
      },
    ],
    [
      "has another pair in its place",
      async ({ store, pair: { birth } }) => {
        await store.removeKeyPair(organizationId, birth.keyPairId);
        await putAsWriter(store, invented({ birth: { keyPairId: birth.keyPairId } }));
      },
    ],
    [
      "has no birth record in its place",
      ({ records }) =>
        vi
          .spyOn(records, "readPair")
          .mockRejectedValue(new RecordingKeyStoreError("ERR_FORMAT_INVALID", "birth record: no")),
    ],
  ])("serves where the store %s, and the list allows it", async (_, spoil) => {
    const parts = await opening({}, [accountId]);
    await spoil(parts);
    expect(await opened(await parts.dataKeys.lease([embeddedOf(parts.pair)]))).toBe(true);
    parts.custody.forgetAll();
    const { code } = (await dataKeysOf(parts.context)
      .lease([embeddedOf(parts.pair)])
      .catch((error: unknown) => error)) as RecordingKeyStoreError;
    expect(code).toMatch(
      /^ERR_(KEY_PAIR_NOT_FOUND|STORE_UNAVAILABLE|STORE_CORRUPT|RECORDING_TAMPERED|FORMAT_INVALID)$/,
    );
  });

  it("does not serve while the store has the pair", async () => {
    const { dataKeys, pair } = await opening({}, [accountId]);
    const kmsKeyArn = `arn:aws:kms:${homeRegion}:999999999999:key/1`;
    const spoilt = { ...embeddedOf(pair), wrappedPrivateKey: randomBytes(100), kmsKeyArn };
    expect(await opened(await dataKeys.lease([spoilt]))).toBe(true);
  });

  it("does not serve where the store has a pair that is not trusted, or of a later version", async () => {
    const { dataKeys, pair, records } = await opening({}, [accountId]);
    for (const code of ["ERR_KEY_PAIR_UNTRUSTED", "ERR_FORMAT_TOO_NEW"] as const) {
      vi.spyOn(records, "readPair").mockRejectedValueOnce(new RecordingKeyStoreError(code, "no"));
      await expect(dataKeys.lease([embeddedOf(pair)])).rejects.toMatchObject({ code });
    }
    const bug = new TypeError("a bug");
    vi.spyOn(records, "readPair").mockRejectedValueOnce(bug);
    await expect(dataKeys.lease([embeddedOf(pair)])).rejects.toBe(bug);
  });

  it.each([
    ["another account's key", `arn:aws:kms:${homeRegion}:999999999999:key/1`],
    ["an alias, which could point at any key", `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`],
  ])("does not serve under %s", async (_, kmsKeyArn) => {
    const { dataKeys, pair, store, kms } = await opening({}, [accountId]);
    await store.removeKeyPair(organizationId, pair.birth.keyPairId);
    const message = `the recording's own key is under ${kmsKeyArn}, which embeddedKeys does not cover`;
    const refused = { code: "ERR_KEY_PAIR_UNTRUSTED", message };
    await expect(dataKeys.lease([{ ...embeddedOf(pair), kmsKeyArn }])).rejects.toMatchObject(refused);
    expect(kms.journal.count()).toBe(0);
  });

  it.each([
    ["without a list", undefined, (recipient: Recipient) => recipient],
    ["without a KMS key's name", [accountId], ({ kmsKeyArn: _, ...recipient }: Recipient) => recipient],
    ["without the half", [accountId], ({ wrappedPrivateKey: _, ...recipient }: Recipient) => recipient],
  ])("does not serve %s", async (_, list, change) => {
    const { dataKeys, pair, store } = await opening({}, list);
    const read = vi.spyOn(store, "readKeyPair").mockResolvedValue(undefined);
    const recipient = change(embeddedOf(pair));
    await expect(dataKeys.lease([recipient])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_NOT_FOUND" });
    read.mockImplementation(away);
    await expect(dataKeys.lease([recipient])).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE", retryable: true });
  });

  it("does not serve for a caller who has left", async () => {
    const { dataKeys, pair, store } = await opening({}, [accountId]);
    const [leaving, left] = [new AbortController(), new Error("left")];
    vi.spyOn(store, "readKeyPair").mockImplementation(async () => {
      leaving.abort(left);
      throw new Error("away");
    });
    await expect(dataKeys.lease([embeddedOf(pair)], { signal: leaving.signal })).rejects.toBe(left);
  });

  it("is copied: what becomes of the header's bytes later changes nothing", async () => {
    const { dataKeys, pair, store, custody } = await opening({}, [accountId]);
    await store.removeKeyPair(organizationId, pair.birth.keyPairId);
    const recipient = embeddedOf(pair);
    const copies = {
      ...recipient,
      birthRecord: Uint8Array.from(recipient.birthRecord),
      wrappedPrivateKey: Uint8Array.from(recipient.wrappedPrivateKey!),
    };
    const { lease } = await dataKeys.lease([copies]);
    await lease.dataKey();
    copies.birthRecord.fill(0);
    copies.wrappedPrivateKey.fill(0);
    custody.drop({ organizationId, digest: pair.digest });
    await expect(lease.dataKey()).resolves.toHaveLength(32);
    lease.release();
  });
});

describe("what KMS says when a private half is unwrapped", () => {
  it("counts for status() when it is the active pair's, and for none else", async () => {
    const { dataKeys, pair, changing, active, health, kms } = await opening({}, [accountId]);
    const next = await changing.rotate({});
    await active.acquire(false);
    kms.faults.throttling();
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ kind: "throttled" });
    expect(health.trouble).toBeUndefined();
    await expect(dataKeys.lease([recipientOf(next)])).rejects.toMatchObject({ kind: "throttled" });
    expect(health.trouble).toMatchObject({ task: "unwrap", error: { kind: "throttled" } });
    kms.faults.heal();
    await opened(await dataKeys.lease([recipientOf(pair)]));
    expect(health.trouble?.task).toBe("unwrap");
    await opened(await dataKeys.lease([recipientOf(next)]));
    expect(health.trouble).toBeUndefined();
  });

  it("is no trouble where KMS has said nothing of it", async () => {
    const { dataKeys, pair, calls, active, health } = await opening();
    await active.acquire(false);
    vi.spyOn(calls, "unwrapHalf").mockRejectedValueOnce(new RecordingKeyStoreError("ERR_KEY_PAIR_UNTRUSTED", "no"));
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(health.trouble).toBeUndefined();
  });

  it("is not the active pair's where none is active", async () => {
    const { dataKeys, pair, health, kms } = await opening();
    kms.faults.throttling();
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ kind: "throttled" });
    expect(health.trouble).toBeUndefined();
  });

  it("takes the key from all who duration it at once when it is a refusal, and only then", async () => {
    const { dataKeys, pair, kms, keyArn, custody } = await opening();
    kms.disableKey(keyArn);
    const drop = vi.spyOn(custody, "drop");
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KMS_REFUSED" });
    expect(drop.mock.calls).toEqual([[{ organizationId, digest: pair.digest }]]);
    kms.enableKey(keyArn);
    kms.faults.throttling();
    await expect(dataKeys.lease([recipientOf(pair)])).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    expect(drop).toHaveBeenCalledTimes(1);
  });
});
