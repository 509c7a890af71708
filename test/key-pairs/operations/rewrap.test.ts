import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { decodeDocument } from "../../../src/key-pairs/documents.js";
import { encryptionContextOf } from "../../../src/key-pairs/key-pair.js";
import { storedWrapping, wrappingIdOf } from "../../../src/key-pairs/wrappings.js";
import { kmsError } from "../../../src/kms/kms-error.js";
import { invented } from "../inventions.js";
import { lying, moved, rewrapKeyPairs } from "./rewrap-worlds.js";
import { accountId, homeRegion, kmsKeyAliasArn, organizationId, pointAsWriter, putAsWriter } from "../world.js";

describe("rewrapping", () => {
  it("costs each pair a Decrypt, an Encrypt and a Decrypt, later one Decrypt, and wipes", async () => {
    const { provider, kms, worker, active, stored, operations } = await moved();
    const { kms: watched, allWiped } = lying(provider);
    const { context } = worker({ kms: watched });
    const report = { complete: true, kmsKeyArn: active.wrapping.kmsKeyArn, failed: [] };
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ ...report, rewrapped: 1, already: 1 });
    expect(operations()).toEqual(["Decrypt", "Decrypt", "Encrypt", "Decrypt"]); // the active pair's first
    kms.journal.clear();
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ ...report, rewrapped: 0, already: 2 });
    expect({ calls: operations(), stored: (await stored()).length, wiped: allWiped() }).toEqual({
      calls: ["Decrypt", "Decrypt"],
      stored: 1,
      wiped: true,
    });
  });

  it("puts the private half under the active pair's KMS key, in the pair's own context", async () => {
    const { context, earlier, active, stored, kms } = await moved();
    await rewrapKeyPairs(context, active);
    const [wrapping] = await stored();
    expect(wrapping?.wrappingId).toBe(wrappingIdOf(active.wrapping.kmsKeyArn));
    kms.disableKey(earlier.wrapping.kmsKeyArn);
    const { wrapping: further } = decodeDocument("wrapping", wrapping!.document, "it");
    const { publicKey } = await context.calls.unwrapHalf(earlier, further);
    expect({ kmsKeyArn: further.kmsKeyArn, publicKey }).toEqual({
      kmsKeyArn: active.wrapping.kmsKeyArn,
      publicKey: earlier.publicKey,
    });
  });

  it("leaves the pair's own record as it was", async () => {
    const { context, earlier, active, store } = await moved();
    const before = await store.readKeyPair(organizationId, earlier.birth.keyPairId);
    await rewrapKeyPairs(context, active);
    expect(await store.readKeyPair(organizationId, earlier.birth.keyPairId)).toEqual(before);
  });

  it("under one KMS key says nothing about another", async () => {
    const { context, active, moveAlias, stored } = await moved();
    await rewrapKeyPairs(context, active);
    const next = await moveAlias();
    const { kmsKeyArn } = next.wrapping;
    expect(await rewrapKeyPairs(context, next)).toMatchObject({ complete: true, kmsKeyArn, rewrapped: 2, already: 1 });
    expect(await rewrapKeyPairs(context, next)).toMatchObject({ rewrapped: 0, already: 3 });
    expect(await stored()).toHaveLength(2);
  });

  it("goes by an earlier wrapping where the pair's own KMS key is gone, past planted ones", async () => {
    const { context, active, moveAlias, earlier, kms, put, stored } = await moved();
    await rewrapKeyPairs(context, active);
    const next = await moveAlias();
    for (let index = 0; index < 50; index += 1)
      await put(earlier, `arn:aws:kms:${homeRegion}:${accountId}:key/${index}`);
    kms.scheduleKeyDeletion(earlier.wrapping.kmsKeyArn);
    kms.journal.clear();
    expect(await rewrapKeyPairs(context, next)).toMatchObject({ complete: true, rewrapped: 2, already: 1 });
    expect(await stored()).toHaveLength(52);
    expect(kms.journal.count("Decrypt")).toBe(1 + 2 + 3); // one more for the key that is gone
  });
});

