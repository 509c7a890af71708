import { afterEach, describe, expect, it, vi } from "vitest";
import type { LastConfirmedStore } from "../../src/index.js";
import { ConfirmedMemory } from "../../src/key-pairs/confirmed-memory.js";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { HostMemory } from "../../src/key-pairs/host-memory.js";
import { storedKeyPair } from "../../src/key-pairs/key-pair.js";
import { KeyTrust } from "../../src/key-pairs/key-trust.js";
import { SharedHealth } from "../../src/key-pairs/shared-health.js";
import { kmsError } from "../../src/kms/failures.js";
import { TrustAnchor } from "../../src/kms/trust-anchor.js";
import { MemoryLastConfirmedStore, TestClock } from "../../src/testing/index.js";
import { kmsKeyAliasArn, minute, organizationId, turns, world } from "./world.js";

const away = () => Promise.reject(new Error("disk full"));
afterEach(() => void vi.restoreAllMocks());

function warnings() {
  return vi.spyOn(process, "emitWarning").mockImplementation(() => undefined).mock.calls;
}

describe("what a host remembers", () => {
  it("is the pair confirmed last and when, once in a life", async () => {
    const { configured, worker } = world();
    const { pair, lastConfirmed } = await configured();
    const { context } = worker({ lastConfirmed, trust: new KeyTrust(undefined) });
    await new HostMemory(context).remember(pair, 1_234);
    const memory = new HostMemory(context);
    const { pair: recalled, confirmedAt } = (await memory.recall())!;
    expect([recalled.digest, recalled.publicKey, confirmedAt]).toEqual([pair.digest, pair.publicKey, 1_234]);
    expect(context.trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
    expect(await memory.recall()).toBeUndefined();
    expect(await new HostMemory(context).recall()).toBeDefined();
  });

  it("may be nothing, which is not asked for again", async () => {
    const { worker } = world();
    const { context, lastConfirmed } = worker();
    const said = warnings();
    const load = vi.spyOn(lastConfirmed, "load");
    const memory = new HostMemory(context);
    expect([await memory.recall(), await memory.recall()]).toEqual([undefined, undefined]);
    expect([load.mock.calls, said]).toEqual([[[organizationId]], []]);
  });

  it("that can't be read now is asked for again; one that is no use is not. Both are said, and no error", async () => {
    const { configured, worker } = world();
    const { lastConfirmed } = await configured();
    const said = warnings();
    const { context } = worker({ lastConfirmed });
    const memory = new HostMemory(context);
    const load = vi.spyOn(lastConfirmed, "load").mockImplementationOnce(away);
    expect(await memory.recall()).toBeUndefined();
    expect(said.splice(0)).toEqual([["recording-keystore: the last confirmed record of this host can't be used (disk full)"]]);
    expect(await memory.recall()).toBeDefined();
    load.mockResolvedValue(Buffer.from("{"));
    const broken = new HostMemory(context);
    expect([await broken.recall(), await broken.recall()]).toEqual([undefined, undefined]);
    expect(said).toEqual([["recording-keystore: the last confirmed record of this host can't be used (last confirmed record: is not JSON)"]]);
  });

  it("counts for nothing when it is another organization's, or not covered by the anchor any more", async () => {
    const { configured, worker } = world();
    const { pair, lastConfirmed } = await configured();
    const said = warnings();
    const { document } = storedKeyPair(pair);
    await lastConfirmed.save("org-9", encodeDocument("lastConfirmed", { organizationId: "org-9", keyPair: Buffer.from(document), confirmedAt: 1 }));
    const foreign = (await lastConfirmed.load("org-9"))!;
    expect(await new HostMemory(worker({ lastConfirmed: { load: async () => foreign, save: away } }).context).recall()).toBeUndefined();
    expect(said).toEqual([]);
    expect(await new HostMemory(worker({ lastConfirmed, organizationId: "org-9" }).context).recall()).toBeUndefined();
    expect(said.splice(0)[0]).toEqual(["recording-keystore: the last confirmed record of this host can't be used (last confirmed key pair belongs to another organization)"]);
    expect(await new HostMemory(worker({ lastConfirmed, trust: new KeyTrust(new TrustAnchor(["999999999999"])) }).context).recall()).toBeUndefined();
    expect(String(said[0]?.[0])).toMatch(/which the trust anchor does not cover\)$/);
  });

  it("is saved one after the other, and a failure is said and stops nothing", async () => {
    const { configured, worker } = world();
    const { pair, rotation } = await configured();
    const next = await rotation.change({});
    const said = warnings();
    const saved: number[] = [];
    let release!: () => void;
    const slow = new Promise<void>((resolve) => (release = resolve));
    const lastConfirmed: LastConfirmedStore = {
      load: async () => undefined,
      save: async (_, document) => {
        const { confirmedAt } = JSON.parse(Buffer.from(document).toString()) as { confirmedAt: number };
        if (confirmedAt === 1) await slow;
        if (confirmedAt === 2) await away();
        saved.push(confirmedAt);
      },
    };
    const memory = new HostMemory(worker({ lastConfirmed }).context);
    const writes = [memory.remember(pair, 1), memory.remember(next, 2), memory.remember(next, 3)];
    await turns();
    expect(saved).toEqual([]);
    release();
    await Promise.all(writes);
    expect(saved).toEqual([1, 3]);
    expect(said).toEqual([["recording-keystore: the last confirmed record could not be saved (the key pair store failed)"]]);
  });
});

