import { describe, expect, it, vi } from "vitest";
import { ChangeClaims, claimDuration, mostClaims } from "../../../src/key-pairs/active/change-claims.js";
import { FleetSecret } from "../../../src/key-pairs/active/fleet-word.js";
import { decodeDocument, encodeDocument } from "../../../src/key-pairs/documents.js";
import { KeyPairRecords } from "../../../src/key-pairs/records.js";
import type { KeyPairStore } from "../../../src/index.js";
import { MemoryKeyPairStore, TestClock } from "../../../src/testing/index.js";
import { overridden } from "../../support/setup.js";
import { invented } from "../inventions.js";
import { fleetSecret, organizationId } from "../world.js";

const pair = invented();
const { keyPairId } = pair.birth;

/** Workers that meet the due change of one pair. */
function fleet(secret?: FleetSecret) {
  const clock = new TestClock();
  const store = new MemoryKeyPairStore();
  const worker = (of = secret, at: KeyPairStore = store) =>
    new ChangeClaims(new KeyPairRecords(organizationId, at, 5_000), of, clock);
  const claims = async () => (await store.listWrappings(organizationId, keyPairId)).map(({ wrappingId }) => wrappingId);
  const plant = (wrappingId: string, document: Uint8Array) =>
    store.createWrapping(organizationId, keyPairId, { wrappingId, document });
  return { clock, store, worker, claims, plant };
}

const claimOf = (at: number, by = "somebody") => encodeDocument("claim", { digest: pair.digest, at, by });
const signal = new AbortController().signal;

