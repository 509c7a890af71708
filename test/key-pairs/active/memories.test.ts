import { afterEach, describe, expect, it, vi } from "vitest";
import type { LastConfirmedStore } from "../../../src/index.js";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import { HostMemory } from "../../../src/key-pairs/active/last-confirmed.js";
import { keyPairDocument } from "../../../src/key-pairs/records.js";
import { MemoryLastConfirmedStore, TestClock } from "../../../src/testing/index.js";
import { spoilt } from "../inventions.js";
import { held as gate } from "../verdicts.js";
import { kmsKeyAliasArn, organizationId, turns, world, type WorkerOptions } from "../world.js";
import { ConfirmedMemory } from "../../../src/stores/last-confirmed-store.js";

const away = () => Promise.reject(new Error("disk full"));
afterEach(() => void vi.restoreAllMocks());

const prefix = "recording-keystore: the last confirmed record of this host";
function warnings() {
  const { calls } = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined).mock;
  return () => calls.splice(0).map(([text]) => text);
}

/** A host that has had a pair confirmed, and its memory as a later process has it. */
async function host() {
  const parts = world();
  const { pair, rotation, lastConfirmed } = await parts.configured();
  const later = (options: WorkerOptions = {}) => parts.worker({ lastConfirmed, ...options });
  return { ...parts, pair, rotation, lastConfirmed, later, said: warnings() };
}

