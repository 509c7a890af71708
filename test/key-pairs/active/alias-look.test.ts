import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { KmsProvider } from "../../../src/index.js";
import { kmsFailureKinds, type KmsFailureKind } from "../../../src/kms/kms-error.js";
import { DisownedClaims } from "../../../src/key-pairs/disowned-claims.js";
import { untrusted } from "../../../src/key-pairs/failures.js";
import { claimDigest } from "../../../src/key-pairs/key-pair.js";
import { altered } from "../altered-kms.js";
import { failure } from "../verdicts.js";
import { fleetSecret, homeRegion, kmsKeyAliasArn, minute, turns, world, type WorkerOptions } from "../world.js";

afterEach(() => void vi.restoreAllMocks());
const hour = 60 * minute;
/** A deadline that no call runs into, however busy the machine is. */
const patient = { deadline: 30_000 };

/** A worker in use for an hour, so that its next confirmation looks at the alias; the journal and the events begin then. */
async function due(options: WorkerOptions = {}, alter: (provider: KmsProvider) => KmsProvider = (same) => same) {
  const parts = world(patient);
  const worker = await parts.configured({ ...options, kms: alter(parts.provider) });
  parts.clock.advance(hour);
  parts.kms.journal.clear();
  /** Points the alias at another KMS key, as a manual rotation does. */
  const move = () => {
    const kmsKeyArn = parts.kms.createKey({ region: homeRegion });
    parts.kms.pointAlias(kmsKeyAliasArn, kmsKeyArn);
    return kmsKeyArn;
  };
  /** Operation, named by alias or key ARN, and outcome of each call since the last look at them. */
  const calls = () => {
    const seen = parts.kms.journal.calls().map(({ operation, keyId, outcome }) => {
      return `${operation} by ${keyId === kmsKeyAliasArn ? "alias" : "key"}: ${outcome}`;
    });
    parts.kms.journal.clear();
    return seen;
  };
  const drift = () => worker.context.alias.driftOf(worker.pair);
  return { ...parts, ...worker, move, calls, drift };
}

describe("a look where the alias leads", () => {
  it("is the confirmation itself, without another call, while it leads to the pair's KMS key", async () => {
    const { active, calls, clock, drift, told, fleet, pair } = await due();
    const tell = vi.spyOn(fleet, "tell");
    await active.confirm();
    expect(calls()).toEqual(["Decrypt by alias: ok"]);
    expect(active.vouched).toMatchObject({ vouchedBy: "kms", confirmedAt: clock.now() });
    expect({ drift: drift(), told: told() }).toEqual({ drift: undefined, told: ["keyPairConfirmed"] });
    expect(tell.mock.calls).toEqual([[pair, expect.objectContaining({ confirmedAt: clock.now() })]]);
  });

  it("is taken once an hour in the background, however often KMS is asked", async () => {
    const { active, calls, clock } = await due();
    const seen: string[] = [];
    for (let quarters = 0; quarters < 12; quarters += 1) {
      await active.confirm();
      seen.push(...calls());
      clock.advance(15 * minute);
    }
    const [alias, key] = ["Decrypt by alias: ok", "Decrypt by key: ok"];
    expect(seen).toEqual([alias, key, key, key, alias, key, key, key, alias, key, key, key]);
  });

  it("is taken at each confirmation that is asked for, due or not", async () => {
    const { active, calls } = await due();
    for (let times = 0; times < 2; times += 1) await active.confirm(undefined, { look: true });
    expect(calls()).toEqual(["Decrypt by alias: ok", "Decrypt by alias: ok"]);
  });

  it("is not due while the process has just made a pair, which tells where the alias leads", async () => {
    const { active, rotation, calls } = await due();
    await rotation.rotate({});
    calls();
    await active.confirm();
    expect(calls()).toEqual(["Decrypt by key: ok"]);
  });

  it("is not taken in trouble with KMS, in which it would be one more call without an answer", async () => {
    const { active, calls, kms } = await due();
    kms.faults.outage();
    await active.confirm();
    expect(calls()).toEqual(["Decrypt by alias: ECONNREFUSED", "Decrypt by key: ECONNREFUSED"]);
    await active.confirm(undefined, { look: true });
    expect(calls()).toEqual(["Decrypt by key: ECONNREFUSED"]);
  });

  it("is not taken for a pair that KMS has disowned to another key store of the process", async () => {
    const disowned = new DisownedClaims();
    const { active, calls, pair, told } = await due({ disowned });
    disowned.add(claimDigest(pair), untrusted("disowned"));
    await active.confirm();
    expect({ calls: calls(), told: told() }).toEqual({ calls: [], told: ["lastKnownKeyInUse", "keyPairUntrusted"] });
  });

  it("is not taken for a pair that nobody has vouched for", async () => {
    const parts = world(patient);
    await parts.configured();
    const outage = parts.kms.faults.outage();
    const { active } = parts.worker();
    await active.acquire(false);
    outage.remove();
    parts.kms.journal.clear();
    await active.confirm(undefined, { look: true });
    expect(parts.kms.journal.calls().every(({ keyId }) => keyId !== kmsKeyAliasArn)).toBe(true);
  });
});