describe("a claim on a due change", () => {
  it("is one worker's, however many meet it at once", async () => {
    const { worker, claims } = fleet();
    const left = await Promise.all(Array.from({ length: 8 }, () => worker().claim(pair, signal)));
    expect(left.sort((a, b) => a - b)).toEqual([0, ...Array(7).fill(claimDuration)]);
    expect(await claims()).toEqual(["claim-0"]);
  });

  it("is still its own worker's when that asks again", async () => {
    const { worker } = fleet();
    const own = worker();
    expect([await own.claim(pair), await own.claim(pair)]).toEqual([0, 0]);
  });

  it("ends after 30 seconds, and the next number is one worker's", async () => {
    const { worker, clock, claims } = fleet();
    await worker().claim(pair);
    const others = [worker(), worker()];
    clock.advance(claimDuration - 1);
    expect(await others[0]!.claim(pair)).toBe(1);
    clock.advance(1);
    expect(await Promise.all(others.map((other) => other.claim(pair)))).toEqual([0, claimDuration]);
    expect(await claims()).toEqual(["claim-0", "claim-1"]);
  });

  it("ends at once where its worker gives it up", async () => {
    const { worker, claims } = fleet();
    const failing = worker();
    await failing.claim(pair);
    await failing.giveUp();
    await failing.giveUp();
    expect(await worker().claim(pair)).toBe(0);
    expect(await claims()).toEqual(["claim-0", "claim-0-over", "claim-1"]);
  });

  it("is of one pair: the change of the next one is claimed anew", async () => {
    const { worker } = fleet();
    await worker().claim(pair);
    const other = worker();
    expect(await other.claim(pair)).toBe(claimDuration);
    expect(await other.claim(invented())).toBe(0);
  });

  it("is respected from when it was first seen, whatever was seen of the pair before", async () => {
    const { worker, plant, clock, store } = fleet();
    await plant("claim-0", claimOf(clock.now() + 1e9));
    const host = worker();
    expect(await host.claim(pair)).toBe(claimDuration);
    clock.advance(claimDuration - 1);
    expect(await host.claim(pair)).toBe(1);
    const next = invented();
    const document = encodeDocument("claim", { digest: next.digest, at: clock.now() + 1e9, by: "somebody" });
    await store.createWrapping(organizationId, next.birth.keyPairId, { wrappingId: "claim-0", document });
    expect(await host.claim(next)).toBe(claimDuration);
  });

  it("is one write, and one read where it is another's", async () => {
    const { worker, store } = fleet();
    const [write, read] = [vi.spyOn(store, "createWrapping"), vi.spyOn(store, "listWrappings")];
    const calls = () => [write, read].map(({ mock }) => mock.calls.splice(0).length);
    await worker().claim(pair);
    expect(calls()).toEqual([1, 0]);
    await worker().claim(pair);
    expect(calls()).toEqual([1, 1]);
  });

  it("tells of a mistake of this process's own", async () => {
    const { worker } = fleet();
    const bug = new TypeError("a bug");
    vi.spyOn(KeyPairRecords.prototype, "createWrapping").mockRejectedValueOnce(bug);
    await expect(worker().claim(pair)).rejects.toBe(bug);
  });

  it("holds nobody up where the store fails", async () => {
    const { worker, store } = fleet();
    const away = () => Promise.reject(new Error("no route to store"));
    expect(await worker(undefined, overridden(store, { createWrapping: away })).claim(pair)).toBe(0);
    await worker().claim(pair);
    expect(await worker(undefined, overridden(store, { listWrappings: away })).claim(pair)).toBe(0);
  });

  it("ends with its caller's signal", async () => {
    const { worker } = fleet();
    await expect(worker().claim(pair, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  it("shows when it was made and by which worker, under a random name", async () => {
    const { worker, store, clock } = fleet();
    await worker().claim(pair);
    const [stored] = await store.listWrappings(organizationId, keyPairId);
    const claim = decodeDocument("claim", stored!.document, "claim");
    expect(claim).toEqual({ digest: pair.digest, at: clock.now(), by: expect.stringMatching(/^[\w-]{22}$/) });
  });
});

describe("planted claims", () => {
  it.each<[string, (now: number) => Uint8Array]>([
    ["of now", (now) => claimOf(now)],
    ["from the future", (now) => claimOf(now + 1e9)],
    ["of garbage", () => Buffer.from("garbage")],
    ["of another pair", (now) => encodeDocument("claim", { digest: Buffer.alloc(32), at: now, by: "x" })],
  ])("%s, all at once, delay the change by 30 seconds", async (_, documentAt) => {
    const { worker, plant, clock } = fleet();
    for (let number = 0; number < mostClaims; number += 1) await plant(`claim-${number}`, documentAt(clock.now()));
    const host = worker();
    expect(await host.claim(pair)).toBe(claimDuration);
    clock.advance(claimDuration);
    expect(await host.claim(pair)).toBe(0);
  });

  it("one after the other delay it by 90 seconds, and after that nobody's claim counts", async () => {
    const { worker, plant, clock } = fleet();
    const host = worker();
    const start = clock.now();
    await plant("claim-0", claimOf(clock.now()));
    for (let number = 1; number <= 9; number += 1) {
      const left = await host.claim(pair);
      if (left === 0) break;
      await plant(`claim-${number}`, claimOf(clock.now() + left)); // just in time for the end of the one before
      clock.advance(left);
    }
    expect(await host.claim(pair)).toBe(0);
    expect(clock.now() - start).toBeLessThanOrEqual(mostClaims * claimDuration);
  });

  it("of long ago delay nothing", async () => {
    const { worker, plant, clock } = fleet();
    for (let number = 0; number < mostClaims; number += 1)
      await plant(`claim-${number}`, claimOf(clock.now() - claimDuration));
    expect(await worker().claim(pair)).toBe(0);
  });

  it("delay nothing in a fleet with a secret, whose own claims are respected", async () => {
    const secret = new FleetSecret([fleetSecret()]);
    const { worker, plant, clock, claims } = fleet(secret);
    await plant("claim-0", claimOf(clock.now()));
    const first = worker();
    expect([await first.claim(pair), await worker().claim(pair)]).toEqual([0, claimDuration]);
    expect(await claims()).toEqual(["claim-0", "claim-1"]);
  });

  it.each<[string, object]>([
    ["its time", { at: 1 }],
    ["its worker", { by: "x" }],
    ["its code", { mac: Buffer.alloc(32) }],
    ["the length of its code", { mac: Buffer.alloc(31) }],
  ])("that change %s of a claim of the fleet's are none of it", async (_, change) => {
    const secret = new FleetSecret([fleetSecret()]);
    const { worker, store } = fleet(secret);
    await worker().claim(pair);
    const [stored] = await store.listWrappings(organizationId, keyPairId);
    const claim = { ...decodeDocument("claim", stored!.document, "claim"), ...change };
    const other = fleet(secret);
    await other.plant("claim-0", encodeDocument("claim", claim));
    expect(await other.worker().claim(pair)).toBe(0);
  });

  it("that stand under another number than the fleet gave them are none of it", async () => {
    const secret = new FleetSecret([fleetSecret()]);
    const { worker, store, clock } = fleet(secret);
    await worker().claim(pair);
    const [stored] = await store.listWrappings(organizationId, keyPairId);
    const other = fleet(secret);
    other.clock.set(clock.now());
    await other.plant("claim-0", Buffer.from("garbage"));
    await other.plant("claim-1", stored!.document);
    await other.plant("claim-2", stored!.document);
    expect(await other.worker().claim(pair)).toBe(0);
  });
});
