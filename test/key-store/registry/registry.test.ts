import { inspect } from "node:util";
import { describe, expect, it, vi } from "vitest";
import {
  RecordingKeyStoreRegistry,
  type OrganizationResolver,
  type RecordingKeyStoreError,
  type RecordingKeyStoreRegistryOptions,
} from "../../../src/index.js";
import type { RecordingKeyStoreRegistryEvents } from "../../../src/telemetry.js";
import { accountId, audio, drain, homeRegion, ids, kmsKeyAliasArn, world } from "./world.js";

describe("an organization's key store", () => {
  it("is one, however often and however many at once ask for it", async () => {
    let asked = 0;
    const { stores } = world({ resolveOrganization: async () => ((asked += 1), {}) });
    const many = await Promise.all(ids(100).map(() => stores.for("org-1")));
    expect(new Set([...many, await stores.for("org-1")]).size).toBe(1);
    expect(asked).toBe(1);
    expect(await stores.for("org-2")).not.toBe(many[0]);
    await stores.close();
  });

  it("has the common options, but for those of its own", async () => {
    const { registryWith } = world();
    const stores = registryWith({
      trustedKmsKeys: ["999999999999"],
      resolveOrganization: (id) => (id === "own" ? { trustedKmsKeys: [accountId] } : {}),
    });
    await (await stores.for("own")).configure({ kmsKeyAliasArn });
    await expect((await stores.for("common")).configure({ kmsKeyAliasArn })).rejects.toMatchObject({
      field: "kmsKeyAliasArn",
    });
    await stores.close();
  });

  it("loses no common option to one that its look-up leaves undefined", async () => {
    const { registryWith } = world();
    const stores = registryWith({
      trustedKmsKeys: ["999999999999"],
      resolveOrganization: () => ({ trustedKmsKeys: undefined }) as object,
    });
    expect((await (await stores.for("org-1")).status()).trust).toEqual({ kind: "configured" });
    await expect((await stores.for("org-1")).configure({ kmsKeyAliasArn })).rejects.toMatchObject({
      field: "kmsKeyAliasArn",
    });
    await stores.close();
  });

  it("that its user has closed makes room for another", async () => {
    const { stores, configure, encrypt } = world();
    await configure("org-1");
    const first = await stores.for("org-1");
    await first.close();
    expect(await encrypt("org-1")).toMatchObject({ confirmation: "confirmed" });
    expect(await stores.for("org-1")).not.toBe(first);
    await expect(first.encryptRecording(audio, { recordingId: "r" })).rejects.toMatchObject({ code: "ERR_CLOSED" });
    expect(await stores.for("org-1")).not.toBe(first);
    await stores.close();
  });

  it("that is asked for in the turn of its release() is a fresh and open one", async () => {
    const { stores, configure } = world();
    await configure("org-1");
    const before = await stores.for("org-1");
    const released = stores.release("org-1");
    const after = await stores.for("org-1");
    await released;
    expect(after).not.toBe(before);
    await expect(before.status()).rejects.toMatchObject({ code: "ERR_CLOSED" });
    expect(await after.encryptRecording(audio, { recordingId: "r" })).toMatchObject({ confirmation: "confirmed" });
    expect(await stores.for("org-1")).toBe(after);
  });

  it("that is released while it is made is made again, with what the look-up says then", async () => {
    const answers: ((own: object) => void)[] = [];
    const resolveOrganization = vi.fn(() => new Promise<object>((resolve) => answers.push(resolve)));
    const { stores } = world({ resolveOrganization, homeRegion: undefined as never });
    const waiting = stores.for("org-1");
    await stores.release("org-1");
    const later = stores.for("org-1");
    answers[0]?.({}); // a Region is missing, which the second answer has
    await vi.waitFor(() => expect(answers).toHaveLength(2));
    answers[1]?.({ homeRegion });
    const [first, second] = await Promise.all([waiting, later]);
    expect(first).toBe(second);
    expect(await first.status()).toMatchObject({ organizationId: "org-1" });
    expect(resolveOrganization).toHaveBeenCalledTimes(2);
  });

  it("that is released between its making and the answer of for() is another one", async () => {
    const { stores } = world();
    const asked = stores.for("org-1");
    await Promise.resolve();
    await Promise.all([stores.release("org-1"), stores.release("org-1")]);
    expect(await (await asked).status()).toMatchObject({ organizationId: "org-1" });
  });

  it("is closed by release(), and made anew with what the look-up says then; what was confirmed is remembered", async () => {
    let trusted = [accountId];
    const { stores, configure, encrypt, kms } = world({ resolveOrganization: () => ({ trustedKmsKeys: trusted }) });
    await configure("org-1");
    const first = await stores.for("org-1");
    await stores.release("org-1");
    await expect(first.status()).rejects.toMatchObject({ code: "ERR_CLOSED" });
    kms.journal.clear();
    expect(await encrypt("org-1")).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
    expect(kms.journal.count()).toBe(0);
    await stores.release("org-1");
    trusted = ["999999999999"];
    await expect(encrypt("org-1")).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    await stores.close();
  });
});

