import { afterEach, describe, expect, it, vi } from "vitest";
import type { LastConfirmedStore } from "../../../src/stores/index.js";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import { LastConfirmedKeyPair } from "../../../src/key-pairs/active/last-confirmed.js";
import { keyPairDocument } from "../../../src/key-pairs/records.js";
import { spoilt } from "../inventions.js";
import { held as gate } from "../verdicts.js";
import { kmsKeyAliasArn, organizationId, turns, world, type WorkerOptions } from "../world.js";
import { ProcessLastConfirmedStore } from "../../../src/stores/last-confirmed-store.js";

const away = () => Promise.reject(new Error("disk full"));
afterEach(() => void vi.restoreAllMocks());

const prefix = "recording-keystore: the last confirmed record of this host";
function warnings() {
  const { calls } = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined).mock;
  return () => calls.splice(0).map(([text]) => text);
}

/** A host that has had a pair confirmed, and later processes of it. */
async function host() {
  const parts = world();
  const { pair, rotation, lastConfirmed, trust } = await parts.configured();
  const later = (options: WorkerOptions = {}) => parts.worker({ lastConfirmed, ...options });
  return { ...parts, pair, rotation, lastConfirmed, trust, later, said: warnings() };
}

describe("the last confirmed pair of a host", () => {
  it("is the pair confirmed last and when, once in a life", async () => {
    const { pair, later } = await host();
    await later().lastConfirmedPair.save(pair, 1_234);
    const { lastConfirmedPair, trust } = later({ trustedKmsKeys: "first-use" });
    const loaded = await lastConfirmedPair.load();
    expect(loaded).toMatchObject({ pair: { digest: pair.digest, publicKey: pair.publicKey }, confirmedAt: 1_234 });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
    expect(await lastConfirmedPair.load()).toBeUndefined();
    expect(await later().lastConfirmedPair.load()).toBeDefined();
  });

  it("may be nothing, which is not asked for again", async () => {
    const { worker } = world();
    const { lastConfirmedPair, lastConfirmed } = worker();
    const said = warnings();
    const load = vi.spyOn(lastConfirmed, "load");
    for (let time = 0; time < 2; time += 1) expect(await lastConfirmedPair.load()).toBeUndefined();
    expect({ loads: load.mock.calls, said: said() }).toEqual({ loads: [[organizationId]], said: [] });
  });

  it("is asked for again where it can't be read now, and said to be of no use", async () => {
    const { lastConfirmed, later, said } = await host();
    const { lastConfirmedPair } = later();
    vi.spyOn(lastConfirmed, "load").mockImplementationOnce(away);
    expect(await lastConfirmedPair.load()).toBeUndefined();
    expect(said()).toEqual([`${prefix} can't be used (disk full)`]);
    expect(await lastConfirmedPair.load()).toBeDefined();
    expect(said()).toEqual([]);
  });

  it("is given up after the store's time where the disk hangs; a thrown word is said as it is", async () => {
    const { lastConfirmed, later, said } = await host();
    const { lastConfirmedPair } = later({ storeTimeout: 20 });
    vi.spyOn(lastConfirmed, "load").mockImplementationOnce(() => new Promise(() => undefined));
    expect(await lastConfirmedPair.load()).toBeUndefined();
    expect(said()).toEqual([`${prefix} can't be used (no answer within 20 ms)`]);
    vi.spyOn(lastConfirmed, "load").mockImplementationOnce(() => {
      throw "words";
    });
    expect(await lastConfirmedPair.load()).toBeUndefined();
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
    const { lastConfirmedPair } = later();
    for (let time = 0; time < 2; time += 1) expect(await lastConfirmedPair.load()).toBeUndefined();
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
    expect(await later().lastConfirmedPair.load()).toBeUndefined();
    expect(said()).toEqual([]);
    await lastConfirmed.save("org-9", of("org-9"));
    expect(await later({ organizationId: "org-9" }).lastConfirmedPair.load()).toBeUndefined();
    expect(said()).toEqual([`${prefix} can't be used (last confirmed key pair belongs to another organization)`]);
  });

  it("counts for nothing where the anchor does not cover it any more, or KMS has disowned it", async () => {
    const { pair, lastConfirmed, later, said } = await host();
    expect(await later({ trustedKmsKeys: ["999999999999"] }).lastConfirmedPair.load()).toBeUndefined();
    expect(said()).toEqual([expect.stringMatching(/which the trust anchor does not cover\)$/)]);
    const copy = spoilt(pair);
    await lastConfirmed.save(
      organizationId,
      encodeDocument("lastConfirmed", { organizationId, keyPair: keyPairDocument(copy), confirmedAt: 1 }),
    );
    const { lastConfirmedPair, trust } = later();
    await trust.ask(copy);
    expect(await lastConfirmedPair.load()).toBeUndefined();
    expect(said()).toEqual([expect.stringMatching(/KMS rejects its record \(invalid-ciphertext\)\)$/)]);
  });

  it("is saved one after the other, and a failure is said and stops nothing", async () => {
    const { pair, rotation, later, said } = await host();
    const next = await rotation.rotate({});
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
    const { lastConfirmedPair } = later({ lastConfirmed });
    const writes = [lastConfirmedPair.save(pair, 1), lastConfirmedPair.save(next, 2), lastConfirmedPair.save(next, 3)];
    await turns();
    expect(saved).toEqual([]);
    release();
    await Promise.all(writes);
    expect({ saved, said: said() }).toEqual({ saved: [1, 3], said: [`${prefix} could not be saved (disk full)`] });
  });

  it("is given up after the store's time where saving hangs; what comes next is saved", async () => {
    const { pair, later, lastConfirmed, said } = await host();
    const { lastConfirmedPair } = later({ storeTimeout: 20 });
    vi.spyOn(lastConfirmed, "save").mockImplementationOnce(() => new Promise(() => undefined));
    await lastConfirmedPair.save(pair, 1);
    expect(said()).toEqual([`${prefix} could not be saved (no answer within 20 ms)`]);
    await lastConfirmedPair.save(pair, 2);
    expect(await later().lastConfirmedPair.load()).toMatchObject({ confirmedAt: 2 });
  });

  it("is saved again where a write that was given up ends after a later one", async () => {
    const { pair, rotation, later, lastConfirmed } = await host();
    const next = await rotation.rotate({});
    const { lastConfirmedPair } = later({ storeTimeout: 20 });
    const { waiting, release } = gate();
    const save = lastConfirmed.save.bind(lastConfirmed);
    const writes = vi.spyOn(lastConfirmed, "save");
    writes.mockImplementationOnce(async (...args) => (await waiting, save(...args)));
    await lastConfirmedPair.save(pair, 1);
    await lastConfirmedPair.save(next, 2);
    release();
    await turns();
    expect(await later().lastConfirmedPair.load()).toMatchObject({ pair: { digest: next.digest }, confirmedAt: 2 });
    expect(writes).toHaveBeenCalledTimes(3);
  });

  it("is not saved again where a write that was given up was the latest", async () => {
    const { pair, later, lastConfirmed } = await host();
    const { lastConfirmedPair } = later({ storeTimeout: 20 });
    const { waiting, release } = gate();
    const writes = vi.spyOn(lastConfirmed, "save").mockImplementationOnce(() => waiting);
    await lastConfirmedPair.save(pair, 1);
    release();
    await turns();
    expect(writes).toHaveBeenCalledTimes(1);
  });

  it("was confirmed by this very process only where that has it on record", async () => {
    const { later, pair, clock } = await host();
    expect(later().lastConfirmedPair.confirmedAt).toBeUndefined();
    const { lastConfirmedPair } = later({ processLastConfirmed: new ProcessLastConfirmedStore(clock) });
    await lastConfirmedPair.save(pair, clock.now());
    expect(lastConfirmedPair.confirmedAt).toEqual({ wall: clock.now(), monotonic: clock.monotonic() });
  });
});

