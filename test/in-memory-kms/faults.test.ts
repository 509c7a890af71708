import { EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FaultKind, FaultOptions } from "../../src/testing/index.js";
import { transports, type OpenTransport } from "./transports.js";
import { customer, home, makeWorld, type World } from "./world.js";

const Plaintext = Buffer.from("x");
const caller = (world: World, region = home) => ({ region, accessKeyId: world.callers.alice });
const openTransport = (name: string, world: World) =>
  (transports[name] as NonNullable<(typeof transports)[string]>)(world.kms);

/** Error of each kind in an SDK without a socket. `hang`, `latency` and `clock-skew` have tests of their own. */
const shown: Record<Exclude<FaultKind, "hang" | "latency" | "clock-skew">, object> = {
  "connection-refused": { code: "ECONNREFUSED" },
  "name-not-found": { code: "ENOTFOUND" },
  "connection-reset": { name: "TimeoutError", code: "ECONNRESET" },
  "connection-timeout": { name: "TimeoutError", code: "ETIMEDOUT" },
  "answer-lost": { name: "TimeoutError", code: "ECONNRESET" },
  "internal-error": { name: "KMSInternalException", status: 500 },
  "service-unavailable": { name: "ServiceUnavailableException", status: 503 },
  "key-unavailable": { name: "KeyUnavailableException", status: 500 },
  "key-store-unreachable": { name: "KMSInvalidStateException", status: 400 },
  "dependency-timeout": { name: "DependencyTimeoutException", status: 503 },
  throttling: {
    name: "ThrottlingException",
    status: 400,
    message: "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
  },
  "access-denied": { name: "AccessDeniedException", status: 400 },
  "expired-credentials": { name: "ExpiredTokenException", status: 400 },
  "invalid-credentials": { name: "UnrecognizedClientException", status: 400 },
  "missing-credentials": { name: "CredentialsProviderError", message: "Could not load credentials from any providers" },
};