describe("a pair that can't be rewrapped", () => {
  it("is reported, newest first, and no reason not to go on with the others", async () => {
    const { context, active, moveAlias, earlier, kms } = await moved();
    const next = await moveAlias();
    kms.disableKey(active.wrapping.kmsKeyArn);
    const failed = [
      { keyPairId: active.birth.keyPairId, sequence: 2, error: expect.objectContaining({ kind: "key-disabled" }) },
    ];
    const report = { complete: false, kmsKeyArn: next.wrapping.kmsKeyArn, rewrapped: 1, already: 1 };
    expect(await rewrapKeyPairs(context, next)).toMatchObject({ ...report, failed });
    kms.disableKey(earlier.wrapping.kmsKeyArn);
    kms.enableKey(active.wrapping.kmsKeyArn);
    expect(await rewrapKeyPairs(context, next)).toMatchObject({
      ...report,
      rewrapped: 1,
      already: 2,
      complete: true,
      failed: [],
    });
  });

  it.each<[what: string, stop: (parts: Awaited<ReturnType<typeof moved>>) => unknown, code: string]>([
    ["KMS is away", ({ kms }) => kms.faults.outage(), "ERR_KMS_UNAVAILABLE"],
    ["KMS is slowed down", ({ kms }) => kms.faults.throttling({ operation: "Encrypt" }), "ERR_KMS_UNAVAILABLE"],
    [
      "the store is away",
      ({ store }) => vi.spyOn(store, "createWrapping").mockRejectedValue(new Error()),
      "ERR_STORE_UNAVAILABLE",
    ],
    [
      "wrappings can't be read",
      ({ store }) => vi.spyOn(store, "listWrappings").mockRejectedValue(new Error()),
      "ERR_STORE_UNAVAILABLE",
    ],
    [
      "the store has lost a pair",
      ({ store, earlier }) => store.removeKeyPair(organizationId, earlier.birth.keyPairId),
      "ERR_STORE_CORRUPT",
    ],
  ])("for the same reason as every other ends it: %s", async (_, stop, code) => {
    const parts = await moved();
    await stop(parts);
    await expect(rewrapKeyPairs(parts.context, parts.active)).rejects.toMatchObject({ code });
  });

  it("ends it where the reason is a bug, or a caller who leaves", async () => {
    const { context, active, stored } = await moved();
    const bug = new TypeError("a bug");
    vi.spyOn(context.calls, "rewrap").mockRejectedValueOnce(bug);
    await expect(rewrapKeyPairs(context, active)).rejects.toBe(bug);
    const [leaving, left] = [new AbortController(), new Error("left")];
    vi.spyOn(context.calls, "rewrap").mockImplementationOnce(async () => {
      leaving.abort(left);
      throw kmsError("access-denied", { operation: "Decrypt", message: "no" });
    });
    await expect(rewrapKeyPairs(context, active, leaving.signal)).rejects.toBe(left);
    expect(await stored()).toEqual([]);
  });

  it("stops between two pairs for a caller who leaves", async () => {
    const { context, active } = await moved();
    const [leaving, left] = [new AbortController(), new Error("left")];
    const unwrapHalf = context.calls.unwrapHalf.bind(context.calls);
    const unwrapping = vi.spyOn(context.calls, "unwrapHalf").mockImplementationOnce(async (...args) => {
      const key = await unwrapHalf(...args);
      leaving.abort(left);
      return key;
    });
    const rewrapping = vi.spyOn(context.calls, "rewrap");
    await expect(rewrapKeyPairs(context, active, leaving.signal)).rejects.toBe(left);
    expect([unwrapping.mock.calls.length, rewrapping.mock.calls.length]).toEqual([1, 0]);
  });

  it("tells store and KMS of a caller who may leave", async () => {
    const { context, active } = await moved();
    const { signal } = new AbortController();
    const { records, calls } = context;
    const spies = {
      chain: vi.spyOn(records, "chain"),
      list: vi.spyOn(records, "list"),
      listWrappings: vi.spyOn(records, "listWrappings"),
      createWrapping: vi.spyOn(records, "createWrapping"),
      unwrapHalf: vi.spyOn(calls, "unwrapHalf"),
      rewrap: vi.spyOn(calls, "rewrap"),
    };
    await rewrapKeyPairs(context, active, signal);
    const heard = Object.entries(spies).map(([name, { mock }]) => [name, mock.lastCall?.at(-1)]);
    expect(heard).toEqual(Object.keys(spies).map((name) => [name, signal]));
  });
});