describe("the last confirmed pair of a process", () => {
  it("goes before the host's, and both get what is saved", async () => {
    const { later, pair, clock, lastConfirmed } = await host();
    const processLastConfirmed = new ProcessLastConfirmedStore(clock);
    const inProcess = () => later({ processLastConfirmed }).lastConfirmedPair;
    await later().lastConfirmedPair.save(pair, 1);
    expect(await inProcess().load()).toMatchObject({ confirmedAt: 1 });
    await inProcess().save(pair, 2);
    expect(await later().lastConfirmedPair.load()).toMatchObject({ confirmedAt: 2 });
    await lastConfirmed.save(organizationId, Buffer.from("older"));
    expect(await inProcess().load()).toMatchObject({ pair: { digest: pair.digest }, confirmedAt: 2 });
  });

  it("outlives a host whose disk has failed, or that has none", async () => {
    const { later, pair, clock, trust, said } = await host();
    const inProcess = new ProcessLastConfirmedStore(clock);
    const options = { processLastConfirmed: inProcess, lastConfirmed: { load: away, save: away } };
    await later(options).lastConfirmedPair.save(pair, 1);
    expect(said()).toEqual([`${prefix} could not be saved (disk full)`]);
    expect(await later(options).lastConfirmedPair.load()).toMatchObject({ confirmedAt: 1 });
    expect(await new LastConfirmedKeyPair(organizationId, { inProcess }, trust, 50).load()).toBeDefined();
    expect(await new LastConfirmedKeyPair(organizationId, {}, trust, 50).load()).toBeUndefined();
  });
});
