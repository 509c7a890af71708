import { afterEach, describe, expect, it, vi } from "vitest";
import type { KeyPairStore } from "../../../src/index.js";
import type { StatusDocument } from "../../../src/key-pairs/documents.js";
import { decodeStatus } from "../../../src/key-pairs/active/fleet-word.js";
import { decided, failure, held as gate, verdictStatuses } from "../verdicts.js";
import { fleetSecret, fresh, minute, organizationId, second, turns, type WorkerOptions } from "../world.js";

afterEach(() => void vi.restoreAllMocks());
const away = () => Promise.reject(new Error("no route to store"));

/** A worker in use, whether it asks KMS when used after so long, and what it has told the others. */
async function used(options: WorkerOptions = {}) {
  const parts = await fresh(options);
  await parts.active.acquire(true);
  parts.told();
  const asks = async (after: number) => {
    parts.kms.journal.clear();
    parts.clock.advance(after);
    await parts.active.acquire(true);
    await turns();
    await parts.active.settled();
    return parts.kms.journal.count("Decrypt");
  };
  return { ...parts, asks, written: () => statusIn(parts.store) };
}

/** What the workers have told each other last. */
async function statusIn(store: KeyPairStore): Promise<StatusDocument> {
  return decodeStatus((await store.readStatus(organizationId))!);
}

describe("asking KMS again", () => {
  it.each([
    ["a tenth earlier", 0, 13.5 * minute],
    ["just in time", 1, 15 * minute],
  ])("is due after confirmEvery, or by luck up to a tenth earlier: %s", async (_, luck, due) => {
    vi.spyOn(Math, "random").mockReturnValue(luck);
    const { asks } = await used();
    expect({ before: await asks(due - 1), due: await asks(1), after: await asks(1) }).toEqual({
      before: 0,
      due: 1,
      after: 0,
    });
  });

  it("in trouble is due after 30 seconds, whatever a worker without the secret says", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { asks, kms, first, active, health } = await used();
    const outage = kms.faults.outage();
    expect(await asks(15 * minute)).toBe(1);
    expect(health.trouble?.task).toBe("confirm");
    outage.remove();
    await first.active.confirm(); // says that it is well
    expect({ before: await asks(30 * second - 1), due: await asks(1) }).toEqual({ before: 0, due: 1 });
    expect(active.usesLastKnownKey).toBe(false);
  });

  it("is left to nobody whose word is not authenticated", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const { asks, first, clock } = await used();
    clock.advance(14 * minute);
    await first.active.confirm();
    expect(await asks(minute)).toBe(1);
  });

  it("is not done where the caller has ruled out work in the background", async () => {
    const { active, clock, kms } = await used();
    kms.journal.clear();
    clock.advance(60 * minute);
    await active.acquire(false);
    await active.settled();
    expect(kms.journal.count()).toBe(0);
  });

  it("is done once for all who ask at once, and by nobody who has left", async () => {
    const { active, kms } = await used();
    kms.journal.clear();
    await Promise.all([active.confirm(), active.confirm(), active.confirm()]);
    expect(kms.journal.count("Decrypt")).toBe(1);
    await active.confirm();
    expect(kms.journal.count("Decrypt")).toBe(2);
    await expect(active.confirm(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });

  it("is done once in the background, however often the worker is used meanwhile", async () => {
    const { active, calls, clock } = await used();
    const { waiting, release } = gate();
    const ask = vi.spyOn(calls, "attests").mockImplementation(async () => (await waiting, true));
    clock.advance(15 * minute);
    for (let use = 0; use < 3; use += 1) {
      await active.acquire(true);
      await turns();
      clock.advance(31 * second);
    }
    expect({ asked: ask.mock.calls.length, quiet: active.isIdle }).toEqual({ asked: 1, quiet: false });
    release();
    await active.settled();
    expect({ confirmedAt: active.vouched?.confirmedAt, quiet: active.isIdle }).toEqual({
      confirmedAt: clock.now(),
      quiet: true,
    });
  });

  it("about no pair asks nobody", async () => {
    const { active, kms, told } = await fresh();
    await active.confirm();
    expect({ asked: kms.journal.count(), told: told() }).toEqual({ asked: 0, told: [] });
  });

  it("says nothing of a pair that is no more in use when the answer comes", async () => {
    const { active, rotation, told, health, calls } = await used();
    const { waiting, release } = gate();
    const genuine = calls.attests.bind(calls);
    vi.spyOn(calls, "attests")
      .mockImplementationOnce(async () => (await waiting, Promise.reject(failure("unreachable"))))
      .mockImplementation(genuine);
    const asking = active.confirm();
    const next = await rotation.rotate({});
    told();
    release();
    await asking;
    expect({ told: told(), trouble: health.trouble, pair: active.current?.pair.digest }).toEqual({
      told: [],
      trouble: undefined,
      pair: next.digest,
    });
  });

  it("counts from KMS's answer, and the next question from when this one was put", async () => {
    const { active, clock, calls } = await used();
    vi.spyOn(calls, "attests").mockImplementationOnce(async () => {
      clock.advance(minute);
      throw failure("throttled");
    });
    await active.confirm();
    expect(active.confirmIn).toBe(30 * second - minute);
    vi.spyOn(calls, "attests").mockImplementationOnce(async () => (clock.advance(minute), true));
    await active.confirm();
    expect({ confirmedAt: active.vouched?.confirmedAt, due: active.confirmIn }).toEqual({
      confirmedAt: clock.now(),
      due: 15 * minute,
    });
  });
});