describe("the look-up of an organization", () => {
  const lookups: { name: string; resolveOrganization: OrganizationResolver; error: object }[] = [
    {
      name: "throws",
      resolveOrganization: () => {
        throw new Error("unknown organization");
      },
      error: { message: "unknown organization" },
    },
    {
      name: "rejects",
      resolveOrganization: () => Promise.reject(new Error("no database")),
      error: { message: "no database" },
    },
    {
      name: "hangs",
      resolveOrganization: () => new Promise(() => undefined),
      error: { code: "ERR_ORGANIZATION_TIMEOUT", retryable: true },
    },
    {
      name: "aborts when told to",
      resolveOrganization: (_, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      error: { code: "ERR_ORGANIZATION_TIMEOUT" },
    },
    {
      name: "gives nothing",
      resolveOrganization: () => undefined as never,
      error: { code: "ERR_INVALID_INPUT", field: "resolveOrganization" },
    },
    {
      name: "gives a bad option",
      resolveOrganization: () => ({ privateKeyTtl: -1 }),
      error: { code: "ERR_INVALID_INPUT", field: "privateKeyTtl" },
    },
    {
      name: "gives an unknown option",
      resolveOrganization: () => ({ privateKeyTTL: 1 }) as object,
      error: { code: "ERR_INVALID_INPUT", field: "privateKeyTTL" },
    },
  ];

  it.each(lookups)(
    "that $name fails for this organization alone, and is asked again",
    async ({ resolveOrganization, error }) => {
      let broken = true;
      const { stores } = world({
        resolveTimeout: 20,
        resolveOrganization: (id, options) => (id === "org-1" && broken ? resolveOrganization(id, options) : {}),
      });
      const outcomes = await Promise.allSettled([stores.for("org-1"), stores.for("org-1"), stores.for("org-2")]);
      expect(outcomes).toMatchObject([
        { status: "rejected", reason: error },
        { status: "rejected", reason: error },
        { status: "fulfilled" },
      ]);
      broken = false;
      await expect(stores.for("org-1")).resolves.toBeDefined();
      await stores.close();
    },
  );

  it("is left by one caller's abort, and goes on for the others; closing ends it", async () => {
    let answer: (own: object) => void = () => undefined;
    const { stores } = world({ resolveOrganization: () => new Promise((resolve) => (answer = resolve)) });
    const leaves = new AbortController();
    const left = stores.for("org-1", { signal: leaves.signal });
    const stays = stores.for("org-1");
    leaves.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    answer({});
    await expect(stays).resolves.toBeDefined();
    const ended = expect(stores.for("org-2")).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await stores.close();
    await ended;
  });
});

describe("all organizations together", () => {
  it("tell their events, each with its organization", async () => {
    const { stores, configure } = world();
    const events: RecordingKeyStoreRegistryEvents["keyPairChanged"][] = [];
    const remove = stores.on("keyPairChanged", (event) => events.push(event));
    await configure("org-1", "org-2");
    remove();
    await configure("org-3");
    expect(events).toMatchObject([
      { organizationId: "org-1", sequence: 1 },
      { organizationId: "org-2", sequence: 1 },
    ]);
    await stores.close();
  });

  it("keep no more private keys than allowed, and forget them all at once", async () => {
    const { stores, configure, encrypt, opens, kms } = world({ maxPrivateKeys: 3 });
    await configure(...ids(5));
    const bodies = new Map<string, Uint8Array>();
    for (const id of ids(5)) bodies.set(id, (await encrypt(id)).body);
    for (const [id, body] of bodies) expect(await opens(id, body)).toBe(true);
    expect(stores.status().unwrappedPrivateKeys).toBe(3);
    kms.journal.clear();
    for (const id of ["org-2", "org-3", "org-4"]) await opens(id, bodies.get(id)!); // the ones unwrapped last
    expect(kms.journal.count("Decrypt")).toBe(0);
    stores.forgetPrivateKeys();
    expect(stores.status().unwrappedPrivateKeys).toBe(0);
    await opens("org-4", bodies.get("org-4")!);
    expect(kms.journal.count("Decrypt")).toBe(1);
    await stores.close();
    expect(stores.status().unwrappedPrivateKeys).toBe(0);
  });

  it("are counted, and shown without a name or a secret", async () => {
    const { stores, configure, kms, keyArn } = world({ background: false });
    await configure(...ids(3));
    kms.disableKey(keyArn);
    await (await stores.for("org-0")).confirm();
    expect(stores.status()).toMatchObject({
      keyStores: 3,
      withOpenWork: 0,
      usingLastKnownKey: 1,
      keyAtRisk: 1,
      kmsCalls: [{ region: homeRegion, underWay: 0, waiting: 0 }],
    });
    expect(inspect(stores, { depth: 9, showHidden: true })).toBe("RecordingKeyStoreRegistry { keyStores: 3 }");
    expect(JSON.stringify(stores)).toBe("{}");
    await stores.close();
  });
});

describe("close()", () => {
  it("refuses new work, and waits for what is open in all of them", async () => {
    const { stores, configure } = world();
    await configure(...ids(3));
    const keyStores = await Promise.all(ids(3).map((id) => stores.for(id)));
    const releases: (() => void)[] = [];
    const source = async function* () {
      yield audio;
      await new Promise<void>((resolve) => releases.push(resolve));
      yield audio;
    };
    const streams = await Promise.all(
      keyStores.map((keyStore) => keyStore.encryptRecording(source(), { recordingId: "r" })),
    );
    const read = Promise.all(streams.map(({ body }) => drain(body)));
    let isClosed = false;
    const closing = stores.close().then(() => (isClosed = true));
    await expect(stores.for("org-0")).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(keyStores[0]!.status()).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await vi.waitFor(() => expect(releases).toHaveLength(3), { timeout: 30_000 });
    expect(isClosed).toBe(false);
    for (const release of releases) release();
    await Promise.all([read, closing]);
    expect(isClosed).toBe(true);
  });

  it("aborts what is open when told to, and may be called twice and by `await using`", async () => {
    const { stores, configure } = world();
    await configure("org-1");
    const never = async function* () {
      yield audio;
      await new Promise(() => undefined);
    };
    const { done } = await (await stores.for("org-1")).encryptRecording(never(), { recordingId: "r" });
    const reason = new Error("shutting down");
    await stores.close({ signal: AbortSignal.abort(reason) });
    await expect(done).rejects.toBe(reason);
    await stores[Symbol.asyncDispose]();
  });
});

const badOptions: { field: string; options: object }[] = [
  { field: "kms", options: { kms: undefined } },
  { field: "store", options: { store: {} } },
  { field: "homeRegion", options: { homeRegion: "Frankfurt" } },
  { field: "resolveOrganization", options: { resolveOrganization: {} } },
  { field: "contextKeyName", options: { contextKeyName: "aws:x" } },
  { field: "fleetSecret", options: { fleetSecret: new Uint8Array(31) } },
  { field: "storeTimeout", options: { storeTimeout: 1 } },
  { field: "resolveTimeout", options: { resolveTimeout: -1 } },
  { field: "maxIdleKeyStores", options: { maxIdleKeyStores: 0 } },
  { field: "maxPrivateKeys", options: { maxPrivateKeys: 1.5 } },
  { field: "kmsCallsPerRegion", options: { kmsCallsPerRegion: 1 } },
  { field: "maintenanceInterval", options: { maintenanceInterval: 0 } },
  { field: "organizationId", options: { organizationId: "org-1" } },
];

it.each(badOptions)("bad $field is refused by name", ({ field, options }) => {
  const { registryWith } = world();
  expect(() => registryWith(options as Partial<RecordingKeyStoreRegistryOptions>)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_INPUT", field }) as RecordingKeyStoreError,
  );
});

it("a missing home Region and a bad id are told when an organization is asked for", async () => {
  const { provider, store } = world();
  const stores = new RecordingKeyStoreRegistry({ kms: provider, store });
  await expect(stores.for("org-1")).rejects.toMatchObject({ field: "homeRegion" });
  await expect(stores.for("../etc")).rejects.toMatchObject({ field: "organizationId" });
  await stores.close();
});