describe("what a host remembers", () => {
  it("is the pair confirmed last and when, once in a life", async () => {
    const { pair, later } = await host();
    await later().memory.remember(pair, 1_234);
    const { memory, trust } = later({ trustedKmsKeys: "first-use" });
    const recalled = await memory.recall();
    expect(recalled).toMatchObject({ pair: { digest: pair.digest, publicKey: pair.publicKey }, confirmedAt: 1_234 });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
    expect(await memory.recall()).toBeUndefined();
    expect(await later().memory.recall()).toBeDefined();
  });

  it("may be nothing, which is not asked for again", async () => {
    const { worker } = world();
    const { memory, lastConfirmed } = worker();
    const said = warnings();
    const load = vi.spyOn(lastConfirmed, "load");
    for (let time = 0; time < 2; time += 1) expect(await memory.recall()).toBeUndefined();
    expect({ loads: load.mock.calls, said: said() }).toEqual({ loads: [[organizationId]], said: [] });
  });

  it("is asked for again where it can't be read now, and said to be of no use", async () => {
    const { lastConfirmed, later, said } = await host();
    const { memory } = later();
    vi.spyOn(lastConfirmed, "load").mockImplementationOnce(away);
    expect(await memory.recall()).toBeUndefined();
    expect(said()).toEqual([`${prefix} can't be used (disk full)`]);
    expect(await memory.recall()).toBeDefined();
    expect(said()).toEqual([]);
  });

  it("is given up after the store's time where the disk hangs; a thrown word is said as it is", async () => {
    const { lastConfirmed, later, said } = await host();
    const { memory } = later({ storeTimeout: 20 });
    vi.spyOn(lastConfirmed, "load").mockImplementationOnce(() => new Promise(() => undefined));
    expect(await memory.recall()).toBeUndefined();
    expect(said()).toEqual([`${prefix} can't be used (no answer within 20 ms)`]);
    vi.spyOn(lastConfirmed, "load").mockImplementationOnce(() => {
      throw "words";
    });
    expect(await memory.recall()).toBeUndefined();
    expect(said()).toEqual([`${prefix} can't be used (words)`]);
  });

  it.each([
    ["no JSON", Buffer.from("{"), "last confirmed record: is not JSON"],
    [
      "no pair",
      encodeDocument("lastConfirmed", { organizationId, keyPair: Buffer.from("{"), confirmedAt: 1 }),
      "last confirmed key pair: is not JSON",
    ],
  ])("is said to be of no use where it is damaged, and not asked for again: %s", async (_, document, why) => {
    const { lastConfirmed, later, said } = await host();
    const load = vi.spyOn(lastConfirmed, "load").mockResolvedValue(document);
    const { memory } = later();
    for (let time = 0; time < 2; time += 1) expect(await memory.recall()).toBeUndefined();
    expect({ said: said(), loads: load.mock.calls.length }).toEqual({
      said: [`${prefix} can't be used (${why})`],
      loads: 1,
    });
  });

  it("counts for nothing where it is another organization's", async () => {
    const { pair, lastConfirmed, later, said } = await host();
    const of = (organization: string) =>
      encodeDocument("lastConfirmed", { organizationId: organization, keyPair: keyPairDocument(pair), confirmedAt: 1 });
    await lastConfirmed.save(organizationId, of("org-9"));
    expect(await later().memory.recall()).toBeUndefined();
    expect(said()).toEqual([]);
    await lastConfirmed.save("org-9", of("org-9"));
    expect(await later({ organizationId: "org-9" }).memory.recall()).toBeUndefined();
    expect(said()).toEqual([`${prefix} can't be used (last confirmed key pair belongs to another organization)`]);
  });

  it("counts for nothing where the anchor does not cover it any more, or KMS has disowned it", async () => {
    const { pair, lastConfirmed, later, said } = await host();
    expect(await later({ trustedKmsKeys: ["999999999999"] }).memory.recall()).toBeUndefined();
    expect(said()).toEqual([expect.stringMatching(/which the trust anchor does not cover\)$/)]);
    const copy = spoilt(pair);
    await lastConfirmed.save(
      organizationId,
      encodeDocument("lastConfirmed", { organizationId, keyPair: keyPairDocument(copy), confirmedAt: 1 }),
    );
    const { memory, trust } = later();
    await trust.ask(copy);
    expect(await memory.recall()).toBeUndefined();
    expect(said()).toEqual([expect.stringMatching(/KMS rejects its record \(invalid-ciphertext\)\)$/)]);
  });

  it("is saved one after the other, and a failure is said and stops nothing", async () => {
    const { pair, rotation, later, said } = await host();
    const next = await rotation.change({});
    const { waiting, release } = gate();
    const saved: number[] = [];
    const lastConfirmed: LastConfirmedStore = {
      load: async () => undefined,
      save: async (_, document) => {
        const { confirmedAt } = JSON.parse(Buffer.from(document).toString()) as { confirmedAt: number };
        if (confirmedAt === 1) await waiting;
        if (confirmedAt === 2) await away();
        saved.push(confirmedAt);
      },
    };
    const { memory } = later({ lastConfirmed });
    const writes = [memory.remember(pair, 1), memory.remember(next, 2), memory.remember(next, 3)];
    await turns();
    expect(saved).toEqual([]);
    release();
    await Promise.all(writes);
    expect({ saved, said: said() }).toEqual({ saved: [1, 3], said: [`${prefix} could not be saved (disk full)`] });
  });

  it("is given up after the store's time where saving hangs; what comes next is saved", async () => {
    const { pair, later, lastConfirmed, said } = await host();
    const { memory } = later({ storeTimeout: 20 });
    vi.spyOn(lastConfirmed, "save").mockImplementationOnce(() => new Promise(() => undefined));
    await memory.remember(pair, 1);
    expect(said()).toEqual([`${prefix} could not be saved (no answer within 20 ms)`]);
    await memory.remember(pair, 2);
    expect(await later().memory.recall()).toMatchObject({ confirmedAt: 2 });
  });

  it("was confirmed by this very process only where its memory says so", async () => {
    const { lastConfirmed, later, pair, clock, trust } = { ...(await host()), trust: world().worker().trust };
    expect(later().memory.confirmedAt).toBeUndefined();
    const memory = new HostMemory(organizationId, new ConfirmedMemory(clock).before(lastConfirmed), trust, 50);
    await memory.remember(pair, clock.now());
    expect(memory.confirmedAt).toEqual({ wall: clock.now(), monotonic: clock.monotonic() });
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
