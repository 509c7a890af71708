import { KMSClient } from "@aws-sdk/client-kms";
import { describe, expect, it } from "vitest";
import { AwsKmsProvider } from "../../src/aws.js";
import { bytesSource } from "../../src/index.js";
import { createTestKeyStore } from "../../src/testing/index.js";

describe("what JavaScript does not see", () => {
  it.each([
    [{ privateKeyTTL: 1 }, "privateKeyTTL: is not a known option; did you mean privateKeyTtl?"],
    [{ confirmEvry: 1 }, "confirmEvry: is not a known option; did you mean confirmEvery?"],
    [{ colour: 1 }, /^colour: is not a known option$/],
  ])("options that there are not: %j", async (options, message) => {
    await expect(createTestKeyStore(options as object)).rejects.toThrow(message);
  });

  it("events that there are not, and listeners that are none", async () => {
    const { keyStore } = await createTestKeyStore();
    expect(() => keyStore.on("typo" as never, () => undefined)).toThrow(/^name: must be one of keyPairChanged, /);
    expect(() => keyStore.on("keyAtRisk", undefined as never)).toThrow("listener: must be a function");
  });

  it("a signal where options belong", async () => {
    const { keyStore } = await createTestKeyStore();
    const { body } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId: "call-1" });
    const reader = await keyStore.openRecording(bytesSource(body), { recordingId: "call-1" });
    const { signal } = new AbortController();
    const options = signal as never;
    for (const call of [
      () => reader.read(0, 1, options),
      () => keyStore.status(options),
      () => keyStore.rotate(options),
      () => keyStore.decryptRecording(body, options),
    ])
      await expect(call()).rejects.toThrow("options: must be an object that holds the signal, as in { signal }");
    await reader.close();
    await keyStore.close();
  });

  it("a client where options belong, and options of the client", () => {
    const client = new KMSClient({ region: "us-east-1" });
    expect(() => new AwsKmsProvider(client as never)).toThrow("options: must be { client }, not the client itself");
    expect(() => new AwsKmsProvider({ region: "us-east-1" } as never)).toThrow("region: is not a known option");
  });
});
