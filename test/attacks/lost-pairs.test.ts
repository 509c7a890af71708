import { describe, expect, it } from "vitest";
import { garbage } from "./store-writer.js";
import { putBackWith } from "./toolbox.js";
import { audio, fleetSecret, opens, world } from "./world.js";

const recording = { recordingId: "r" };

/** A genuine pair is stored anew, when the store has lost it, with a private half that nobody can unwrap. */
async function spoilt() {
  const parts = await world();
  await putBackWith(parts, ({ wrapping }) => ({ wrapping: { ...wrapping, ciphertext: garbage() } }));
  return parts;
}

describe("a pair that the janitor removed, stored again with its private half spoilt", () => {
  it.each([
    ["without memory", {}],
    ["with a fleet's secret", { fleetSecret }],
  ])("takes no recording that nobody can open, on a fresh host %s", async (_, options) => {
    const { host } = await spoilt();
    const made = await host(options).encryptRecording(audio, recording);
    expect(await opens(host(), made.body, audio)).toBe(true);
  });
});

describe("a pair that the store has lost, stored again by an attacker", () => {
  it.each([
    ["its private half spoilt", "wrapping"],
    ["its attestation spoilt", "attestation"],
  ] as const)("does not keep its recordings from opening by their own keys, with %s", async (_, part) => {
    const { writer, store, host, keyArn, keyPairIds, past, organizationId } = await lostFirst();
    const copy = await writer.copyOf(keyPairIds[0]!);
    await store.removeKeyPair!(organizationId, keyPairIds[0]!);
    await writer.put({ ...copy, [part]: { kmsKeyArn: keyArn, ciphertext: garbage() } });
    expect(await opens(host({ embeddedKeys: [keyArn] }), past[0]!.body, audio, "past-0")).toBe(true);
  });

  it("does not keep its recordings from opening by their own keys, with another public key", async () => {
    const { writer, store, host, keyArn, keyPairIds, past, organizationId } = await lostFirst();
    const copy = await writer.copyOf(keyPairIds[0]!);
    await store.removeKeyPair!(organizationId, keyPairIds[0]!);
    await writer.put({ ...copy, publicKey: writer.newPublicKey() });
    expect(await opens(host({ embeddedKeys: [keyArn] }), past[0]!.body, audio, "past-0")).toBe(true);
  });
});

async function lostFirst() {
  const parts = await world();
  return { ...parts, organizationId: parts.writer.organizationId };
}
