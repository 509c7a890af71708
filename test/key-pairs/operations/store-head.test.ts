import { afterEach, describe, expect, it, vi } from "vitest";
import { keyPairInfo } from "../../../src/key-pairs/operations/history.js";
import type { ClaimedKeyPair } from "../../../src/key-pairs/key-pair.js";
import { acceptRestored } from "../../../src/key-pairs/operations/store-head.js";
import { invented } from "../inventions.js";
import { decided } from "../verdicts.js";
import { fleetSecret, fresh, minute, organizationId, pointAsWriter, world, type WorkerOptions } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

const nameOf = ({ birth, digest }: ClaimedKeyPair) => {
  const { keyPairId, sequence } = birth;
  return { keyPairId, sequence, digest: digest.toString("base64url") };
};

/** A worker that holds pair 2 of the history, and a store that was restored to when pair 1 was the newest. */
async function restored(options: WorkerOptions = {}) {
  const parts = await fresh(options);
  const { active, context, first, store, clock } = parts;
  const next = await first.rotation.rotate({});
  await active.acquire(false);
  await pointAsWriter(store, first.pair);
  clock.advance(minute);
  await active.acquire(false);
  parts.told();
  parts.kms.journal.clear();
  const accept = (dryRun = false, signal?: AbortSignal) => acceptRestored(context, active, { dryRun }, signal);
  return { ...parts, next, pair: first.pair, accept };
}

describe("accepting a restored store", () => {
  it("goes back to the pair that the head names, once KMS has vouched for it, and says so", async () => {
    const { active, accept, next, pair, told, kms } = await restored();
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    expect(await accept()).toEqual({
      storeHead: nameOf(pair),
      storeError: expect.objectContaining({ code: "ERR_STORE_ROLLED_BACK" }) as unknown,
      before: keyPairInfo(next, false),
      believed: keyPairInfo(pair, true),
      vouchedBy: "kms",
      done: true,
    });
    expect(active.vouched).toMatchObject({ pair: { digest: pair.digest }, vouchedBy: "kms" });
    expect({ refusal: active.refusal, told: told(), asked: kms.journal.count("Decrypt") }).toEqual({
      refusal: undefined,
      told: ["keyPairChanged", "keyPairConfirmed"],
      asked: 1,
    });
  });

  it("is final: the pair from before the restore is not gone back to", async () => {
    const { active, accept, pair, clock } = await restored();
    await accept();
    clock.advance(minute);
    expect((await active.acquire(false)).pair.digest).toEqual(pair.digest);
    expect(active.usesLastKnownKey).toBe(false);
  });

  it("changes nothing with dryRun, and gives the same report but for that", async () => {
    const { active, accept, next, pair, told } = await restored();
    const before = active.current;
    const report = await accept(true);
    expect(report).toMatchObject({
      believed: { keyPairId: pair.birth.keyPairId },
      before: { keyPairId: next.birth.keyPairId },
      done: false,
    });
    expect({ current: active.current, told: told() }).toEqual({ current: before, told: [] });
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
  });

  it.each(["host", "fleet"] as const)("is for a process too that knows the newer pair from %s alone", async (by) => {
    const secret = { fleetSecret: fleetSecret() };
    const { first, worker, next, clock, pair } = await restored();
    if (by === "fleet") await worker(secret).fleet.tell(next, { confirmedAt: clock.now() });
    const { context, active } = worker(by === "fleet" ? secret : { lastConfirmed: first.lastConfirmed });
    const report = await acceptRestored(context, active, { dryRun: false });
    expect(report).toMatchObject({
      before: { keyPairId: next.birth.keyPairId },
      believed: { keyPairId: pair.birth.keyPairId },
      vouchedBy: "kms",
    });
    expect(active.current?.pair.birth.sequence).toBe(1);
  });

  it("tells the fleet, which has spoken of the newer pair", async () => {
    const secret = { fleetSecret: fleetSecret() };
    const { accept, fleet, worker, next, clock } = await restored(secret);
    await worker(secret).fleet.tell(next, { confirmedAt: clock.now() });
    await accept();
    expect((await fleet.word())?.sequence).toBe(1);
  });

  it("by a process that knows nothing says what is believed, and nothing of before", async () => {
    const { worker, pair } = await restored();
    const { context, active } = worker();
    expect(await acceptRestored(context, active, { dryRun: true })).toEqual({
      storeHead: nameOf(pair),
      believed: keyPairInfo(pair, true),
      vouchedBy: "kms",
      done: false,
    });
  });

  it.each([
    ["refused", { code: "ERR_KEY_UNCONFIRMED", cause: { kind: "key-disabled" } }],
    ["disowned", { code: "ERR_KEY_PAIR_UNTRUSTED" }],
    ["no-verdict", { kind: "unreachable" }],
  ] as const)("takes no pair of which KMS's verdict is %s, and nothing changes", async (status, error) => {
    const { active, accept, calls, pair, clock } = await restored();
    const before = active.current;
    decided(calls, pair, status);
    await expect(accept()).rejects.toMatchObject(error);
    expect(active.current).toBe(before);
    clock.advance(minute);
    await active.acquire(false);
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
  });

  it("takes no pair that somebody has made up, nor on the fleet's word", async () => {
    const { active, accept, plant, keyArn } = await restored();
    const before = active.current;
    await plant(invented({ birth: { sequence: 3 }, kmsKeyArn: keyArn }));
    await expect(accept()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(active.current).toBe(before);
  });

  it("has nothing to go back to where the store names no pair", async () => {
    const { active, accept, store } = await restored();
    const before = active.current;
    vi.spyOn(store, "readHead").mockResolvedValue(undefined);
    const message =
      "the store names no key pair to go back to: " +
      "replaceUntrustedHead() puts the one in use there, configure() makes a new one";
    await expect(accept()).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED", message });
    const empty = world().worker();
    await expect(acceptRestored(empty.context, empty.active, { dryRun: false })).rejects.toMatchObject({ message });
    expect({ before: active.current === before, empty: empty.active.current }).toEqual({
      before: true,
      empty: undefined,
    });
  });

  it("that can't be read changes neither the pair in use nor how far back a head may be", async () => {
    const { active, accept, store, clock } = await restored();
    const before = active.current;
    const read = vi.spyOn(store, "readHead").mockImplementation(away);
    await expect(accept()).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    read.mockResolvedValue({ revision: "9", document: Buffer.from("torn") });
    await expect(accept()).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    read.mockRestore();
    clock.advance(minute);
    await active.acquire(false);
    expect(active.refusal).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    expect(active.current).toBe(before);
  });

  it("is left by who leaves", async () => {
    const { accept, active, store, records, trust } = await restored();
    await expect(accept(false, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
    const { signal } = new AbortController();
    const calls = [
      vi.spyOn(active, "loadLastConfirmed"),
      vi.spyOn(records, "readHead"),
      vi.spyOn(records, "readHeadPair"),
      vi.spyOn(trust, "ask"),
    ];
    await accept(true, signal);
    expect(calls.map(({ mock }) => mock.calls[0]?.at(-1))).toEqual([signal, signal, signal, signal]);
    expect(await store.readHead(organizationId)).toBeDefined();
  });
});
