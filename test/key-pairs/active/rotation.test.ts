import { afterEach, describe, expect, it, vi } from "vitest";
import { overridden } from "../../support/setup.js";
import { altered, decryptBy, purposeOf } from "../altered-kms.js";
import {
  configuration,
  contextKeyName,
  day,
  fleetSecret,
  kmsKeyAliasArn,
  minute,
  organizationId,
  world,
} from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
const hour = 60 * minute;
const scheduled = true;
afterEach(() => void vi.restoreAllMocks());

describe("the birth record of a new pair", () => {
  it("of a first configuration begins the history", async () => {
    const { clock, configured } = world();
    const { pair } = await configured();
    const { keyPairId, ...birth } = pair.birth;
    expect(birth).toEqual({
      organizationId,
      sequence: 1,
      spec: "X25519",
      createdAt: clock.now(),
      scheduleAnchor: clock.now(),
      kmsKeyAliasArn,
      periodicKeyChange: "daily",
      contextKeyName,
      purpose: "key-pair",
      reason: "configure",
    });
    expect(keyPairId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ["on-demand", {}],
    ["schedule", { scheduled }],
  ] as const)("of a rotation keeps settings and schedule, and says why it was made: %s", async (reason, request) => {
    const { clock, configured } = world();
    const { rotation, pair: first } = await configured({}, { periodicKeyChange: "weekly" });
    clock.advance(hour);
    const second = await rotation.rotate(request);
    const { keyPairId: _, ...birth } = first.birth;
    expect(second.birth).toEqual({
      ...birth,
      keyPairId: second.birth.keyPairId,
      sequence: 2,
      createdAt: clock.now(),
      previousDigest: first.digest,
      reason,
    });
    expect((await rotation.rotate(request)).birth).toMatchObject({ sequence: 3, previousDigest: second.digest });
  });

  it("of a further configuration has new settings and begins the schedule anew", async () => {
    const { clock, configured, kms } = world();
    const { rotation, pair: first } = await configured();
    clock.advance(hour);
    const otherAlias = kms.createAlias("alias/other", kms.createKey({ region: kmsKeyAliasArn.split(":")[3]! }));
    const settings = { kmsKeyAliasArn: otherAlias, periodicKeyChange: "never" } as const;
    const second = await rotation.rotate({ configuration: { ...configuration, ...settings } });
    const anew = { scheduleAnchor: clock.now(), previousDigest: first.digest, reason: "configure" };
    expect(second.birth).toMatchObject({ sequence: 2, ...settings, ...anew });
    expect((await rotation.rotate({})).birth).toMatchObject({ sequence: 3, ...settings, scheduleAnchor: clock.now() });
  });

  it("has the service's first context key name, whatever the pair before has", async () => {
    const { configured, worker } = world();
    const { pair: first } = await configured({ contextKeyNames: ["before"] });
    const { rotation } = worker({ contextKeyNames: ["now", "before"] });
    const second = await rotation.rotate({});
    expect([first.birth.contextKeyName, second.birth.contextKeyName]).toEqual(["before", "now"]);
  });
});

describe("a change", () => {
  it("writes pair and head once KMS has opened the pair, and nothing else", async () => {
    const { store, worker, keyArn, kms, clock } = world();
    const written: string[] = [];
    const watching = overridden(store, {
      createKeyPair: (...args) => (written.push("pair"), store.createKeyPair(...args)),
      createWrapping: (...args) => (written.push("wrapping"), store.createWrapping(...args)),
      swapHead: (...args) => (written.push("head"), store.swapHead(...args)),
      writeStatus: (...args) => (written.push("status"), store.writeStatus(...args)),
    });
    const { rotation, active, told } = worker({ store: watching });
    const pair = await rotation.rotate({ configuration });
    expect(written).toEqual(["pair", "head"]);
    expect(kms.journal.calls().map((call) => ({ operation: call.operation, for: purposeOf(call) }))).toEqual([
      { operation: "Encrypt", for: "private-key" },
      { operation: "Encrypt", for: "attestation" },
      { operation: "Decrypt", for: "private-key" },
    ]);
    expect([pair.wrapping.kmsKeyArn, pair.attestation.kmsKeyArn]).toEqual([keyArn, keyArn]);
    const confirmedAt = clock.now();
    expect(active.current).toEqual({ pair, confirmation: "confirmed", vouchedBy: "kms", confirmedAt });
    expect(told()).toEqual(["keyPairChanged", "keyPairConfirmed"]);
  });

  it("tells the fleet of the pair, where there is a secret to tell it with", async () => {
    const { worker, kms, clock } = world();
    const { rotation, fleet } = worker({ fleetSecret: fleetSecret() });
    const pair = await rotation.rotate({ configuration });
    const { keyPairId, sequence } = pair.birth;
    const told = { keyPairId, sequence, confirmedAt: clock.now(), at: clock.now() };
    expect(await fleet.word()).toMatchObject(told);
    const other = worker({ fleetSecret: fleetSecret() });
    kms.journal.clear();
    expect((await other.active.acquire(false)).pair.digest).toEqual(pair.digest);
    expect(kms.journal.count()).toBe(0);
  });

  it("without a configuration is none", async () => {
    const { worker, kms } = world();
    const { rotation, told, health } = worker();
    await expect(rotation.rotate({})).rejects.toMatchObject({
      code: "ERR_NOT_CONFIGURED",
      message: "no KMS key is configured for this organization: call configure() first",
    });
    expect({ calls: kms.journal.count(), told: told(), trouble: health.trouble }).toEqual({
      calls: 0,
      told: ["keyChangeFailed"],
      trouble: undefined,
    });
  });

  it("of which KMS opens another private half is not trusted, and leaves nothing in the store", async () => {
    const { store, worker, kms, provider } = world();
    const lying = altered(provider, { decrypt: decryptBy(provider, { "private-key": Buffer.alloc(32, 9) }) });
    const { rotation, active } = worker({ kms: lying });
    await expect(rotation.rotate({ configuration })).rejects.toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: expect.stringMatching(/: its public key is not that of its private half$/),
    });
    const stored = await store.listKeyPairs(organizationId, { limit: 9 });
    expect({ stored, active: active.current, made: kms.journal.count("Encrypt") }).toEqual({
      stored: [],
      active: undefined,
      made: 2,
    });
  });
});

