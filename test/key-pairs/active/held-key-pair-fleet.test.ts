import { afterEach, describe, expect, it, vi } from "vitest";
import type { FleetWord } from "../../../src/key-pairs/active/fleet-word.js";
import { HeldKeyPair } from "../../../src/key-pairs/active/held-key-pair.js";
import type { VouchedKeyPair } from "../../../src/key-pairs/trust.js";
import { invented } from "../inventions.js";
import { failure } from "../verdicts.js";
import { fleetSecret, minute, putAsWriter, second, world } from "../world.js";

afterEach(() => void vi.restoreAllMocks());
const secret = { fleetSecret: fleetSecret() };

/** A process that holds nothing, and a fleet in whose store the pairs 1, 2 and 3 of the history are. */
async function fleetOf() {
  const parts = world();
  const worker = parts.worker(secret);
  const pairs = [1, 2, 3].map((sequence) => worker.trust.vouchByHost(invented({ birth: { sequence } })));
  for (const pair of pairs) await putAsWriter(parts.store, pair);
  parts.clock.advance(60 * minute);
  const held = new HeldKeyPair(worker.context);
  const [first, pair, next] = pairs as [VouchedKeyPair, VouchedKeyPair, VouchedKeyPair];
  /** What another worker tells now, heard by this one. */
  const wordOf = async (about = pair, confirmedAt = parts.clock.now(), kind?: Parameters<typeof failure>[0]) => {
    await parts.worker(secret).fleet.tell(about, { confirmedAt, ...(kind ? { error: failure(kind) } : {}) });
    return (await worker.fleet.word())!;
  };
  const holds = (about = pair, vouchedBy: "kms" | "fleet" = "kms") =>
    held.hold({ pair: about, vouchedBy, confirmedAt: parts.clock.now() });
  return { ...parts, ...worker, held, first, pair, next, wordOf, holds };
}

describe("taking up what the fleet holds", () => {
  it("asks the store alone, and counts from when KMS was asked", async () => {
    const { held, pair, wordOf, clock, kms, told } = await fleetOf();
    await wordOf(pair, clock.now() - minute);
    clock.advance(second);
    await held.followFleet();
    expect(held.vouched).toMatchObject({
      pair: { digest: pair.digest },
      vouchedBy: "fleet",
      confirmedAt: clock.now() - minute - second,
    });
    expect({ asked: held.askedAt?.wall, calls: kms.journal.count(), told: told() }).toEqual({
      asked: clock.now() - second,
      calls: 0,
      told: ["keyPairChanged", "keyPairConfirmed"],
    });
  });

  it("hears at once that the fleet is in trouble", async () => {
    const { held, pair, wordOf, clock, health } = await fleetOf();
    await wordOf(pair, clock.now() - minute, "key-disabled");
    await held.followFleet();
    expect(health.trouble).toMatchObject({ task: "confirm", error: { kind: "key-disabled" } });
  });

  it("believes no time that has not come", async () => {
    const { held, pair, wordOf, clock } = await fleetOf();
    await wordOf(pair, clock.now() + minute);
    await held.followFleet();
    expect(held.vouched?.confirmedAt).toBe(clock.now());
  });

  it("goes before an earlier pair, not behind the newest one seen, nor to another in its place", async () => {
    const { held, first, pair, next, wordOf, holds } = await fleetOf();
    await holds(first);
    await wordOf(pair);
    await held.followFleet();
    expect(held.vouched?.pair.digest).toEqual(pair.digest);
    await holds(next);
    await held.followFleet();
    expect(held.vouched?.pair).toBe(next);
    const twin = invented({ birth: { sequence: 2 } }) as VouchedKeyPair;
    await holds(twin);
    await held.followFleet();
    expect(held.vouched?.pair).toBe(twin);
  });

  it("applies the word where the pair is held already, and does not hold it anew", async () => {
    const { held, pair, wordOf, clock, holds, store, told } = await fleetOf();
    await holds();
    told();
    clock.advance(minute);
    await wordOf(pair);
    const read = vi.spyOn(store, "readKeyPair");
    await held.followFleet();
    expect({ at: held.askedAt?.wall, told: told(), read: read.mock.calls }).toEqual({
      at: clock.now(),
      told: [],
      read: [],
    });
  });

  it("is given up where the store has no such pair, another one, or is away", async () => {
    const { held, pair, next, store, wordOf } = await fleetOf();
    await wordOf(pair);
    const read = vi.spyOn(store, "readKeyPair").mockResolvedValueOnce(undefined);
    await held.followFleet();
    const other = await store.readKeyPair("org-1", next.birth.keyPairId);
    read.mockResolvedValueOnce(other);
    await held.followFleet();
    read.mockRejectedValueOnce(new Error("no route to store"));
    await held.followFleet();
    expect(held.current).toBeUndefined();
    await held.followFleet();
    expect(held.current).toBeDefined();
  });

  it("is given up where another pair has the name that the fleet vouches for", async () => {
    const { held, store, wordOf, pair } = await fleetOf();
    await wordOf(pair);
    await store.removeKeyPair("org-1", pair.birth.keyPairId);
    await putAsWriter(store, invented({ birth: { sequence: 2, keyPairId: pair.birth.keyPairId } }));
    await held.followFleet();
    expect(held.current).toBeUndefined();
  });

  it("hides no mistake of the library's own", async () => {
    const { held, records, wordOf } = await fleetOf();
    await wordOf();
    const bug = new TypeError("a bug");
    vi.spyOn(records, "readPair").mockRejectedValue(bug);
    await expect(held.followFleet()).rejects.toBe(bug);
  });
});

