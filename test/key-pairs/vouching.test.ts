import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import { askAgain, byKms, newestVouched, vouchForActive } from "../../src/key-pairs/vouching.js";
import { invented, spoilt } from "./inventions.js";
import { decided, failure, verdictStatuses } from "./verdicts.js";
import { fleetSecret, minute, organizationId, putAsWriter, world } from "./world.js";

afterEach(() => void vi.restoreAllMocks());

const secret = { fleetSecret: fleetSecret() };
const away = () => Promise.reject(new Error("no route to store"));

/** An organization with a pair, and a worker that has asked nobody yet. */
async function asked() {
  const parts = world();
  const first = await parts.configured();
  parts.clock.advance(minute);
  parts.kms.journal.clear();
  return { ...parts, first, pair: first.pair, ...parts.worker() };
}

/** Seals the word that a pair never was active, and puts it beside the pair. */
async function mark({ context }: ReturnType<ReturnType<typeof world>["worker"]>, pair: ClaimedKeyPair) {
  const sealed = await context.calls.sealNeverActive(pair);
  const document = encodeDocument("fate", { digest: pair.digest, mark: { ...sealed } });
  await context.records.createWrapping(pair.birth.keyPairId, { wrappingId: "fate", document });
}

const lostItsRace = ({ birth }: ClaimedKeyPair) =>
  `key pair ${birth.keyPairId} lost its race to become active, and is not used`;