describe("a change that fails", () => {
  it("for KMS is trouble, on demand too, and no trouble while there is no pair to go on with", async () => {
    const { kms, worker, configured } = world();
    kms.faults.outage();
    const first = worker();
    await expect(first.rotation.rotate({ configuration })).rejects.toMatchObject({ kind: "unreachable" });
    expect({ told: first.told(), trouble: first.health.trouble }).toEqual({ told: ["keyChangeFailed"] });
    kms.faults.heal();
    const { rotation, health, told } = await configured();
    kms.faults.outage();
    await expect(rotation.rotate({})).rejects.toMatchObject({ kind: "unreachable" });
    expect({ told: told(), task: health.trouble?.task }).toEqual({
      told: ["keyChangeFailed", "lastKnownKeyInUse"],
      task: "rotate",
    });
    kms.faults.heal();
    await rotation.rotate({});
    expect(health.trouble).toBeUndefined();
  });

  it("for the store is trouble only when it was due", async () => {
    const { clock, store, configured } = world();
    const { rotation, health } = await configured();
    const swapHead = store.swapHead.bind(store);
    store.swapHead = away;
    await expect(rotation.rotate({})).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect(health.trouble).toBeUndefined();
    clock.advance(2 * day);
    await expect(rotation.rotate({ scheduled })).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
    expect(health.trouble).toMatchObject({ task: "rotate", error: { code: "ERR_STORE_UNAVAILABLE" } });
    store.swapHead = swapHead;
    await rotation.rotate({ scheduled });
    expect(health.trouble).toBeUndefined();
  });

  it("because its caller left is no failure: no event, no pause, no trouble", async () => {
    const { clock, configured } = world();
    const { rotation, health, told } = await configured();
    clock.advance(2 * day);
    const left = new Error("left");
    await expect(rotation.rotate({ signal: AbortSignal.abort(left) })).rejects.toBe(left);
    expect({ told: told(), trouble: health.trouble }).toEqual({ told: [] });
    expect(rotation.rotationIn).toBeLessThan(0);
  });
});

describe("a caller who may leave", () => {
  it("is heard by every call to store and KMS but the swap, which is never left half known", async () => {
    const { worker } = world();
    const { rotation, records, calls, trust, active } = worker();
    await rotation.rotate({ configuration });
    const heard: string[] = [];
    const { signal } = new AbortController();
    const listen = <T extends object>(target: T, name: keyof T & string) => {
      const method = (target[name] as (...args: unknown[]) => unknown).bind(target);
      vi.spyOn(target, name as never).mockImplementation(((...args: unknown[]) => {
        heard.push(`${name}: ${args.at(-1) === signal ? "heard" : "not heard"}`);
        return method(...args);
      }) as never);
    };
    for (const name of ["readHead", "putPair", "swapHead"] as const) listen(records, name);
    listen(active, "rotationBase");
    listen(calls, "make");
    listen(trust, "vouchForNew");
    await rotation.rotate({ signal });
    expect(heard).toEqual([
      "rotationBase: heard",
      "readHead: heard",
      "make: heard",
      "vouchForNew: heard",
      "putPair: heard",
      "swapHead: not heard",
    ]);
  });
});
