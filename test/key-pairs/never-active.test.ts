import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../src/index.js";
import { decodeDocument, encodeDocument } from "../../src/key-pairs/documents.js";
import {
  isProvenNeverActive,
  markNeverActive,
  takeUp,
  takeUpPending,
  takeUpUnasked,
} from "../../src/key-pairs/never-active.js";
import type { VouchedKeyPair } from "../../src/key-pairs/trust.js";
import { kmsError, kmsFailureKinds } from "../../src/kms/kms-error.js";
import { decryptBy, purposeOf } from "./altered-kms.js";
import { homeRegion, kmsKeyAliasArn, organizationId, putAsWriter, world } from "./world.js";

/** An organization whose active pair is of a sequence, and a genuine pair of another that no head ever named. */
async function raced({ active, loser }: { active: number; loser: number }) {
  const parts = world();
  const { context, rotation, pair: first, calls } = await parts.configured();
  let winner = first;
  for (let sequence = 1; sequence < active; sequence += 1) winner = await rotation.rotate({});
  const { keyPairId: _, ...birth } = first.birth;
  const previousDigest = loser > 1 ? { previousDigest: randomBytes(32) } : {};
  const made = await calls.make({ ...birth, sequence: loser, ...previousDigest });
  const lost = await context.trust.vouchForNew(made, { named: false });
  await putAsWriter(parts.store, lost);
  parts.kms.journal.clear();
  const beside = (pair = lost) => parts.store.listWrappings(organizationId, pair.birth.keyPairId);
  const isMarked = async (pair = lost) => (await beside(pair)).length > 0;
  const write = (document: Uint8Array, wrappingId = "fate") =>
    parts.store.createWrapping(organizationId, lost.birth.keyPairId, { wrappingId, document });
  return { ...parts, context, first, winner, lost, beside, isMarked, write };
}

describe("the mark of a pair that lost its race", () => {
  it("is left beside it where the vouched winner's history has passed it by", async () => {
    const { context, lost, winner, beside } = await raced({ active: 3, loser: 2 });
    await markNeverActive(context, lost, winner);
    const [stored, ...rest] = await beside();
    expect(rest).toEqual([]);
    expect(stored?.wrappingId).toBe("fate");
    const { digest, mark } = decodeDocument("fate", stored!.document, "it");
    expect({ digest, kmsKeyArn: mark?.kmsKeyArn }).toEqual({
      digest: lost.digest,
      kmsKeyArn: lost.attestation.kmsKeyArn,
    });
    expect(await context.calls.saysNeverActive(lost, mark!)).toBe(true);
    expect(await isProvenNeverActive(context, lost)).toBe(true);
  });

  it("is sealed by KMS, in one call under the context of the pair's attestation", async () => {
    const { context, lost, winner, kms } = await raced({ active: 2, loser: 2 });
    await markNeverActive(context, lost, winner);
    const [call, ...more] = kms.journal.calls();
    expect({ operation: call?.operation, keyId: call?.keyId, more }).toEqual({
      operation: "Encrypt",
      keyId: lost.attestation.kmsKeyArn,
      more: [],
    });
    expect(call?.encryptionContext).toMatchObject({
      "recording-keystore:purpose": "attestation",
      "recording-keystore:birth-record": lost.digest.toString("base64url"),
    });
  });

  it.each([
    ["went backwards, which proves nothing", { active: 1, loser: 2 }, false],
    ["has a winner of the same sequence", { active: 2, loser: 2 }, true],
    ["has gone on by many pairs", { active: 13, loser: 2 }, true],
  ])("is left only where the store's history proves it: it %s", async (_, sequences, marked) => {
    const { context, lost, winner, isMarked } = await raced(sequences);
    await markNeverActive(context, lost, winner);
    expect(await isMarked()).toBe(marked);
  });

  it.each([2, 3, 13])("is not on a pair of the history, however long ago it was: %i pairs", async (active) => {
    const { context, first, winner, isMarked, kms } = await raced({ active, loser: 1 });
    await markNeverActive(context, first, winner);
    await markNeverActive(context, winner, winner);
    expect([await isMarked(first), await isMarked(winner), kms.journal.count()]).toEqual([false, false, 0]);
  });

  it("reads no more of the history than it takes", async () => {
    const { context, lost, winner, store, isMarked } = await raced({ active: 13, loser: 12 });
    const read = vi.spyOn(store, "listKeyPairs");
    await markNeverActive(context, lost, winner);
    expect({ reads: read.mock.calls.length, marked: await isMarked() }).toEqual({ reads: 1, marked: true });
    expect(read.mock.calls[0]?.[1].limit).toBe(10);
  });

  it.each<[what: string, break_: (parts: Awaited<ReturnType<typeof raced>>) => unknown]>([
    ["a history that is broken", ({ store, first }) => store.removeKeyPair(organizationId, first.birth.keyPairId)],
    ["a store that is away", ({ store }) => vi.spyOn(store, "listKeyPairs").mockRejectedValue(new Error("away"))],
    [
      "a store that takes no marks",
      ({ store }) => vi.spyOn(store, "createWrapping").mockRejectedValue(new Error("no")),
    ],
    ["a KMS that is away", ({ kms }) => kms.faults.outage()],
    ["a KMS that refuses", ({ kms }) => kms.faults.accessDenied()],
  ])("is left undone without a word by %s", async (_, break_) => {
    const parts = await raced({ active: 3, loser: 1 });
    await break_(parts);
    await expect(markNeverActive(parts.context, parts.lost, parts.winner)).resolves.toBeUndefined();
    vi.restoreAllMocks();
    expect(await parts.isMarked()).toBe(false);
  });

  it("comes too late for a pair that another worker has taken up", async () => {
    const { context, lost, winner, beside } = await raced({ active: 2, loser: 2 });
    expect(await takeUp(context, lost)).toBe(true);
    const before = await beside();
    await markNeverActive(context, lost, winner);
    expect(await beside()).toEqual(before);
    expect(await isProvenNeverActive(context, lost)).toBe(false);
  });
});

