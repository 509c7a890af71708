import { afterEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../../src/index.js";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import { decided, failure } from "../verdicts.js";
import { day, fleetSecret, fresh, kmsKeyAliasArn, minute, organizationId, second, world } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
const notConfigured = {
  code: "ERR_NOT_CONFIGURED",
  message: "no KMS key is configured for this organization: call configure() first",
};
afterEach(() => void vi.restoreAllMocks());

describe("the first use", () => {
  it("reads the head and its pair, has KMS confirm it, and says so", async () => {
    const { active, clock, told, kms, first, lastConfirmed } = await fresh();
    expect({ current: active.current, flagged: active.usesLastKnownKey, refusal: active.refusal }).toEqual({
      current: undefined,
      flagged: false,
      refusal: undefined,
    });
    const held = await active.acquire(false);
    const pair = expect.objectContaining({ digest: first.pair.digest }) as unknown;
    expect(held).toEqual({ pair, confirmation: "confirmed", vouchedBy: "kms", confirmedAt: clock.now() });
    expect({ current: active.current, vouched: active.vouched }).toEqual({ current: held, vouched: held });
    expect({ told: told(), asked: kms.journal.count("Decrypt"), flagged: active.usesLastKnownKey }).toEqual({
      told: ["keyPairChanged", "keyPairConfirmed"],
      asked: 1,
      flagged: false,
    });
    expect(await lastConfirmed.load(organizationId)).toBeDefined();
  });

  it.each([true, false])(
    "is refused without a configuration (background: %s), which is no trouble",
    async (background) => {
      const { active, told, health } = world().worker();
      await expect(active.acquire(background)).rejects.toMatchObject(notConfigured);
      await expect(active.acquireVouched()).rejects.toMatchObject(notConfigured);
      expect({
        told: told(),
        refusal: active.refusal,
        trouble: health.trouble,
        flagged: active.usesLastKnownKey,
      }).toEqual({
        told: [],
        refusal: undefined,
        trouble: undefined,
        flagged: false,
      });
    },
  );

  it("waits for a slow KMS for as long as KMS's own deadline lets it, not for confirmTimeout", async () => {
    const { active, calls } = await fresh({ times: { confirmTimeout: 1 } });
    const genuine = calls.attests.bind(calls);
    vi.spyOn(calls, "attests").mockImplementation(async (...asked) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return genuine(...asked);
    });
    expect(await active.acquire(true)).toMatchObject({ confirmation: "confirmed", vouchedBy: "kms" });
    expect(active.usesLastKnownKey).toBe(false);
  });

  it("fails for a store that is away, and works once it is back", async () => {
    const { active, store, health } = await fresh();
    const read = vi.spyOn(store, "readHead").mockImplementationOnce(away);
    await expect(active.acquire(true)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect({ task: health.trouble?.task, refusal: active.refusal }).toEqual({ task: "read-store", refusal: undefined });
    await active.acquire(true);
    expect({ trouble: health.trouble, reads: read.mock.calls.length }).toEqual({ trouble: undefined, reads: 2 });
  });

  it("lets go of who leaves, and of nobody else", async () => {
    const { active, store } = await fresh();
    const read = vi.spyOn(store, "readHead");
    const leaving = new AbortController();
    const [first, other] = [active.acquire(true, leaving.signal), active.acquire(true)];
    leaving.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
    await other;
    expect(read).toHaveBeenCalledTimes(1);
  });

  it("fails as it is for what is no failure of store or KMS", async () => {
    const broken = new TypeError("a bug");
    const { active, told, calls, health } = await fresh();
    vi.spyOn(calls, "attests").mockRejectedValue(broken);
    await expect(active.acquire(true)).rejects.toBe(broken);
    expect({ told: told(), refusal: active.refusal, trouble: health.trouble }).toEqual({
      told: [],
      refusal: undefined,
      trouble: undefined,
    });
  });
});

describe("a pair that nobody has vouched for", () => {
  it("serves while KMS is away, which is said once, and is asked about every 30 seconds", async () => {
    const { active, clock, events, kms, health, first, lastConfirmedPair, store } = await fresh();
    const save = vi.spyOn(lastConfirmedPair, "save");
    const looks = vi.spyOn(store, "readHead");
    kms.faults.outage();
    const held = await active.acquire(false);
    expect(held).toEqual({ pair: held.pair, confirmation: "unconfirmed" });
    const { keyPairId, sequence } = first.pair.birth;
    const error = expect.objectContaining({ kind: "unreachable" }) as unknown;
    expect(events.splice(0)).toEqual([
      ["lastKnownKeyInUse", { since: clock.now(), days: 0, error }],
      ["keyPairUnconfirmed", { keyPairId, sequence, error }],
    ]);
    expect({ task: health.trouble?.task, vouched: active.vouched, remembered: save.mock.calls }).toEqual({
      task: "confirm",
      vouched: undefined,
      remembered: [],
    });
    for (let ask = 1; ask <= 3; ask += 1) {
      clock.advance(30 * second - 1);
      await active.acquire(false);
      expect({ asked: kms.journal.count("Decrypt"), looks: looks.mock.calls.length }).toEqual({
        asked: ask,
        looks: ask,
      });
      clock.advance(1);
      expect(await active.acquire(false)).toMatchObject({ confirmation: "unconfirmed" });
    }
    expect(events).toEqual([]);
  });

  it("is confirmed before it serves on, once KMS answers", async () => {
    const { active, clock, events, kms } = await fresh();
    const outage = kms.faults.outage();
    await active.acquire(true);
    outage.remove();
    events.splice(0);
    clock.advance(30 * second);
    expect(await active.acquire(true)).toMatchObject({
      confirmation: "confirmed",
      vouchedBy: "kms",
      confirmedAt: clock.now(),
    });
    expect(events.map(([name]) => name)).toEqual(["lastKnownKeyEnded", "keyPairConfirmed"]);
  });

  it.each(["refused", "disowned"] as const)("ends before it serves on, where it is %s", async (status) => {
    const { active, clock, calls, kms, first } = await fresh();
    const outage = kms.faults.outage();
    await active.acquire(true);
    outage.remove();
    decided(calls, first.pair, status);
    clock.advance(30 * second);
    const code = status === "refused" ? "ERR_KEY_UNCONFIRMED" : "ERR_KEY_PAIR_UNTRUSTED";
    await expect(active.acquire(true)).rejects.toMatchObject({ code });
    expect(active.current).toBeUndefined();
  });

  it("is confirmed by the fleet's word as soon as there is one, without a question to KMS", async () => {
    const secret = { fleetSecret: fleetSecret() };
    const { active, clock, kms, worker, first } = await fresh(secret);
    const outage = kms.faults.outage();
    await active.acquire(true);
    outage.remove();
    await worker(secret).fleet.tell(first.pair, { confirmedAt: clock.now() });
    kms.journal.clear();
    clock.advance(30 * second);
    expect(await active.acquire(true)).toMatchObject({ confirmation: "confirmed", vouchedBy: "fleet" });
    expect(kms.journal.count()).toBe(0);
  });

  it("is no ground to build upon", async () => {
    const { active, kms } = await fresh();
    kms.faults.outage();
    await active.acquire(false);
    const cause = expect.objectContaining({ kind: "unreachable" }) as unknown;
    await expect(active.acquireVouched()).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED", cause });
    await expect(active.rotationBase()).rejects.toMatchObject({ kind: "unreachable" });
  });

  it("is none where it has a mark, be it a forged one, or nothing unconfirmed is wanted", async () => {
    const marked = await fresh();
    const { digest, birth, attestation } = marked.first.pair;
    const document = encodeDocument("fate", { digest, mark: attestation });
    await marked.store.createWrapping(organizationId, birth.keyPairId, { wrappingId: "fate", document });
    const strict = await fresh({ requireConfirmed: true });
    for (const { active, kms } of [marked, strict]) {
      kms.faults.outage();
      const cause = expect.objectContaining({ kind: "unreachable" }) as unknown;
      await expect(active.acquire(false)).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED", cause });
      expect(active.current).toBeUndefined();
    }
  });

  it("is none without trustedKmsKeys, nor where KMS refuses", async () => {
    const open = await fresh({ trustedKmsKeys: "first-use" });
    open.kms.faults.outage();
    const cause = expect.objectContaining({ kind: "unreachable" }) as unknown;
    await expect(open.active.acquire(false)).rejects.toMatchObject({
      code: "ERR_KEY_UNCONFIRMED",
      retryable: true,
      cause,
    });
    const refused = await fresh();
    refused.kms.disableKey(refused.keyArn);
    const disabled = expect.objectContaining({ kind: "key-disabled" }) as unknown;
    for (const background of [true, false]) {
      await expect(refused.active.acquire(background)).rejects.toMatchObject({
        code: "ERR_KEY_UNCONFIRMED",
        cause: disabled,
      });
    }
    expect({ current: refused.active.current, flagged: refused.active.usesLastKnownKey }).toEqual({
      current: undefined,
      flagged: true,
    });
    expect(refused.told()).toEqual(["lastKnownKeyInUse", "keyAtRisk"]);
  });
});

describe("the base of a rotation", () => {
  it("is nothing before the first pair", async () => {
    expect(await world().worker().active.rotationBase()).toEqual({ revision: undefined, pair: undefined });
  });

  it("is the head's pair, once it is vouched for and held, which costs KMS one question", async () => {
    const { active, first, store, kms } = await fresh();
    const { revision } = (await store.readHead(organizationId))!;
    const base = { revision, pair: { digest: first.pair.digest } };
    expect(await active.rotationBase()).toMatchObject(base);
    expect(active.vouched?.pair.digest).toEqual(first.pair.digest);
    expect(await active.rotationBase()).toMatchObject(base);
    expect(kms.journal.count("Decrypt")).toBe(1);
  });

  it.each([
    ["refused", { code: "ERR_KEY_UNCONFIRMED", cause: { kind: "key-disabled" } }],
    ["disowned", { code: "ERR_KEY_PAIR_UNTRUSTED" }],
    ["no-verdict", { kind: "unreachable" }],
  ] as const)("is none where KMS's verdict on the head's pair is %s, whatever is in use", async (status, error) => {
    const { active, first, calls } = await fresh();
    const before = await active.acquire(false);
    const next = await first.rotation.rotate({});
    decided(calls, next, status);
    await expect(active.rotationBase()).rejects.toMatchObject(error);
    expect(active.current).toBe(before);
  });

  it("is not waited for by who has left", async () => {
    const { active } = await fresh();
    await expect(active.rotationBase(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });
});

describe("a vouched pair", () => {
  it("is given after the head was read", async () => {
    const { active, first } = await fresh();
    expect(await active.acquireVouched()).toMatchObject({ vouchedBy: "kms", pair: { digest: first.pair.digest } });
    const next = await first.rotation.rotate({});
    expect(await active.acquireVouched()).toMatchObject({ pair: { digest: next.digest } });
    await expect(active.acquireVouched(AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
  });
});

describe("trust on first use", () => {
  const open = { trustedKmsKeys: "first-use" } as const;

  it("is given to the alias of the first pair that KMS confirms, and not to one that it disowns", async () => {
    const confirmed = await fresh(open);
    await confirmed.active.acquire(false);
    expect(confirmed.trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
    const disowned = await fresh(open);
    decided(disowned.calls, disowned.first.pair, "disowned");
    await expect(disowned.active.acquire(false)).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(disowned.trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: undefined });
  });
});

describe("making a pair the active one", () => {
  it("is not undone by a slow answer about an earlier pair", async () => {
    const { first, active, clock } = await fresh();
    const next = await first.rotation.rotate({});
    await active.acquire(false);
    const vouched = { pair: first.pair, vouchedBy: "kms", confirmedAt: clock.now() } as const;
    await active.adopt(vouched);
    expect(active.current?.pair.digest).toEqual(next.digest);
    await active.adopt({ ...vouched, pair: next });
    expect(active.current?.pair).toBe(next);
  });

  it("ends the trouble with the store, and the head is not read again for a while", async () => {
    const { first, active, clock, store, health } = await fresh();
    await active.acquire(false);
    const read = vi.spyOn(store, "readHead").mockResolvedValueOnce(undefined).mockImplementationOnce(away);
    await active.refresh();
    await active.refresh();
    clock.advance(minute);
    expect({ refused: active.refusal !== undefined, task: health.trouble?.task }).toEqual({
      refused: true,
      task: "read-store",
    });
    await active.adopt({ pair: first.pair, vouchedBy: "host", confirmedAt: clock.now() });
    expect({ refusal: active.refusal, trouble: health.trouble }).toEqual({ refusal: undefined, trouble: undefined });
    await active.acquire(false);
    expect(read).toHaveBeenCalledTimes(2);
  });

  it("by the operator's word goes back, and tells a fleet that has spoken of a newer one", async () => {
    const secret = { fleetSecret: fleetSecret() };
    const { worker, clock, first } = await fresh();
    const { active, rotation, fleet } = worker(secret);
    await rotation.rotate({});
    expect((await fleet.word())?.sequence).toBe(2);
    await active.goBackTo({ pair: first.pair, vouchedBy: "kms", confirmedAt: clock.now() });
    expect(active.current?.pair.birth.sequence).toBe(1);
    expect((await fleet.word())?.sequence).toBe(1);
  });

  it("leaves a due rotation a trouble", async () => {
    const { active, health, clock } = await fresh();
    await active.acquire(false);
    clock.advance(2 * day);
    health.failed("rotate", new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "away"));
    health.failed("confirm", failure("throttled"));
    await active.confirm();
    expect(health.trouble?.task).toBe("rotate");
  });
});