describe("KMS's word for a pair that the store names", () => {
  it("counts from its answer, and is KMS's", async () => {
    const { context, pair, clock } = await asked();
    expect(await byKms(context, pair)).toEqual({
      status: "confirmed",
      pair,
      vouchedBy: "kms",
      confirmedAt: clock.now(),
    });
  });

  it.each(verdictStatuses)("is what KMS says: %s", async (status) => {
    const { context, pair, calls } = await asked();
    decided(calls, pair, status);
    expect((await byKms(context, pair)).status).toBe(status);
  });

  it("does not count for a pair that lost its race to become active", async () => {
    const { context, pair, first } = await asked();
    await mark(first, pair);
    const error = expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message: lostItsRace(pair) }) as unknown;
    expect(await byKms(context, pair)).toEqual({ status: "disowned", error });
  });

  it("is none where KMS does not answer about the mark of a pair", async () => {
    const { context, pair, first, calls } = await asked();
    await mark(first, pair);
    const error = failure("throttled");
    vi.spyOn(calls, "saysNeverActive").mockRejectedValue(error);
    expect(await byKms(context, pair)).toEqual({ status: "no-verdict", error });
  });

  it("leaves behind that the pair was taken up: a mark comes too late then", async () => {
    const { context, pair, first } = await asked();
    await byKms(context, pair);
    await mark(first, pair);
    expect(await byKms(context, pair)).toMatchObject({ status: "confirmed" });
  });

  it("is not had where the store does not say whether there is a mark", async () => {
    const { context, pair, store } = await asked();
    vi.spyOn(store, "listWrappings").mockImplementation(away);
    await expect(byKms(context, pair)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
  });

  it.each([
    ["KMS alone", byKms],
    ["fleet and KMS", vouchForActive],
  ])("is not waited for by who has left: %s", async (_, ask) => {
    const { context, pair, trust, records } = await asked();
    const { signal } = new AbortController();
    const [question, fate] = [vi.spyOn(trust, "ask"), vi.spyOn(records, "createWrapping")];
    await ask(context, pair, signal);
    expect({ question: question.mock.calls, fate: fate.mock.calls }).toEqual({
      question: [[pair, signal]],
      fate: [[pair.birth.keyPairId, expect.objectContaining({ wrappingId: "fate" }) as unknown, signal]],
    });
    await expect(ask(context, pair, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  it("leaves nothing behind where one only wants to know", async () => {
    const { context, pair, store, first, records } = await asked();
    const { signal } = new AbortController();
    const [read, written] = [vi.spyOn(records, "listWrappings"), vi.spyOn(store, "createWrapping")];
    const verdict = await byKms(context, pair, signal, { dryRun: true });
    expect(verdict).toMatchObject({ status: "confirmed", vouchedBy: "kms" });
    expect({ read: read.mock.calls, written: written.mock.calls }).toEqual({
      read: [[pair.birth.keyPairId, signal]],
      written: [],
    });
    await mark(first, pair);
    const error = { message: lostItsRace(pair) };
    expect(await byKms(context, pair, signal, { dryRun: true })).toMatchObject({ status: "disowned", error });
  });
});

describe("asking again about an active pair", () => {
  it.each(verdictStatuses)("gives what KMS says: %s", async (status) => {
    const { context, calls, clock } = await asked();
    const pair = context.trust.vouchByHost((await asked()).pair);
    decided(calls, pair, status);
    const verdict = await askAgain(context, pair);
    if (status === "confirmed") expect(verdict).toEqual({ status, pair, vouchedBy: "kms", confirmedAt: clock.now() });
    else expect(verdict).toEqual({ status, error: expect.any(Error) as unknown });
  });

  it("needs no call to the store", async () => {
    const { context, pair, store } = await asked();
    vi.spyOn(store, "listWrappings").mockImplementation(away);
    expect(await askAgain(context, pair)).toMatchObject({ status: "confirmed" });
  });
});

describe("the fleet's word for a pair that the store names", () => {
  it("goes before a question to KMS", async () => {
    const { worker, kms, first, clock } = await asked();
    await worker(secret).fleet.tell(first.pair, { confirmedAt: clock.now() - 5 });
    kms.faults.outage();
    const { context } = worker(secret);
    expect(await vouchForActive(context, first.pair)).toEqual({
      status: "confirmed",
      pair: first.pair,
      vouchedBy: "fleet",
      confirmedAt: clock.now() - 5,
    });
    expect(kms.journal.count()).toBe(0);
  });

  it("is of no later time than now, whatever another worker's clock says", async () => {
    const { worker, first, clock } = await asked();
    await worker(secret).fleet.tell(first.pair, { confirmedAt: clock.now() + minute });
    expect(await vouchForActive(worker(secret).context, first.pair)).toMatchObject({
      vouchedBy: "fleet",
      confirmedAt: clock.now(),
    });
  });

  it("about another pair is none", async () => {
    const { worker, first, trust } = await asked();
    await worker(secret).fleet.tell(trust.vouchByHost(invented()), { confirmedAt: 5 });
    expect(await vouchForActive(worker(secret).context, first.pair)).toMatchObject({
      status: "confirmed",
      vouchedBy: "kms",
    });
  });

  it("is not enough for a key that this worker's anchor does not cover", async () => {
    const { worker, first, kms } = await asked();
    await worker(secret).fleet.tell(first.pair, { confirmedAt: 5 });
    const { context } = worker({ ...secret, trustedKmsKeys: ["999999999999"] });
    expect(await vouchForActive(context, first.pair)).toMatchObject({
      status: "disowned",
      error: { code: "ERR_KEY_PAIR_UNTRUSTED", message: expect.stringContaining("does not cover") as unknown },
    });
    expect(kms.journal.count()).toBe(0);
  });

  it("is not doubted where this process itself fails", async () => {
    const { worker, first, clock } = await asked();
    await worker(secret).fleet.tell(first.pair, { confirmedAt: clock.now() });
    const { context, trust } = worker(secret);
    const bug = new TypeError("a bug");
    vi.spyOn(trust, "vouchByFleet").mockImplementation(() => {
      throw bug;
    });
    await expect(vouchForActive(context, first.pair)).rejects.toBe(bug);
  });

  it("does not bring back what KMS has disowned to this process", async () => {
    const { worker, first, kms } = await asked();
    const copy = spoilt(first.pair);
    const { context, trust } = worker(secret);
    expect(await trust.ask(copy)).toMatchObject({ status: "disowned" });
    await worker(secret).fleet.tell(first.pair, { confirmedAt: 5 });
    kms.journal.clear();
    expect(await vouchForActive(context, copy)).toMatchObject({
      status: "disowned",
      error: { code: "ERR_KEY_PAIR_UNTRUSTED" },
    });
    expect(kms.journal.count()).toBe(0);
  });
});

describe("the newest pair that KMS vouches for", () => {
  /** Made-up pairs in the store, of the sequences given, and the search: an encryption's (bounded) or an operator's. */
  async function searching(sequences: readonly number[]) {
    const parts = await asked();
    for (const sequence of sequences) {
      await putAsWriter(parts.store, invented({ birth: { sequence }, kmsKeyArn: parts.keyArn }));
    }
    parts.kms.journal.clear();
    const find = (bounded = true) => newestVouched(parts.context, { bounded });
    return { ...parts, find };
  }

  const several = (count: number) => Array.from({ length: count }, (_, index) => index + 2);

  it("is found behind all that is made up, damaged, foreign or refused", async () => {
    const { find, pair, store, clock } = await searching([2, 3, 4]);
    await putAsWriter(store, invented({ birth: { sequence: 6 } })); // under a key that KMS does not know
    await store.createKeyPair({ organizationId, keyPairId: "torn", sequence: 5, document: Buffer.from("torn") });
    const found = { status: "confirmed", pair: { digest: pair.digest }, vouchedBy: "kms", confirmedAt: clock.now() };
    expect(await find()).toMatchObject(found);
    expect(await find(false)).toMatchObject(found);
  });

  it("is the newest, not any", async () => {
    const { find, first, kms } = await searching([9]);
    const next = await first.rotation.rotate({});
    kms.journal.clear();
    expect((await find())?.pair.digest).toEqual(next.digest);
    expect(kms.journal.count("Decrypt")).toBe(2);
  });

  it("is not one that lost its race", async () => {
    const { find, first } = await searching([]);
    const next = await first.rotation.rotate({});
    await mark(first, next);
    expect((await find())?.pair.digest).toEqual(first.pair.digest);
  });

  it.each([true, false])("is none in an empty store, or where all is made up (bounded: %s)", async (bounded) => {
    const { first, worker, store } = await searching([]);
    expect(await newestVouched(worker({ organizationId: "org-9" }).context, { bounded })).toBeUndefined();
    await store.removeKeyPair(organizationId, first.pair.birth.keyPairId);
    await putAsWriter(store, invented({ kmsKeyArn: first.pair.wrapping.kmsKeyArn }));
    expect(await newestVouched(worker().context, { bounded })).toBeUndefined();
  });

  it("is not guessed at while KMS or the store is away, or something is broken", async () => {
    const { find, kms, store, records } = await searching([]);
    const fault = kms.faults.outage();
    await expect(find()).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE", kind: "unreachable" });
    fault.remove();
    const list = vi.spyOn(store, "listKeyPairs").mockImplementation(away);
    await expect(find()).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    list.mockRestore();
    const bug = new TypeError("a bug");
    vi.spyOn(records, "claimOf").mockImplementation(() => {
      throw bug;
    });
    await expect(find()).rejects.toBe(bug);
  });

  it("is looked for in pages, on behalf of the caller", async () => {
    const { context, store, records, trust } = await searching([]);
    const [list, pages, ask] = [vi.spyOn(records, "list"), vi.spyOn(store, "listKeyPairs"), vi.spyOn(trust, "ask")];
    const { signal } = new AbortController();
    await newestVouched(context, { bounded: true }, signal);
    expect(list.mock.calls).toMatchObject([[undefined, expect.any(Function), signal]]);
    expect(pages.mock.calls.map(([, query]) => query)).toEqual([{ after: undefined, limit: 50 }]);
    expect(ask.mock.calls[0]?.[1]).toBe(signal);
    const left = newestVouched(context, { bounded: true }, AbortSignal.abort(new Error("left")));
    await expect(left).rejects.toThrow("left");
  });

  it("costs an encryption at most 16 questions; each search gets further than the one before", async () => {
    const { find, kms, pair } = await searching(several(40));
    const searches = [];
    for (let search = 0; search < 3; search += 1) {
      const found = (await find())?.pair.digest.equals(pair.digest) ?? false;
      searches.push({ found, questions: kms.journal.count("Decrypt") });
      kms.journal.clear();
    }
    expect(searches).toEqual([
      { found: false, questions: 16 },
      { found: false, questions: 16 },
      { found: true, questions: 9 },
    ]);
  });

  it("is found by an encryption as the last that it may ask about, and not behind that", async () => {
    const { find, pair } = await searching(several(15));
    expect((await find())?.pair.digest).toEqual(pair.digest);
    const further = await searching(several(16));
    expect(await further.find()).toBeUndefined();
  });

  it("is looked for last among those refused before, the one refused first before the others", async () => {
    const { find, kms, clock, pair, context, store } = await searching([]);
    const [older, newer] = [2, 3].map((sequence) => invented({ birth: { sequence } })); // under a key that KMS does not know
    for (const refused of [older!, newer!]) {
      await context.trust.ask(refused);
      clock.advance(minute);
      await putAsWriter(store, refused);
    }
    const asked = vi.spyOn(context.trust, "ask");
    const order = () => asked.mock.calls.splice(0).map(([claim]) => claim.birth.sequence);
    expect((await find())?.pair.digest).toEqual(pair.digest);
    expect(order()).toEqual([1]);
    const denied = kms.faults.accessDenied({ keyId: pair.wrapping.kmsKeyArn });
    expect(await find()).toBeUndefined();
    expect(order()).toEqual([1, 2, 3]);
    expect(await find()).toBeUndefined();
    expect(order()).toEqual([]); // what KMS has just refused
    clock.advance(minute);
    denied.remove();
    expect((await find())?.pair.digest).toEqual(pair.digest);
    expect(order()).toEqual([3, 2, 1]);
    expect((await find(false))?.pair.digest).toEqual(pair.digest);
    expect(order()).toEqual([3, 2, 1]);
  });

  it("costs an encryption at most 16 questions also among those refused before", async () => {
    const { find, kms, clock, context, store } = await searching([]);
    for (const sequence of several(20)) await putAsWriter(store, invented({ birth: { sequence } }));
    kms.faults.accessDenied({});
    const ask = vi.spyOn(context.trust, "ask");
    const questions = [];
    for (const pause of [0, 0, minute]) {
      clock.advance(pause);
      expect(await find()).toBeUndefined();
      questions.push(ask.mock.calls.splice(0).length);
    }
    expect(questions).toEqual([16, 5, 16]);
  });

  it("is taken up, unless one only wants to know", async () => {
    const { context, pair, records } = await searching([]);
    const write = vi.spyOn(records, "createWrapping");
    expect(await newestVouched(context, { bounded: false, dryRun: true })).toBeDefined();
    expect(write).not.toHaveBeenCalled();
    expect(await newestVouched(context, { bounded: false })).toBeDefined();
    expect(write.mock.calls.map(([keyPairId]) => keyPairId)).toEqual([pair.birth.keyPairId]);
  });

  it("is looked for by an operator without any bound", async () => {
    const { find, kms, pair } = await searching(several(40));
    expect((await find(false))?.pair.digest).toEqual(pair.digest);
    expect(kms.journal.count("Decrypt")).toBe(41);
  });

  it("is looked for by an encryption among 5,000 listed pairs, by an operator among all", async () => {
    const { find, context, pair, store } = await searching([]);
    const listed = (await store.readKeyPair(organizationId, pair.birth.keyPairId))!;
    const torn = { ...listed, document: Buffer.from("torn") };
    const behind = (count: number) =>
      async function* () {
        for (let index = 0; index < count; index += 1) yield torn;
        yield listed;
      };
    const list = vi.spyOn(context.records, "list").mockImplementation(behind(5_000));
    expect(await find()).toBeUndefined();
    expect((await find(false))?.pair.digest).toEqual(pair.digest);
    list.mockImplementation(behind(4_999));
    expect((await find())?.pair.digest).toEqual(pair.digest);
  });
});