describe("the proof that a pair never was active", () => {
  it("is none where nobody has said anything, and KMS is not asked", async () => {
    const { context, lost, kms } = await raced({ active: 2, loser: 2 });
    expect(await isProvenNeverActive(context, lost)).toBe(false);
    expect(kms.journal.count()).toBe(0);
  });

  it.each<[what: string, document: (pair: VouchedKeyPair) => Uint8Array, calls: number]>([
    ["damage", () => Buffer.from("torn"), 0],
    ["of a newer version", ({ digest }) => newer(encodeDocument("fate", { digest })), 0],
    ["that it was taken up", ({ digest }) => encodeDocument("fate", { digest }), 0],
    ["another pair's", (pair) => encodeDocument("fate", { digest: randomBytes(32), mark: pair.attestation }), 0],
    ["under another KMS key", ({ digest }) => encodeDocument("fate", { digest, mark: elsewhere() }), 0],
    ["noise", ({ digest, attestation }) => encodeDocument("fate", { digest, mark: noise(attestation.kmsKeyArn) }), 1],
    ["the pair's attestation", ({ digest, attestation }) => encodeDocument("fate", { digest, mark: attestation }), 1],
    ["the pair's wrapping", ({ digest, wrapping }) => encodeDocument("fate", { digest, mark: wrapping }), 1],
  ])("is not %s", async (_, document, calls) => {
    const { context, lost, write, kms } = await raced({ active: 2, loser: 2 });
    await write(document(lost));
    expect(await isProvenNeverActive(context, lost)).toBe(false);
    expect(kms.journal.count("Decrypt")).toBe(calls);
  });

  it("is not a genuine mark in another place", async () => {
    const { context, lost, winner, store, beside, write, kms } = await raced({ active: 2, loser: 2 });
    await markNeverActive(context, lost, winner);
    const [{ document } = { document: Buffer.of() }] = await beside();
    await store.removeKeyPair(organizationId, lost.birth.keyPairId);
    await write(document, "other");
    kms.journal.clear();
    expect(await isProvenNeverActive(context, lost)).toBe(false);
    await write(document);
    expect(await isProvenNeverActive(context, lost)).toBe(true);
    expect(kms.journal.calls().map(purposeOf)).toEqual(["attestation"]);
  });

  it.each(kmsFailureKinds)("waits for a KMS that is away, and is none where it refuses: %s", async (kind) => {
    const { context, lost, winner, provider, worker } = await raced({ active: 2, loser: 2 });
    await markNeverActive(context, lost, winner);
    const error = kmsError(kind, { operation: "Decrypt", message: "no" });
    const failing = worker({
      kms: { ...providerOf(provider), decrypt: decryptBy(provider, { attestation: error }) },
    }).context;
    const proven = isProvenNeverActive(failing, lost);
    if (error.code === "ERR_KMS_UNAVAILABLE") await expect(proven).rejects.toBe(error);
    else expect(await proven).toBe(false);
  });

  it("can't be read from a store that is away", async () => {
    const { context, lost, store } = await raced({ active: 2, loser: 2 });
    vi.spyOn(store, "listWrappings").mockRejectedValue(new Error("away"));
    await expect(isProvenNeverActive(context, lost)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });

  it("is nothing that a bug could say", async () => {
    const { context, lost, winner } = await raced({ active: 2, loser: 2 });
    await markNeverActive(context, lost, winner);
    const bug = new TypeError("a bug");
    vi.spyOn(context.calls, "saysNeverActive").mockRejectedValue(bug);
    await expect(isProvenNeverActive(context, lost)).rejects.toBe(bug);
  });

  it("is asked for by a caller who may leave", async () => {
    const { context, lost, winner, store } = await raced({ active: 2, loser: 2 });
    await markNeverActive(context, lost, winner);
    const { signal } = new AbortController();
    const says = vi.spyOn(context.calls, "saysNeverActive");
    const list = vi.spyOn(context.records, "listWrappings");
    await isProvenNeverActive(context, lost, signal);
    expect([says.mock.lastCall?.[2], list.mock.lastCall?.[1]]).toEqual([signal, signal]);
    const left = new Error("left");
    const read = vi.spyOn(store, "listWrappings");
    await expect(isProvenNeverActive(context, lost, AbortSignal.abort(left))).rejects.toBe(left);
    expect(read).not.toHaveBeenCalled();
  });
});

describe("taking up a pair that KMS has vouched for", () => {
  it("is written beside it, once, without a word to KMS", async () => {
    const { context, lost, beside, kms } = await raced({ active: 2, loser: 2 });
    expect(await takeUp(context, lost)).toBe(true);
    const [stored, ...rest] = await beside();
    expect(rest).toEqual([]);
    expect(decodeDocument("fate", stored!.document, "it")).toEqual({ digest: lost.digest });
    expect(await takeUp(context, lost)).toBe(true);
    expect(await beside()).toEqual([stored]);
    expect(kms.journal.count()).toBe(0);
  });

  it("is refused where its maker has proven that it never was active", async () => {
    const { context, lost, winner } = await raced({ active: 2, loser: 2 });
    await markNeverActive(context, lost, winner);
    expect(await takeUp(context, lost)).toBe(false);
  });

  it("is not refused for what somebody else has put there", async () => {
    const { context, lost, write } = await raced({ active: 2, loser: 2 });
    await write(encodeDocument("fate", { digest: lost.digest, mark: noise(lost.attestation.kmsKeyArn) }));
    expect(await takeUp(context, lost)).toBe(true);
  });

  it("learns of a mark that was made at the same moment", async () => {
    const { context, lost, winner, store } = await raced({ active: 2, loser: 2 });
    const createWrapping = store.createWrapping.bind(store);
    vi.spyOn(store, "createWrapping").mockImplementationOnce(async (...args) => {
      await markNeverActive(context, lost, winner);
      return createWrapping(...args);
    });
    expect(await takeUp(context, lost)).toBe(false);
  });

  it("learns that another worker has taken it up at the same moment", async () => {
    const { context, lost, store } = await raced({ active: 2, loser: 2 });
    const createWrapping = store.createWrapping.bind(store);
    vi.spyOn(store, "createWrapping").mockImplementationOnce(async (...args) => {
      await takeUp(context, lost);
      return createWrapping(...args);
    });
    expect(await takeUp(context, lost)).toBe(true);
  });

  it("goes on where the store says that something is there, and then has nothing", async () => {
    const { context, lost, store } = await raced({ active: 2, loser: 2 });
    vi.spyOn(store, "createWrapping").mockResolvedValue("exists");
    expect(await takeUp(context, lost)).toBe(true);
  });

  it("goes on where the store takes no writes, but not where it can't be read", async () => {
    const { context, lost, store } = await raced({ active: 2, loser: 2 });
    vi.spyOn(store, "createWrapping").mockRejectedValue(
      new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "read only"),
    );
    expect(await takeUp(context, lost)).toBe(true);
    vi.spyOn(store, "listWrappings").mockRejectedValue(new Error("away"));
    await expect(takeUp(context, lost)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });

  it("is made up for once the store takes writes again", async () => {
    const { context, lost, winner, beside, store } = await raced({ active: 2, loser: 2 });
    const refused = new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "read only");
    const create = vi.spyOn(store, "createWrapping").mockRejectedValue(refused);
    expect(await takeUp(context, lost)).toBe(true);
    await takeUpPending(context);
    expect({ tries: create.mock.calls.length, beside: await beside() }).toEqual({ tries: 2, beside: [] });
    create.mockRestore();
    await takeUpPending(context);
    await markNeverActive(context, lost, winner);
    expect(await isProvenNeverActive(context, lost)).toBe(false);
    const again = vi.spyOn(store, "createWrapping");
    await takeUpPending(context);
    expect(again).not.toHaveBeenCalled();
  });

  it("is used, and made up for later, where KMS can't be asked and the store fails or has garbage; a bug is told", async () => {
    const { context, lost, store, write } = await raced({ active: 2, loser: 2 });
    const { pendingTakeUps, records } = context;
    const create = vi.spyOn(store, "createWrapping").mockRejectedValue(new Error("away"));
    expect([await takeUpUnasked(context, lost), pendingTakeUps.size]).toEqual([true, 1]);
    create.mockRestore();
    pendingTakeUps.clear();
    await write(Buffer.from("garbage"));
    expect([await takeUpUnasked(context, lost), pendingTakeUps.size]).toEqual([true, 1]);
    pendingTakeUps.clear();
    const there = vi.spyOn(records, "createWrapping").mockResolvedValue("exists");
    const none = vi.spyOn(records, "listWrappings").mockResolvedValue([]);
    expect([await takeUpUnasked(context, lost), pendingTakeUps.size]).toEqual([true, 0]);
    none.mockRestore();
    const bug = new TypeError("a bug");
    there.mockRejectedValue(bug);
    await expect(takeUpUnasked(context, lost)).rejects.toBe(bug);
    pendingTakeUps.set("pair", lost);
    vi.spyOn(records, "listWrappings").mockRejectedValue(bug);
    await expect(takeUpPending(context)).rejects.toBe(bug);
    expect(pendingTakeUps.size).toBe(1);
  });

  it("is made up for by a worker that goes on, also once the head names another pair", async () => {
    const { worker, plant, lost, winner, beside, store, clock, context } = await raced({ active: 2, loser: 2 });
    await plant(lost);
    const { active } = worker();
    const refused = new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "read only");
    const create = vi.spyOn(store, "createWrapping").mockRejectedValue(refused);
    expect((await active.acquire(false)).pair.digest).toEqual(lost.digest);
    create.mockRestore();
    await plant(winner);
    clock.advance(60_001);
    await active.refresh();
    await active.settled();
    expect(await beside()).toHaveLength(1);
    await markNeverActive(context, lost, winner);
    expect(await isProvenNeverActive(context, lost)).toBe(false);
  });

  it("that is still to be done ends where a mark was quicker, and waits for a KMS that is away", async () => {
    const { context, lost, winner, store, kms } = await raced({ active: 2, loser: 2 });
    const refused = new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "read only");
    vi.spyOn(store, "createWrapping").mockRejectedValueOnce(refused);
    expect(await takeUp(context, lost)).toBe(true);
    await markNeverActive(context, lost, winner);
    const fault = kms.faults.outage();
    await takeUpPending(context);
    expect(context.pendingTakeUps.size).toBe(1);
    fault.remove();
    await takeUpPending(context);
    expect(context.pendingTakeUps.size).toBe(0);
  });

  it("waits for a KMS that can't be asked about a mark", async () => {
    const { context, lost, winner, kms } = await raced({ active: 2, loser: 2 });
    await markNeverActive(context, lost, winner);
    kms.faults.outage();
    await expect(takeUp(context, lost)).rejects.toMatchObject({ kind: "unreachable" });
  });

  it("ends with its caller, and with a bug", async () => {
    const { context, lost, store } = await raced({ active: 2, loser: 2 });
    const [leaving, left] = [new AbortController(), new Error("left")];
    vi.spyOn(store, "createWrapping").mockImplementationOnce(async () => {
      leaving.abort(left);
      throw new Error("away");
    });
    await expect(takeUp(context, lost, leaving.signal)).rejects.toBe(left);
    const bug = new TypeError("a bug");
    vi.spyOn(context.records, "createWrapping").mockRejectedValueOnce(bug);
    await expect(takeUp(context, lost)).rejects.toBe(bug);
  });

  it("tells store and KMS of a caller who may leave", async () => {
    const { context, lost, winner } = await raced({ active: 2, loser: 2 });
    const { signal } = new AbortController();
    const create = vi.spyOn(context.records, "createWrapping").mockImplementationOnce(async (...args) => {
      await markNeverActive(context, lost, winner);
      return context.records.createWrapping(...args);
    });
    const list = vi.spyOn(context.records, "listWrappings");
    const says = vi.spyOn(context.calls, "saysNeverActive");
    expect(await takeUp(context, lost, signal)).toBe(false);
    expect(create.mock.calls[0]?.[2]).toBe(signal);
    expect(list.mock.calls.map(([, given]) => given)).toEqual([signal, signal]);
    expect(says.mock.lastCall?.[2]).toBe(signal);
    await takeUp(context, lost, signal);
    expect(says.mock.calls.map(([, , given]) => given)).toEqual([signal, signal]);
  });
});

const noise = (kmsKeyArn: string) => ({ kmsKeyArn, ciphertext: randomBytes(150) });
const elsewhere = () => noise(kmsKeyAliasArn.replace(/alias.*/, "key/1").replace(homeRegion, "eu-central-1"));

/** As a later version of the library may write it. */
function newer(document: Buffer): Buffer {
  return Buffer.from(document.toString().replace('"version":1', '"version":2'));
}

function providerOf(provider: ReturnType<typeof world>["provider"]) {
  return {
    describeKey: provider.describeKey.bind(provider),
    encrypt: provider.encrypt.bind(provider),
    generateDataKeyPair: provider.generateDataKeyPair.bind(provider),
  };
}