describe("what came of asking again", () => {
  it("is told to all workers: when KMS confirmed, and why it does not now", async () => {
    const { active, kms, keyArn, clock, written } = await used();
    await active.confirm();
    const confirmedAt = clock.now();
    expect(await written()).toMatchObject({ confirmedAt, at: confirmedAt });
    expect(await written()).not.toHaveProperty("failure");
    clock.advance(minute);
    const throttled = kms.faults.throttling();
    await active.confirm();
    await turns();
    expect(await written()).toMatchObject({
      confirmedAt,
      at: clock.now(),
      failure: { kind: "throttled", operation: "Decrypt" },
    });
    throttled.remove();
    kms.disableKey(keyArn);
    await active.confirm();
    await turns();
    expect(await written()).toMatchObject({ confirmedAt, failure: { kind: "key-disabled" } });
  });

  it("is kept although the others can't be told", async () => {
    const { active, kms, keyArn, store } = await used();
    vi.spyOn(store, "writeStatus").mockImplementation(away);
    kms.disableKey(keyArn);
    await active.confirm();
    expect(active.usesLastKnownKey).toBe(true);
    kms.enableKey(keyArn);
    await active.confirm();
    expect(active.usesLastKnownKey).toBe(false);
  });

  it("does not say over what the fleet has said itself, as if KMS had been asked anew", async () => {
    const secret = { fleetSecret: fleetSecret() };
    const { worker, active, kms, clock, first, store } = await fresh(secret);
    const outage = kms.faults.outage();
    await active.acquire(false);
    expect(active.current?.confirmation).toBe("unconfirmed");
    outage.remove();
    const at = clock.now();
    await worker(secret).fleet.tell(first.pair, { confirmedAt: at - 5, error: failure("key-pending-deletion") });
    clock.advance(minute);
    await active.confirm();
    expect(active.vouched).toMatchObject({ vouchedBy: "fleet", confirmedAt: at - 5 });
    expect(await statusIn(store)).toMatchObject({ confirmedAt: at - 5, at, failure: { kind: "key-pending-deletion" } });
  });

  it.each([
    ["key-disabled", 2],
    ["access-denied", 2],
    ["throttled", 1],
    ["unreachable", 1],
  ] as const)("is that the private key is forgotten after a refusal alone: %s", async (kind, opened) => {
    const { active, calls, custody, first } = await used();
    const unwrap = vi.fn(async () => ({ publicKey: Buffer.alloc(32), unwrap: () => Buffer.alloc(32) }));
    const open = () => custody.open({ organizationId, digest: first.pair.digest }, minute, unwrap);
    await open();
    vi.spyOn(calls, "attests").mockRejectedValue(failure(kind));
    vi.spyOn(calls, "unwrapHalf").mockRejectedValue(failure(kind));
    await active.confirm();
    await open();
    expect(unwrap).toHaveBeenCalledTimes(opened);
  });

  it("is that KMS is heard again about a pair that it has disowned after it confirmed it", async () => {
    const { active, calls, events, told, first } = await used();
    const before = active.current;
    const spy = decided(calls, first.pair, "disowned");
    await active.confirm();
    const message = `key pair ${first.pair.birth.keyPairId}: KMS attests another public key than the one stored`;
    const error = expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED", message }) as unknown;
    expect(events[1]).toEqual(["keyPairUntrusted", { error }]);
    expect({
      told: told(),
      current: active.current,
      refusal: active.refusal,
      flagged: active.usesLastKnownKey,
    }).toEqual({
      told: ["lastKnownKeyInUse", "keyPairUntrusted"],
      current: before,
      refusal: undefined,
      flagged: true,
    });
    spy.mockRestore();
    await active.confirm();
    expect(active.usesLastKnownKey).toBe(false);
  });
});