describe("what a process remembers for all its organizations", () => {
  const bytes = Buffer.from("document");

  it("is there before the host's memory, which it fills, and tells when", async () => {
    const clock = new TestClock();
    const memory = new ConfirmedMemory(clock);
    const host = new MemoryLastConfirmedStore();
    await host.save("org-2", Buffer.from("earlier life"));
    const view = memory.before(host);
    expect([await view.load("org-1"), view.confirmedAt?.("org-1")]).toEqual([undefined, undefined]);
    expect(Buffer.from((await view.load("org-2"))!).toString()).toBe("earlier life");
    expect(view.confirmedAt?.("org-2")).toBeUndefined();
    clock.advance(5);
    const given = Buffer.from(bytes);
    await view.save("org-1", given);
    given.fill(0);
    clock.advance(5);
    await host.save("org-1", Buffer.from("older"));
    const loaded = (await view.load("org-1"))!;
    expect(Buffer.from(loaded)).toEqual(bytes);
    loaded.fill(0);
    expect(Buffer.from((await memory.before(undefined).load("org-1"))!)).toEqual(bytes);
    expect(view.confirmedAt?.("org-1")).toEqual({ wall: clock.now() - 5, monotonic: 5 });
  });

  it("outlives a host whose disk has failed, or that has none", async () => {
    const memory = new ConfirmedMemory(new TestClock());
    await expect(memory.before({ load: away, save: away }).save("org-1", bytes)).rejects.toThrow("disk full");
    expect(Buffer.from((await memory.before({ load: away, save: away }).load("org-1"))!)).toEqual(bytes);
    await memory.before(undefined).save("org-2", bytes);
    expect(await memory.before(undefined).load("org-3")).toBeUndefined();
  });
});

describe("what workers tell each other", () => {
  const digest = Buffer.alloc(32, 1);
  const other = Buffer.alloc(32, 2);
  const failure = (kind: "throttled" | "access-denied" = "throttled", message = "slow down") => kmsError(kind, { operation: "Decrypt", message });

  function fleet() {
    const { clock, store, worker } = world();
    const shared = () => new SharedHealth(worker().context);
    const written = vi.spyOn(store, "writeStatus");
    return { clock, store, shared, written };
  }

  it("is about one pair, and nothing when it can't be read", async () => {
    const { clock, store, shared } = fleet();
    const one = shared();
    expect(await one.read(digest)).toBeUndefined();
    await one.write(digest);
    expect(await shared().read(digest)).toEqual({ digest, at: clock.now() });
    expect(await shared().read(other)).toBeUndefined();
    await store.writeStatus(organizationId, Buffer.from("torn"));
    expect(await shared().read(digest)).toBeUndefined();
    vi.spyOn(store, "readStatus").mockImplementation(away);
    expect(await shared().read(digest)).toBeUndefined();
  });

  it("is fresh for confirmEvery, and never in the future, about another pair, or a failure", async () => {
    const { clock, shared } = fleet();
    const one = shared();
    expect(await one.isFresh(digest)).toBe(false);
    await shared().write(digest);
    const fresh = async (pass: number) => {
      clock.set(clock.now() + pass);
      return one.isFresh(digest);
    };
    expect(await one.isFresh(other)).toBe(false);
    expect([await fresh(0), await fresh(15 * minute - 1), await fresh(1), await fresh(-15 * minute), await fresh(-1)]).toEqual([true, true, false, true, false]);
    await shared().write(digest, failure());
    expect(await one.isFresh(digest)).toBe(false);
  });

  it("is written once a minute, sooner only when the news has changed", async () => {
    const { clock, shared, written } = fleet();
    const one = shared();
    const writes = async (pass: number, ...news: Parameters<SharedHealth["write"]>) => {
      clock.advance(pass);
      await one.write(...news);
      return written.mock.calls.splice(0).length;
    };
    expect(await writes(0, digest)).toBe(1);
    expect(await writes(minute - 1, digest)).toBe(0);
    expect(await writes(1, digest)).toBe(1);
    expect(await writes(0, digest, failure())).toBe(1);
    expect(await writes(0, digest, failure("throttled", "other words"))).toBe(0);
    expect(await writes(0, digest, failure("access-denied"))).toBe(1);
    expect(await writes(0, other, failure("access-denied"))).toBe(1);
    expect(await writes(0, other)).toBe(1);
    expect(await writes(0, other)).toBe(0);
  });

  it("holds of a failure its kind, operation and the beginning of its words, and fails in silence", async () => {
    const { clock, store, shared } = fleet();
    await shared().write(digest, failure("access-denied", "x".repeat(5_000)));
    expect(await shared().read(digest)).toEqual({ digest, at: clock.now(), failure: { kind: "access-denied", operation: "Decrypt", message: "x".repeat(1_000) } });
    vi.spyOn(store, "writeStatus").mockImplementation(away);
    await expect(shared().write(digest)).resolves.toBeUndefined();
  });
});
