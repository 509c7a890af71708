import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { StatusDocument } from "../../../src/key-pairs/documents.js";
import { encodeStatus, FleetSecret } from "../../../src/key-pairs/active/fleet-word.js";
import { effort } from "../../support/effort.js";
import { fleetSecret, minute, organizationId, second, turns, world, type WorkerOptions } from "../world.js";
import { statusOf } from "../../../src/key-pairs/active/fleet-status.js";

const secret = { fleetSecret: fleetSecret() };
type Worker = ReturnType<ReturnType<typeof world>["worker"]>;
const several = <T>(count: number, make: () => T) => Array.from({ length: count }, make);

beforeEach(() => {
  let state = 1; // luck, the same in each run
  vi.spyOn(Math, "random").mockImplementation(() => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647);
});
afterEach(() => void vi.restoreAllMocks());

/** A configured organization whose maker has told the fleet, and use of workers with what it costs KMS. */
async function fleetOf(options: WorkerOptions = secret) {
  const parts = world();
  const maker = await parts.configured(options);
  parts.kms.journal.clear();
  const use = async (worker: Worker) => {
    const key = await worker.active.acquire(true);
    await worker.active.settled();
    return key;
  };
  /** Lets time pass in steps, each worker being used at each of them. */
  const pass = async (workers: readonly Worker[], ms: number, step: number, then: () => unknown = () => undefined) => {
    for (let passed = 0; passed < ms; passed += step) {
      parts.clock.advance(step);
      for (const worker of workers) {
        await use(worker);
        await then();
      }
    }
  };
  const questions = () => parts.kms.journal.count("Decrypt");
  const writeWord = (document: Uint8Array) => parts.store.writeStatus(organizationId, document);
  const wordNow = async () => (await parts.store.readStatus(organizationId))!;
  return { ...parts, maker, use, pass, questions, writeWord, wordNow };
}

describe("over hours of use, eight workers", () => {
  const hours = effort(6, 1);

  /** How many questions they put to KMS in that time, and the longest time that any of them went without an answer. */
  async function used(options: WorkerOptions) {
    const { worker, pass, questions, clock, use } = await fleetOf(options);
    const workers = several(8, () => worker(options));
    for (const each of workers) await use(each);
    let longest = 0;
    await pass(workers, hours * 60 * minute, 30 * second, () => {
      for (const { active } of workers) longest = Math.max(longest, clock.now() - active.vouched!.confirmedAt);
    });
    return { questions: questions(), longest };
  }

  it("with the secret put one question per confirmEvery for all, and none goes longer without", async () => {
    const { questions, longest } = await used(secret);
    expect(questions).toBeGreaterThanOrEqual(4 * hours);
    expect(questions).toBeLessThanOrEqual(4.5 * hours); // at the earliest after 13.5 minutes
    expect(longest).toBeLessThanOrEqual(15 * minute);
  });

  it("without a secret put one each, whatever stands in the store", async () => {
    const { questions, longest } = await used({});
    expect(questions).toBeGreaterThanOrEqual(8 * 4 * hours);
    expect(questions).toBeLessThanOrEqual(8 * (4.5 * hours + 1)); // and the first one
    expect(longest).toBeLessThanOrEqual(15 * minute);
  });
});