describe("an alias that leads to another KMS key", () => {
  it("is seen, its KMS key named, and the pair confirmed by its own", async () => {
    const { active, calls, clock, drift, move, events, health, pair } = await due();
    const kmsKeyArn = move();
    await active.confirm();
    expect(calls()).toEqual(["Decrypt by alias: IncorrectKeyException", "Decrypt by key: ok", "Encrypt by alias: ok"]);
    expect(drift()).toEqual({ kmsKeyArn, since: clock.now() });
    expect(events).toContainEqual(["aliasDrift", { kmsKeyAliasArn, kmsKeyArn, since: clock.now() }]);
    expect({ pair: active.vouched?.pair.digest, trouble: health.trouble, last: health.lastKmsError }).toEqual({
      pair: pair.digest,
      trouble: undefined,
      last: undefined,
    });
  });

  it("is seen no more once it is pointed back", async () => {
    const { active, drift, kms, keyArn, move, told } = await due();
    move();
    await active.confirm();
    kms.pointAlias(kmsKeyAliasArn, keyArn);
    told();
    await active.confirm(undefined, { look: true });
    expect({ drift: drift(), told: told() }).toEqual({
      drift: undefined,
      told: ["aliasDriftEnded", "keyPairConfirmed"],
    });
  });

  it("is seen no more after a change of key, by whichever worker", async () => {
    const { active, clock, move, told, worker, context } = await due();
    const kmsKeyArn = move();
    await active.confirm();
    told();
    const other = worker();
    await other.active.acquire(false);
    const next = await other.rotation.rotate({});
    expect(next.wrapping.kmsKeyArn).toBe(kmsKeyArn);
    clock.advance(minute);
    await active.acquire(false);
    expect(told()).toContain("aliasDriftEnded");
    expect(context.alias.driftOf(active.vouched!.pair)).toBeUndefined();
  });

  it("is nameless to a worker that may open attestations only", async () => {
    const { active, drift, move, clock, kms } = await due();
    kms.faults.accessDenied({ operation: "Encrypt" });
    move();
    await active.confirm();
    expect(drift()).toEqual({ since: clock.now() });
  });

  it("keeps its name while KMS gives no answer to the question for it", async () => {
    const { active, drift, move, kms } = await due();
    const kmsKeyArn = move();
    await active.confirm();
    kms.faults.throttling({ operation: "Encrypt" });
    await active.confirm(undefined, { look: true });
    expect(drift()).toMatchObject({ kmsKeyArn });
  });

  it.each<[state: string, prepare: (parts: Awaited<ReturnType<typeof due>>) => void, refusal: KmsFailureKind]>([
    ["is not there any more", ({ kms }) => kms.deleteAlias(kmsKeyAliasArn), "key-not-found"],
    ["leads to a disabled one", ({ kms, move }) => kms.disableKey(move()), "key-disabled"],
    ["leads to one in deletion", ({ kms, move }) => kms.scheduleKeyDeletion(move()), "key-pending-deletion"],
    ["leads to one that is denied", ({ kms, move }) => kms.putKeyPolicy(move(), locked), "access-denied"],
  ])("and %s is known as refused", async (_, prepare, refusal) => {
    const parts = await due();
    prepare(parts);
    await parts.active.confirm();
    expect(parts.drift()).toEqual({ refusal, since: parts.clock.now() });
    expect(parts.active.vouched?.confirmedAt).toBe(parts.clock.now());
    expect(parts.active.usesLastKnownKey).toBe(false);
  });

  it("is not what KMS says while it refuses the pair's own KMS key as well", async () => {
    const { active, drift, kms, keyArn, health } = await due();
    kms.disableKey(keyArn);
    await active.confirm();
    expect({ drift: drift(), trouble: health.trouble?.task }).toEqual({ drift: undefined, trouble: "confirm" });
  });

  it("is no drift where it was pointed back before its KMS key was named", async () => {
    const { active, drift, move, kms, keyArn, calls, context } = await due();
    move();
    const ask = context.calls.keyBehindAlias.bind(context.calls);
    vi.spyOn(context.calls, "keyBehindAlias").mockImplementation((pair) => {
      kms.pointAlias(kmsKeyAliasArn, keyArn);
      return ask(pair);
    });
    await active.confirm();
    expect(calls()).toHaveLength(3);
    expect(drift()).toBeUndefined();
  });

  it("is nothing where KMS opens the attestation to something else, which is no word on the alias", async () => {
    const { active, drift, context, calls } = await due();
    vi.spyOn(context.calls, "attestsUnderAlias").mockResolvedValue(false);
    await active.confirm();
    expect({ drift: drift(), calls: calls() }).toEqual({ drift: undefined, calls: ["Decrypt by key: ok"] });
  });

  it("is not looked for past a mistake of this process's own", async () => {
    const { active, move, context } = await due();
    move();
    const bug = new TypeError("a bug");
    vi.spyOn(context.calls, "keyBehindAlias").mockRejectedValue(bug);
    await expect(active.confirm()).rejects.toBe(bug);
  });

  it("is known to all workers of a fleet by one worker's look", async () => {
    const secret = { fleetSecret: fleetSecret() };
    const { active, move, worker, kms, clock } = await due(secret);
    const others = [worker(secret), worker(secret)];
    for (const other of others) await other.active.acquire(true);
    const kmsKeyArn = move();
    clock.advance(10 * minute);
    await active.confirm();
    kms.journal.clear();
    clock.advance(5 * minute);
    for (const other of others) {
      other.told();
      await other.active.acquire(true);
      await turns();
      await other.active.settled();
      expect(other.context.alias.driftOf(other.active.vouched!.pair)).toEqual({
        kmsKeyArn,
        since: clock.now() - 5 * minute,
      });
      expect(other.told()).toContain("aliasDrift");
    }
    expect(kms.journal.count()).toBe(0);
  });
});