describe("KMS's verdict on the pair in use, by who has vouched for it", () => {
  const outcomes = {
    confirmed: { unconfirmed: "kms", host: "kms", fleet: "kms", kms: "kms" },
    disowned: { unconfirmed: "none", host: "none", fleet: "none", kms: "kms" },
    refused: { unconfirmed: "none", host: "host", fleet: "fleet", kms: "kms" },
    "no-verdict": { unconfirmed: "unconfirmed", host: "host", fleet: "fleet", kms: "kms" },
  } as const;
  const befores = ["unconfirmed", "host", "fleet", "kms"] as const;
  const refusals = { disowned: "ERR_KEY_PAIR_UNTRUSTED", refused: "ERR_KEY_UNCONFIRMED" } as const;
  const rows = verdictStatuses.flatMap((status) =>
    befores.map((before) => [status, before, outcomes[status][before]] as const),
  );

  /** A worker that holds the pair on this word, and whose KMS has this to say of it. */
  async function holding(before: (typeof befores)[number], status: (typeof verdictStatuses)[number]) {
    const parts = await fresh({ fleetSecret: fleetSecret() });
    const { active, first, kms, clock, calls } = parts;
    const outage = kms.faults.outage();
    if (before === "unconfirmed") await active.acquire(false);
    outage.remove();
    if (before !== "unconfirmed")
      await active.adopt({ pair: first.pair, vouchedBy: before, confirmedAt: clock.now() - minute });
    decided(calls, first.pair, status);
    return parts;
  }

  it.each(rows)("%s, held on the word of %s: then on that of %s", async (status, before, after) => {
    const { active, told, clock } = await holding(before, status);
    told();
    await active.confirm();
    const word = active.vouched?.vouchedBy ?? active.current?.confirmation ?? "none";
    expect(word).toBe(after);
    const asked = { confirmedAt: status === "confirmed" ? clock.now() : clock.now() - minute };
    if (active.vouched) expect(active.vouched).toMatchObject(asked);
    expect(active.refusal?.code).toBe(after === "none" ? refusals[status as "disowned" | "refused"] : undefined);
    expect(active.usesLastKnownKey).toBe(status !== "confirmed");
    expect(told().includes("keyPairUntrusted")).toBe(status === "disowned");
  });

  it.each(["host", "fleet"] as const)(
    "ends what was held on the word of %s for a genuine copy in the store",
    async (before) => {
      const parts = await holding(before, "confirmed");
      const { active, trust, first } = parts;
      const copy = { ...first.pair, attestation: { ...first.pair.attestation, ciphertext: Buffer.from("spoilt") } };
      const pair = trust.vouchByHost(copy);
      await active.adopt({ pair, vouchedBy: before, confirmedAt: 5 });
      vi.restoreAllMocks();
      await active.confirm();
      expect(active.current).toBeUndefined();
      expect(await active.acquire(false)).toMatchObject({
        vouchedBy: "kms",
        pair: { attestation: first.pair.attestation },
      });
    },
  );
});