describe("one worker's question to KMS", () => {
  it("is spared all that start with the word of the pair's maker", async () => {
    const { worker, use, questions } = await fleetOf();
    for (const each of several(3, () => worker(secret))) {
      expect(await use(each)).toMatchObject({ confirmation: "confirmed", vouchedBy: "fleet" });
    }
    expect(questions()).toBe(0);
  });

  it("about a head that has moved serves the others, who take up the pair at their next read", async () => {
    const { worker, use, questions, kms, clock, maker } = await fleetOf();
    const workers = several(3, () => worker(secret));
    for (const each of workers) await use(each);
    const next = await maker.rotation.rotate({});
    kms.journal.clear();
    clock.advance(minute);
    for (const each of workers) {
      await use(each);
      expect(each.active.vouched).toMatchObject({ vouchedBy: "fleet", pair: { digest: next.digest } });
    }
    expect(questions()).toBe(0);
  });

  it("is told of by a worker that took up a pair of a maker who told nobody", async () => {
    const { worker, use, questions } = await fleetOf({});
    const [first, other] = [worker(secret), worker(secret)];
    await use(first);
    await use(other);
    expect({
      questions: questions(),
      first: first.active.vouched?.vouchedBy,
      other: other.active.vouched?.vouchedBy,
    }).toEqual({
      questions: 1,
      first: "kms",
      other: "fleet",
    });
  });

  it("in an outage is put every 30 seconds for all, and its failure is known to all", async () => {
    const { worker, use, pass, questions, kms, keyArn } = await fleetOf();
    const workers = several(4, () => worker(secret));
    for (const each of workers) await use(each);
    kms.disableKey(keyArn);
    await pass(workers, 15 * minute, 10 * second);
    expect(workers.map(({ health }) => health.keyAtRisk)).toEqual([true, true, true, true]);
    kms.journal.clear();
    await pass(workers, 10 * minute, 10 * second);
    expect(questions()).toBe(20);
    kms.enableKey(keyArn);
    await pass(workers, minute, 10 * second);
    expect(workers.map(({ health }) => health.trouble)).toEqual(several(4, () => undefined));
  });
});

describe("a pod that starts while KMS gives no good answer", () => {
  it.each(["disabled", "away"])("holds the fleet's pair as confirmed, without a question: KMS is %s", async (how) => {
    const { worker, maker, use, questions, kms, keyArn, clock } = await fleetOf();
    const confirmedAt = clock.now();
    clock.advance(15 * minute);
    if (how === "disabled") kms.disableKey(keyArn);
    else kms.faults.outage();
    await maker.active.confirm();
    kms.journal.clear();
    clock.advance(10 * second);
    const pod = worker(secret);
    expect(await use(pod)).toMatchObject({ confirmation: "confirmed", vouchedBy: "fleet", confirmedAt });
    expect({ questions: questions(), atRisk: pod.health.keyAtRisk, flagged: pod.active.usesLastKnownKey }).toEqual({
      questions: 0,
      atRisk: how === "disabled",
      flagged: true,
    });
  });

  it("asks for itself in the background where the fleet has been silent for long", async () => {
    const { worker, use, questions, kms, keyArn, clock } = await fleetOf();
    const confirmedAt = clock.now();
    clock.advance(48 * 60 * minute);
    kms.scheduleKeyDeletion(keyArn);
    const pod = worker(secret);
    expect(await use(pod)).toMatchObject({ confirmation: "confirmed", vouchedBy: "fleet", confirmedAt });
    expect({ questions: questions(), atRisk: pod.health.keyAtRisk }).toEqual({ questions: 1, atRisk: true });
  });
});

describe("a word that is not the fleet's", () => {
  const signedBy =
    (number: number, organization = organizationId) =>
    (status: StatusDocument) =>
      new FleetSecret([fleetSecret(number)]).sign(organization, status);

  it.each([
    ["nobody's", (status: StatusDocument) => status],
    ["another secret's", signedBy(2)],
    ["another organization's", signedBy(1, "org-2")],
    ["noise", (status: StatusDocument) => ({ ...status, mac: Buffer.alloc(32, 9) })],
  ])("vouches for nothing, and puts no question off: %s", async (_, sign) => {
    const { worker, use, pass, questions, clock, writeWord, kms, maker } = await fleetOf({});
    const write = () =>
      writeWord(encodeStatus(sign(statusOf(maker.pair, { confirmedAt: clock.now(), at: clock.now() }))));
    const pods = several(2, () => worker(secret));
    for (const pod of pods) {
      await write();
      expect(await use(pod)).toMatchObject({ vouchedBy: "kms" });
    }
    await write();
    await pass(pods, 16 * minute, minute, write);
    expect(questions()).toBe(4);
    const outage = kms.faults.outage();
    expect(await use(worker(secret))).toMatchObject({ confirmation: "unconfirmed" });
    outage.remove();
  });
});