describe("the place of a wrapping", () => {
  it("taken by another private half fails the pair, now and later", async () => {
    const { context, provider, earlier, active, store } = await moved();
    const { kmsKeyArn } = active.wrapping;
    const encryptionContext = encryptionContextOf(earlier, "private-key");
    const { ciphertext } = await provider.encrypt({ keyId: kmsKeyArn, plaintext: randomBytes(32), encryptionContext });
    const wrong = storedWrapping(earlier, { kmsKeyArn, ciphertext: Buffer.from(ciphertext) });
    await store.createWrapping(organizationId, earlier.birth.keyPairId, wrong);
    const message = `key pair ${earlier.birth.keyPairId}: its public key is not that of its private half`;
    const failed = [{ keyPairId: earlier.birth.keyPairId, error: { code: "ERR_KEY_PAIR_UNTRUSTED", message } }];
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ complete: false, already: 1, failed });
  });

  it("taken by something else fails the pair", async () => {
    const { context, earlier, active, store } = await moved();
    const wrappingId = wrappingIdOf(active.wrapping.kmsKeyArn);
    await store.createWrapping(organizationId, earlier.birth.keyPairId, { wrappingId, document: Buffer.from("torn") });
    const { keyPairId } = earlier.birth;
    const place = `the place of its wrapping under ${active.wrapping.kmsKeyArn}`;
    const message = `key pair ${keyPairId}: ${place} is taken by something else`;
    const failed = [{ sequence: 1, error: { code: "ERR_STORE_CORRUPT", message } }];
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ complete: false, rewrapped: 0, already: 1, failed });
  });

  it.each([true, false])("taken by another worker meanwhile counts if KMS opens it: %s", async (opens) => {
    const { context, worker, earlier, active, store, stored } = await moved();
    const { kmsKeyArn } = active.wrapping;
    const createWrapping = store.createWrapping.bind(store);
    const first = vi.spyOn(store, "createWrapping").mockImplementationOnce(async (...args) => {
      first.mockRestore();
      if (opens) await rewrapKeyPairs(worker().context, active);
      else await createWrapping(args[0], args[1], storedWrapping(earlier, { kmsKeyArn, ciphertext: randomBytes(99) }));
      return createWrapping(...args);
    });
    const report = await rewrapKeyPairs(context, active);
    expect(report).toMatchObject({
      complete: opens,
      rewrapped: 0,
      already: opens ? 2 : 1,
      failed: { length: opens ? 0 : 1 },
    });
    expect(await stored()).toHaveLength(1);
  });
});

describe("what the store lists beside the history", () => {
  it("is rewrapped as well, since recordings need it where the head was brought back", async () => {
    const { context, rotation, active, earlier, kms, stored } = await moved();
    kms.pointAlias(kmsKeyAliasArn, earlier.wrapping.kmsKeyArn);
    const ahead = await rotation.rotate({});
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ complete: true, rewrapped: 2, already: 1 });
    expect((await stored(ahead)).map(({ wrappingId }) => wrappingId)).toEqual([
      wrappingIdOf(active.wrapping.kmsKeyArn),
    ]);
  });

  it("is rewrapped behind the head as well, once for each pair", async () => {
    const { context, active, earlier, store } = await moved();
    const { keyPairId: _, ...birth } = earlier.birth;
    const lost = await context.calls.make(birth);
    await putAsWriter(store, lost);
    const rewrapping = vi.spyOn(context.calls, "rewrap");
    expect(await rewrapKeyPairs(context, active)).toMatchObject({
      complete: true,
      rewrapped: 1,
      already: 2,
    });
    expect(rewrapping.mock.calls.map(([{ birth: of }]) => of.keyPairId)).toEqual([earlier.birth.keyPairId]);
  });

  it("is left out where it is a forgery, by KMS's word or one's own knowledge", async () => {
    const { context, active, store, kms } = await moved();
    const { kmsKeyArn } = active.wrapping;
    const foreignKeyArn = `arn:aws:kms:${homeRegion}:999999999999:key/1`;
    for (const arn of [kmsKeyArn, foreignKeyArn])
      await putAsWriter(store, invented({ birth: { sequence: 3 }, kmsKeyArn: arn }));
    await store.createKeyPair({ organizationId, keyPairId: "damaged", sequence: 4, document: randomBytes(9) });
    await pointAsWriter(store, active);
    kms.journal.clear();
    expect(await rewrapKeyPairs(context, active)).toMatchObject({
      complete: true,
      rewrapped: 1,
      already: 1,
      failed: [],
    });
    expect(kms.journal.calls().filter(({ keyId }) => keyId === foreignKeyArn)).toEqual([]);
  });

  it("fails the report where nobody can tell whether it is one", async () => {
    const { context, active, store } = await moved();
    const unknown = invented({ birth: { sequence: 3 } });
    await putAsWriter(store, unknown);
    const failed = [{ keyPairId: unknown.birth.keyPairId, sequence: 3, error: { code: "ERR_KMS_REFUSED" } }];
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ complete: false, rewrapped: 1, already: 1, failed });
  });

  it("is all that is left out: a pair of the history that KMS rejects fails the report", async () => {
    const { context, active, earlier, store } = await moved();
    const [{ keyPairId }, { kmsKeyArn }] = [earlier.birth, earlier.wrapping];
    await store.removeKeyPair(organizationId, keyPairId);
    const spoilt = { ...earlier, wrapping: { kmsKeyArn, ciphertext: randomBytes(150) } };
    await putAsWriter(store, spoilt);
    const failed = [{ keyPairId, sequence: 1, error: { code: "ERR_KMS_REJECTED" } }];
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ complete: false, rewrapped: 0, already: 1, failed });
  });
});