const locked = {
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Principal: { AWS: "arn:aws:iam::000000000000:role/Other" }, Action: "kms:*", Resource: "*" },
  ],
};

describe("whatever is answered under the alias", () => {
  const foreign = `arn:aws:kms:${homeRegion}:111122223333:key/foreign`;
  /** Ways in which a provider can fail at, or lie about, a call that names the alias. */
  const ways = fc.oneof(
    fc.constantFrom(...kmsFailureKinds).map((kind) => ({ what: kind, answer: () => Promise.reject(failure(kind)) })),
    fc
      .constantFrom<unknown>(undefined, null, {}, 1, { keyArn: kmsKeyAliasArn }, { keyArn: 1, plaintext: "x" })
      .map((value) => ({ what: "nothing usable", answer: async () => value })),
    fc.uint8Array({ maxLength: 64 }).map((plaintext) => ({
      what: "another plaintext, under another key",
      answer: async () => ({
        keyArn: `arn:aws:kms:${homeRegion}:000000000000:key/other`,
        plaintext: Uint8Array.from(plaintext),
      }),
    })),
    fc.constant({ what: "a foreign key", answer: async () => ({ keyArn: foreign, ciphertext: Buffer.alloc(99) }) }),
    fc.constant({ what: "no KmsError", answer: () => Promise.reject(new Error("a bug")) }),
    fc.constant({
      what: "a synchronous throw",
      answer: (): Promise<never> => {
        throw new Error("a bug");
      },
    }),
  );

  it("the pair is confirmed by its own KMS key, in use and out of trouble", async () => {
    await fc.assert(
      fc.asyncProperty(ways, ways, async (decrypted, encrypted) => {
        let lying = false;
        const parts = await due({}, (provider) =>
          altered(provider, {
            decrypt: (request, options) =>
              lying && request.keyId === kmsKeyAliasArn
                ? (decrypted.answer() as ReturnType<KmsProvider["decrypt"]>)
                : provider.decrypt(request, options),
            encrypt: (request, options) =>
              lying && request.keyId === kmsKeyAliasArn
                ? (encrypted.answer() as ReturnType<KmsProvider["encrypt"]>)
                : provider.encrypt(request, options),
          }),
        );
        lying = true;
        await parts.active.confirm();
        await turns();
        expect(parts.active.current).toMatchObject({
          confirmation: "confirmed",
          vouchedBy: "kms",
          confirmedAt: parts.clock.now(),
        });
        expect(parts.active.vouched?.pair.digest).toEqual(parts.pair.digest);
        expect(parts.health.trouble).toBeUndefined();
        expect(parts.told()).not.toContain("keyPairUntrusted");
        const { kmsKeyArn } = parts.drift() ?? {};
        expect(kmsKeyArn).not.toBe(foreign);
      }),
      { numRuns: 60 },
    );
  });
});