describe("an old word of the fleet's, put back into the store again and again", () => {
  it("hides from nobody for longer than confirmEvery that the KMS key is at risk", async () => {
    const { worker, use, pass, kms, keyArn, writeWord, wordNow, clock } = await fleetOf();
    const workers = several(3, () => worker(secret));
    for (const each of workers) await use(each);
    const old = await wordNow();
    const replay = () => writeWord(old);
    kms.scheduleKeyDeletion(keyArn);
    await pass(workers, 15 * minute, 30 * second, replay);
    expect(workers.map(({ health }) => health.keyAtRisk)).toEqual([true, true, true]);
    const atRisk: boolean[] = [];
    await pass(
      workers,
      60 * minute,
      30 * second,
      () => (atRisk.push(...workers.map(({ health }) => health.keyAtRisk)), replay()),
    );
    expect(new Set(atRisk)).toEqual(new Set([true]));
    const pod = worker(secret);
    await replay();
    expect(await use(pod)).toMatchObject({ vouchedBy: "fleet", confirmedAt: clock.now() - 75 * minute });
    expect(pod.health.keyAtRisk).toBe(true);
  });

  it("makes nobody's own answer older or younger", async () => {
    const { worker, use, pass, writeWord, wordNow, clock } = await fleetOf();
    const old = await wordNow();
    const one = worker(secret);
    await use(one);
    let longest = 0;
    await pass([one], 120 * minute, 30 * second, () => {
      longest = Math.max(longest, clock.now() - one.active.vouched!.confirmedAt);
      return writeWord(old);
    });
    expect(longest).toBeLessThanOrEqual(15 * minute);
  });

  it("about an earlier pair makes nobody go back who has seen a newer one", async () => {
    const { worker, use, pass, writeWord, wordNow, maker } = await fleetOf();
    const old = await wordNow();
    const next = await maker.rotation.rotate({});
    const one = worker(secret);
    await use(one);
    await pass([one, maker], 60 * minute, 5 * minute, () => writeWord(old));
    for (const { active } of [one, maker]) expect(active.vouched?.pair.digest).toEqual(next.digest);
    const pod = worker(secret);
    expect(await use(pod)).toMatchObject({ pair: { digest: next.digest }, vouchedBy: "kms" });
  });
});

describe("a secret that is rotated, pod by pod", () => {
  it.each([
    ["each accepts both, and signs with the old one", [fleetSecret(1), fleetSecret(2)], fleetSecret(1)],
    ["each signs with the new one", [fleetSecret(2), fleetSecret(1)], [fleetSecret(1), fleetSecret(2)]],
    ["the old one is taken away", fleetSecret(2), [fleetSecret(2), fleetSecret(1)]],
  ])("costs no question more: %s", async (_, after, before) => {
    const { worker, use, pass, questions } = await fleetOf({ fleetSecret: before });
    const workers = [worker({ fleetSecret: before }), worker({ fleetSecret: after })];
    for (const each of workers) expect(await use(each)).toMatchObject({ vouchedBy: "fleet" });
    await pass(workers, 120 * minute, 30 * second);
    expect(questions()).toBeLessThanOrEqual(9);
  });
});

describe("a worker that is due to ask about a pair that the fleet has left", () => {
  it("takes up the fleet's newer pair instead of asking KMS about the old one", async () => {
    const { clock, kms, worker, configured } = world();
    const maker = await configured({ fleetSecret: fleetSecret() });
    const lagging = worker({ fleetSecret: fleetSecret() });
    await lagging.active.acquire(true);
    vi.spyOn(Math, "random").mockReturnValue(0); // due as early as may be, after 13.5 minutes
    clock.advance(13 * minute);
    await lagging.active.acquire(true); // reads the head, for a minute
    await lagging.active.settled();
    clock.advance(50_000);
    const newer = await maker.rotation.rotate({});
    const before = kms.journal.count();
    await lagging.active.acquire(true);
    await lagging.active.settled();
    await turns();
    expect({ calls: kms.journal.count() - before, holds: lagging.active.current?.pair.birth.keyPairId }).toEqual({
      calls: 0,
      holds: newer.birth.keyPairId,
    });
  });
});
