import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { EncryptCommand, GenerateDataKeyPairWithoutPlaintextCommand, KMSClient } from "@aws-sdk/client-kms";
import { HttpResponse } from "@smithy/protocol-http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AwsKmsProvider } from "../../../src/aws.js";
import {
  callsOf,
  clientThat,
  inMemory,
  keyAliasArn,
  keyArn,
  mockedClient,
  operations,
  region,
  rejection,
} from "../fixtures.js";

const keys = { alias: keyAliasArn, key: keyArn };
const never = () => new Promise<never>(() => undefined);

describe("time", () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  /** A host that takes connections and never answers. */
  async function silentEndpoint() {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      // Read on, or the end of the connection is not noticed.
      socket
        .resume()
        .on("error", () => undefined)
        .on("close", () => sockets.delete(socket));
    });
    servers.push(server);
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
  }

  it.each(operations)(
    "%s on a hung endpoint ends by the deadline, and its connections are freed",
    async (operation) => {
      const { url: endpoint, sockets } = await silentEndpoint();
      const client = new KMSClient({
        region,
        endpoint,
        credentials: { accessKeyId: "AKIATEST", secretAccessKey: "test" },
      });
      const provider = new AwsKmsProvider({ client, attemptTimeout: 100, deadline: 350, keyPairDeadline: 350 });
      expect(await rejection(callsOf(provider, keys)[operation]())).toMatchObject({
        kind: "timeout",
        awsErrorName: undefined,
      });
      await vi.waitFor(() => expect(sockets.size).toBe(0));
    },
  );

  it("a hung attempt leaves time for another, without noise on the console", async () => {
    const warn = vi.spyOn(console, "warn");
    const { kms, provider, keyAliasArn: alias } = inMemory({ attemptTimeout: 80, deadline: 4_000 }, { maxAttempts: 3 });
    kms.faults.hang({ times: 2 });
    expect(await callsOf(provider, { alias, key: keyArn }).Encrypt()).toMatchObject({
      ciphertext: expect.any(Uint8Array),
    });
    expect(kms.journal.calls().map(({ outcome }) => outcome)).toEqual(["hang", "hang", "ok"]);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  it("the connection of an attempt that was given up is freed as soon as another succeeds", async () => {
    const signals: AbortSignal[] = [];
    const body = JSON.stringify({ KeyId: keyArn, CiphertextBlob: "YQ==" });
    const handle = async (_: unknown, { abortSignal }: { abortSignal?: unknown } = {}) => {
      signals.push(abortSignal as AbortSignal);
      return signals.length === 1
        ? never()
        : { response: new HttpResponse({ statusCode: 200, headers: {}, body: Buffer.from(body) }) };
    };
    const client = new KMSClient({
      region,
      credentials: { accessKeyId: "AKIATEST", secretAccessKey: "test" },
      requestHandler: { handle },
    });
    const provider = new AwsKmsProvider({ client, attemptTimeout: 50 });
    await callsOf(provider, keys).Encrypt();
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    await callsOf(provider, keys).Encrypt();
    expect(signals[2]?.aborted).toBe(false);
  });

  it("attempts are the SDK's alone", async () => {
    for (const maxAttempts of [1, 3]) {
      const { kms, provider, keyAliasArn: alias } = inMemory({}, { maxAttempts });
      kms.faults.serverError();
      await rejection(callsOf(provider, { alias, key: keyArn }).Encrypt());
      expect(kms.journal.count()).toBe(maxAttempts);
    }
  });

  it.each([
    ["sending", clientThat(never)],
    ["telling its Region", { send: never, config: { region: never } }],
  ])("a client that hangs in %s and ignores aborts ends by the deadline", async (_, client) => {
    const provider = new AwsKmsProvider({ client, deadline: 60, keyPairDeadline: 60 });
    for (const operation of operations)
      expect(await rejection(callsOf(provider, keys)[operation]())).toMatchObject({
        kind: "timeout",
        message: expect.stringContaining("60 ms"),
      });
  });

  it("a function that hangs in giving the client is asked again after the deadline", async () => {
    const { client, keyAliasArn: alias } = inMemory();
    const factory = vi.fn<(asked: string) => KMSClient | Promise<never>>(client).mockImplementationOnce(never);
    const { Encrypt } = callsOf(new AwsKmsProvider({ client: factory, deadline: 60 }), { alias, key: keyArn });
    for (const failed of await Promise.all([Encrypt, Encrypt].map((call) => rejection(call()))))
      expect(failed).toMatchObject({ kind: "timeout" });
    await vi.waitFor(Encrypt);
    expect(factory).toHaveBeenCalledTimes(2);
  });

  it.each([10, 40])("a secret that comes after %i ms is wiped when nobody waits for it", async (deadline) => {
    const Plaintext = new Uint8Array(Buffer.from("secret"));
    const client = clientThat(async () => {
      await new Promise((later) => setTimeout(later, 80));
      return { KeyId: keyArn, Plaintext };
    });
    expect(await rejection(callsOf(new AwsKmsProvider({ client, deadline }), keys).Decrypt())).toMatchObject({
      kind: "timeout",
    });
    expect(Buffer.from(Plaintext).toString()).toBe("secret");
    await vi.waitFor(() => expect([...Plaintext]).toEqual([0, 0, 0, 0, 0, 0]));
  });

  it("an answer that comes after its attempt was given up is wiped", async () => {
    const body = JSON.stringify({ KeyId: keyArn, Plaintext: Buffer.from("secret").toString("base64") });
    const fill = vi.spyOn(Uint8Array.prototype, "fill");
    let calls = 0;
    const handle = async () => {
      calls += 1;
      if (calls === 1) await new Promise((later) => setTimeout(later, 200));
      return { response: new HttpResponse({ statusCode: 200, headers: {}, body: Buffer.from(body) }) };
    };
    const client = new KMSClient({
      region,
      credentials: { accessKeyId: "AKIATEST", secretAccessKey: "test" },
      requestHandler: { handle },
    });
    const { plaintext } = (await callsOf(new AwsKmsProvider({ client, attemptTimeout: 50 }), keys).Decrypt()) as {
      plaintext: Uint8Array;
    };
    expect(Buffer.from(plaintext).toString()).toBe("secret");
    const wipedAtOnce = fill.mock.calls.length;
    await vi.waitFor(() => expect(fill.mock.calls.length).toBeGreaterThan(wipedAtOnce));
    fill.mockRestore();
  });

  it("no timer is left when a call is over", async () => {
    vi.useFakeTimers();
    const { client, mock } = mockedClient();
    mock.on(EncryptCommand).resolves({ KeyId: keyArn, CiphertextBlob: Buffer.from("c") });
    await callsOf(new AwsKmsProvider({ client }), keys).Encrypt();
    mock.on(EncryptCommand).rejects(new Error("x"));
    await rejection(callsOf(new AwsKmsProvider({ client }), keys).Encrypt());
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it("making a key pair has a deadline of its own", async () => {
    const { client, mock } = mockedClient();
    mock.on(GenerateDataKeyPairWithoutPlaintextCommand).callsFake(async () => {
      await new Promise((later) => setTimeout(later, 100));
      return { KeyId: keyArn, PublicKey: Buffer.from("p"), PrivateKeyCiphertextBlob: Buffer.from("c") };
    });
    const provider = new AwsKmsProvider({ client, attemptTimeout: 10, deadline: 20 });
    expect(await callsOf(provider, keys).GenerateDataKeyPairWithoutPlaintext()).toMatchObject({ keyArn });
  });
});

describe("abort", () => {
  it.each(operations)(
    "%s rejects with the caller's reason, whatever it is, also if the client ignores it",
    async (operation) => {
      const { kms, provider } = inMemory();
      kms.faults.hang();
      for (const each of [provider, new AwsKmsProvider({ client: clientThat(never) })]) {
        for (const reason of [new Error("enough"), "a text", 0]) {
          const controller = new AbortController();
          const call = callsOf(each, keys, controller.signal)[operation]();
          controller.abort(reason);
          expect(await rejection(call)).toBe(reason);
        }
      }
    },
  );

  it("reaches the SDK", async () => {
    const { kms, provider, keyAliasArn: alias } = inMemory();
    kms.faults.hang();
    const controller = new AbortController();
    const call = rejection(callsOf(provider, { alias, key: keyArn }, controller.signal).Encrypt());
    await vi.waitFor(() => expect(kms.journal.count()).toBe(1));
    const reason = new Error("enough");
    controller.abort(reason);
    expect(await call).toBe(reason);
  });
});