describe("the fleet's word about the pair in use", () => {
  it("is about that pair alone", async () => {
    const { held, pair, next, wordOf, holds } = await fleetOf();
    const word = await wordOf(pair);
    expect(held.applyWord(word)).toBe(false);
    await holds(next);
    expect(held.applyWord(word)).toBe(false);
    await holds(pair);
    expect(held.applyWord(word)).toBe(true);
  });

  it("is nothing to a worker that holds the pair on nobody's word", async () => {
    const { held, pair, wordOf, trust } = await fleetOf();
    const word = await wordOf(pair);
    held.holdUnconfirmed(trust.tolerate(pair, { status: "no-verdict", error: failure("unreachable") })!);
    expect({ heeded: held.applyWord(word), askedAt: held.askedAt, vouched: held.vouched }).toEqual({
      heeded: false,
      askedAt: undefined,
      vouched: undefined,
    });
  });

  it("counts as a question of one's own: it ends trouble with KMS, and the next is due later", async () => {
    const { held, wordOf, clock, holds, health } = await fleetOf();
    await holds();
    clock.advance(10 * minute);
    health.failed("confirm", failure("throttled"));
    health.failed("unwrap", failure("throttled"));
    const word = await wordOf();
    clock.advance(second);
    held.applyWord(word);
    expect(held.vouched).toMatchObject({
      vouchedBy: "kms",
      confirmation: "confirmed",
      confirmedAt: clock.now() - second,
    });
    expect(held.askedAt).toEqual({ wall: clock.now() - second, monotonic: clock.monotonic() - second });
    expect(health.trouble?.task).toBe("unwrap");
  });

  it("tells of a failure as of one's own", async () => {
    const { held, pair, wordOf, holds, clock, health, told } = await fleetOf();
    await holds();
    const now = clock.now();
    clock.advance(second);
    told();
    held.applyWord(await wordOf(pair, now, "key-pending-deletion"));
    const keyId = pair.attestation.kmsKeyArn;
    expect(health.lastKmsError?.error).toMatchObject({
      kind: "key-pending-deletion",
      operation: "Decrypt",
      message: "KMS says key-pending-deletion",
      keyId,
    });
    expect({ atRisk: health.keyAtRisk, told: told(), task: health.trouble?.task }).toEqual({
      atRisk: true,
      told: ["lastKnownKeyInUse", "keyAtRisk"],
      task: "confirm",
    });
    expect(held.vouched?.confirmedAt).toBe(now);
  });

  it("of a failure that this version does not know ends no trouble and begins none", async () => {
    const { held, wordOf, holds, clock, health } = await fleetOf();
    await holds();
    clock.advance(second);
    const word = {
      ...(await wordOf()),
      failure: { kind: "of-the-future", operation: "Decrypt", message: "?" },
    } as FleetWord;
    held.applyWord(word);
    expect({ trouble: health.trouble, asked: held.askedAt?.wall }).toEqual({ trouble: undefined, asked: clock.now() });
    health.failed("confirm", failure("throttled"));
    held.applyWord(word);
    expect(health.trouble?.task).toBe("confirm");
  });

  it("never makes this worker's own later question be forgotten", async () => {
    const { held, pair, wordOf, holds, clock, health } = await fleetOf();
    await holds();
    const well = await wordOf();
    clock.advance(1);
    held.asked();
    health.failed("confirm", failure("key-disabled"));
    expect(held.applyWord(well)).toBe(true);
    expect({ asked: held.askedAt?.wall, atRisk: health.keyAtRisk }).toEqual({ asked: clock.now(), atRisk: true });
    held.applyWord(await wordOf(pair));
    expect(health.keyAtRisk).toBe(false);
  });

  it.each([
    ["the last millisecond of confirmEvery", 15 * minute - 1, true],
    ["confirmEvery", 15 * minute, false],
    ["a clock that was set back", -1, false],
  ])("counts about health for confirmEvery: after %s", async (_, passed, counts) => {
    const { held, wordOf, holds, clock, health } = await fleetOf();
    await holds();
    clock.advance(20 * minute);
    const word = await wordOf();
    health.failed("confirm", failure("key-disabled"));
    clock.set(clock.now() + passed);
    expect(held.applyWord(word)).toBe(true);
    expect({ atRisk: health.keyAtRisk, asked: held.askedAt?.wall === word.at }).toEqual({
      atRisk: !counts,
      asked: counts,
    });
  });

  it("counts for the age of what KMS said also when it is old, and never makes that younger", async () => {
    const { held, pair, wordOf, holds, clock } = await fleetOf();
    await holds();
    const older = await wordOf(pair, clock.now() - 1);
    held.applyWord(older);
    expect(held.vouched?.confirmedAt).toBe(clock.now());
    clock.advance(minute);
    const newer = await wordOf(pair, clock.now());
    clock.advance(60 * minute);
    held.applyWord(newer);
    expect(held.vouched?.confirmedAt).toBe(clock.now() - 60 * minute);
    held.applyWord(await wordOf(pair, clock.now() + minute));
    expect(held.vouched?.confirmedAt).toBe(clock.now());
  });
});