describe("faults", () => {
  let world: World;
  let transport: OpenTransport;
  beforeEach(async () => {
    world = makeWorld();
    transport = await openTransport("request handler of a KMSClient", world);
  });
  afterEach(() => transport.close());

  const encrypt = (region = home, KeyId = world.key) =>
    transport.send("Encrypt", { KeyId, Plaintext }, caller(world, region));
  const random = () => transport.send("GenerateRandom", { NumberOfBytes: 1 }, caller(world));

  it.each(Object.entries(shown))("%s shows as its own error, and heals", async (kind, error) => {
    const fault = world.kms.faults.inject(kind as FaultKind);
    expect(await encrypt()).toMatchObject({ ok: false, ...error });
    expect(fault.hits).toBe(1);
    world.kms.faults.heal();
    expect(await encrypt()).toMatchObject({ ok: true });
  });

  const scopes: [FaultOptions | ((world: World) => FaultOptions), encrypts: boolean, randoms: boolean][] = [
    [{ operation: "Encrypt" }, false, true],
    [{ operation: ["GenerateRandom", "Decrypt"] }, true, false],
    [{ region: "eu-west-1" }, true, true],
    [{ region: home }, false, false],
    [({ key }) => ({ keyId: key }), false, true],
    [{ keyId: "alias/recordings" }, false, true],
    [({ aliasArn }) => ({ keyId: aliasArn }), false, true],
    [({ keyId }) => ({ keyId }), false, true],
    [{ keyId: "alias/other" }, true, true],
    [({ callers }) => ({ accessKeyId: callers.bob }), true, true],
  ];
  it.each(scopes)("hits only calls in its scope: %o", async (scope, encrypts, randoms) => {
    world.kms.faults.outage(typeof scope === "function" ? scope(world) : scope);
    expect((await encrypt()).ok).toBe(encrypts);
    expect((await random()).ok).toBe(randoms);
  });

  const patterns: [name: string, options: FaultOptions, outcomes: boolean[]][] = [
    ["twice", { times: 2 }, [false, false, true, true]],
    ["one in three", { oneIn: 3 }, [false, true, true, false, true]],
    ["above two in a second", { abovePerSecond: 2 }, [true, true, false, false]],
  ];
  it.each(patterns)("throttles as told: %s", async (_name, options, outcomes) => {
    world.kms.faults.throttling(options);
    for (const ok of outcomes) expect((await encrypt()).ok).toBe(ok);
  });

  it.each(Object.keys(shown))("%s ends after two hits", async (kind) => {
    world.kms.faults.inject(kind as FaultKind, { times: 2 });
    for (const ok of [false, false, true]) expect((await encrypt()).ok).toBe(ok);
  });

  const mistakes: [said: RegExp, kind: string, options: object][] = [
    [/no fault "outage"; the kinds are connection-refused/, "outage", {}],
    [/no fault "toString"/, "toString", {}],
    [/no option "operations"; its options are operation, /, "hang", { operations: "Decrypt" }],
    [/no option "constructor"/, "hang", { constructor: 1 }],
    [/operation must be an operation of KMS, or a list of them, and is "decrypt"/, "hang", { operation: "decrypt" }],
    [/operation must be .* and is \["Decrypt","Encrpyt"\]/, "hang", { operation: ["Decrypt", "Encrpyt"] }],
    [/keyId must be/, "hang", { keyId: "" }],
    [/region must be/, "hang", { region: 1 }],
    [/times must be a whole number from 1, and is 0/, "hang", { times: 0 }],
    [/oneIn must be a whole number from 1/, "hang", { oneIn: 1.5 }],
    [/forMs must be milliseconds/, "hang", { forMs: -1 }],
    [/abovePerSecond must be/, "hang", { abovePerSecond: "10" }],
    [/latency needs ms/, "latency", {}],
  ];
  it.each(mistakes)("refuses a mistaken fault: %s", (said, kind, options) => {
    expect(() => world.kms.faults.inject(kind as FaultKind, options)).toThrow(said);
    expect(world.kms.faults.active()).toEqual([]);
  });

  it("takes every option", async () => {
    const every: FaultOptions = {
      operation: ["Encrypt", "Sign"],
      keyId: world.keyId,
      region: home,
      accessKeyId: world.callers.alice,
      times: 3,
      forMs: 1_000,
      oneIn: 2,
      abovePerSecond: 0,
      ms: 1,
    };
    const fault = world.kms.faults.inject("throttling", every);
    expect([(await encrypt()).ok, (await encrypt()).ok, fault.hits]).toEqual([false, true, 1]);
  });

  it("a rate limit allows calls again in the next second", async () => {
    world.kms.faults.throttling({ abovePerSecond: 1 });
    const outcomes: boolean[] = [];
    for (const wait of [0, 0, 1000, 0]) {
      world.clock.advance(wait);
      outcomes.push((await encrypt()).ok);
    }
    expect(outcomes).toEqual([true, false, true, false]);
  });

  it("a fault with forMs ends by the clock of the KMS", async () => {
    world.kms.faults.outage({ forMs: 60_000 });
    expect((await encrypt()).ok).toBe(false);
    world.clock.advance(60_000);
    expect((await encrypt()).ok).toBe(true);
    expect(world.kms.faults.active()).toEqual([]);
  });

  it("removing a fault leaves the others active", async () => {
    const denied = world.kms.faults.accessDenied({ operation: "Encrypt" });
    world.kms.faults.outage({ operation: "GenerateRandom" });
    denied.remove();
    expect([(await encrypt()).ok, (await random()).ok]).toEqual([true, false]);
  });

  it("latency delays a call, and the next fault decides it", async () => {
    world.kms.faults.latency(60);
    world.kms.faults.throttling({ times: 1 });
    const start = performance.now();
    expect(await encrypt()).toMatchObject({ name: "ThrottlingException" });
    expect(await encrypt()).toMatchObject({ ok: true });
    expect(performance.now() - start).toBeGreaterThan(110);
  });

  it("answer-lost executes the call before its answer is lost", async () => {
    world.kms.faults.inject("answer-lost", { operation: "DisableKey" });
    await transport.send("DisableKey", { KeyId: world.key }, caller(world));
    expect(await encrypt()).toMatchObject({ name: "DisabledException" });
  });

  it("a hanging call ends by abort or timeout", async () => {
    world.kms.faults.hang();
    const client = new KMSClient({ ...world.kms.clientConfig(home), maxAttempts: 1 });
    const call = new EncryptCommand({ KeyId: world.key, Plaintext });
    await expect(client.send(call, { requestTimeout: 20 })).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(client.send(call, { abortSignal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      name: "AbortError",
    });
    await expect(client.send(call, { abortSignal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
    expect(world.kms.journal.calls({ outcome: "hang" })).toHaveLength(2);
  });

  it("a skewed clock is refused, and the SDK corrects itself by the service's Date", async () => {
    world.kms.faults.inject("clock-skew", { ms: 3_600_000 });
    const client = new KMSClient({
      ...world.kms.clientConfig(home, { accessKeyId: world.callers.alice }),
      maxAttempts: 3,
    });
    await client.send(new EncryptCommand({ KeyId: world.key, Plaintext }));
    expect(world.kms.journal.calls().map(({ outcome }) => outcome)).toEqual(["InvalidSignatureException", "ok"]);
  });

  it("the SDK retries the same errors as of AWS", async () => {
    const client = new KMSClient({
      ...world.kms.clientConfig(home, { accessKeyId: world.callers.alice }),
      maxAttempts: 3,
    });
    for (const [kind, calls] of [
      ["throttling", 3],
      ["internal-error", 3],
      ["connection-reset", 3],
      ["access-denied", 1],
      ["expired-credentials", 1],
    ] as const) {
      world.kms.faults.heal();
      world.kms.journal.clear();
      world.kms.faults.inject(kind);
      await expect(client.send(new EncryptCommand({ KeyId: world.key, Plaintext }))).rejects.toThrow();
      expect([kind, world.kms.journal.count("Encrypt")]).toEqual([kind, calls]);
    }
  });
});

describe("faults over HTTP", () => {
  it.each(["KMSClient over HTTP", "raw signed requests"])(
    "%s: network faults drop the connection, answers stay answers",
    async (name) => {
      const world = makeWorld();
      const transport = await openTransport(name, world);
      const call = () =>
        transport
          .send("Encrypt", { KeyId: world.key, Plaintext }, caller(world))
          .catch(() => ({ ok: false as const, name: "fetch failed" }));
      const outage = world.kms.faults.outage();
      expect((await call()).ok).toBe(false);
      expect(outage.hits).toBe(1);
      world.kms.faults.heal();
      world.kms.faults.serverError({ times: 1 });
      expect(await call()).toMatchObject({ name: "KMSInternalException", status: 500 });
      expect(await call()).toMatchObject({ ok: true });
      world.kms.faults.hang();
      const hanging = call();
      await new Promise((resolve) => setTimeout(resolve, 50));
      await transport.close();
      expect((await hanging).ok).toBe(false);
    },
  );
});

describe("the journal", () => {
  it("records every call, and no secret", async () => {
    const world = makeWorld();
    const transport = await openTransport("request handler of a KMSClient", world);
    const secret = Buffer.from("a secret that nobody may see");
    const EncryptionContext = { organization: "1" };
    const encrypted = await transport.send(
      "Encrypt",
      { KeyId: "alias/recordings", Plaintext: secret, EncryptionContext },
      caller(world),
    );
    if (!encrypted.ok) throw new Error(encrypted.message);
    await transport.send(
      "Decrypt",
      { CiphertextBlob: encrypted.output["CiphertextBlob"], EncryptionContext },
      caller(world),
    );
    const calls = world.kms.journal.calls();
    expect(calls).toMatchObject([
      {
        operation: "Encrypt",
        region: home,
        accessKeyId: world.callers.alice,
        principal: `arn:aws:iam::${customer}:user/alice`,
        keyId: "alias/recordings",
        keyArn: world.key,
        encryptionContext: EncryptionContext,
        outcome: "ok",
        at: world.clock.now(),
      },
      { operation: "Decrypt", keyArn: world.key, outcome: "ok" },
    ]);
    const text = JSON.stringify(calls);
    expect(text).not.toContain(secret.toString("base64"));
    expect(text).not.toContain(secret.toString());
    expect(world.kms.journal.calls({ operation: "Decrypt" })).toHaveLength(1);
    world.kms.journal.clear();
    expect(world.kms.journal.count()).toBe(0);
  });
});
