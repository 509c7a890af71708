import diagnosticsChannel from "node:diagnostics_channel";
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import type { KmsProvider } from "../../src/index.js";
import { diagnosticsChannelName, type RecordingKeyStoreEvents } from "../../src/telemetry.js";
import { configured, kmsKeyAliasArn, overridden, setup } from "../support/setup.js";

const eventNames = [
  "keyPairChanged",
  "keyPairConfirmed",
  "keyPairUnconfirmed",
  "keyPairUntrusted",
  "lastKnownKeyInUse",
  "lastKnownKeyEnded",
  "keyAtRisk",
  "keyChangeFailed",
] as const satisfies readonly (keyof RecordingKeyStoreEvents)[];

/** A provider that remembers every plaintext which passes through it, as no real one may. */
function spying(provider: KmsProvider, secrets: Buffer[]): KmsProvider {
  return {
    describeKey: (...args) => provider.describeKey(...args),
    generateDataKeyPair: (...args) => provider.generateDataKeyPair(...args),
    encrypt: (request, options) => {
      secrets.push(Buffer.from(request.plaintext));
      return provider.encrypt(request, options);
    },
    decrypt: async (...args) => {
      const answer = await provider.decrypt(...args);
      secrets.push(Buffer.from(answer.plaintext));
      return answer;
    },
  };
}

/** All ways in which a secret may stand in a text. */
const spellings = (secret: Buffer) => [
  secret.toString("hex"),
  secret.toString("base64"),
  secret.toString("base64url"),
  [...secret].join(","),
  [...secret].join(", "),
  secret.toString("latin1"),
];

describe("secrets", () => {
  it("are in no log, error, event, inspect output, status or store", async () => {
    const secrets: Buffer[] = [];
    const seen: unknown[] = [];
    const { provider, kms, store, clock, keyStoreWith } = setup();
    const written: Buffer[] = [];
    const watched = overridden(store, {
      createKeyPair: (pair) => (written.push(Buffer.from(pair.document)), store.createKeyPair(pair)),
      swapHead: (organization, revision, document) => (
        written.push(Buffer.from(document)),
        store.swapHead(organization, revision, document)
      ),
    });
    const keyStore = keyStoreWith({ kms: spying(provider(), secrets), store: watched });
    for (const name of eventNames) keyStore.on(name, (event) => seen.push(event));
    const listen = (message: unknown) => seen.push(message);
    diagnosticsChannel.subscribe(diagnosticsChannelName, listen);
    const caught = async (task: () => Promise<unknown>) => seen.push(await task().catch((error: unknown) => error));

    const audio = Buffer.concat([randomBytes(500)]);
    secrets.push(audio);
    await keyStore.configure({ kmsKeyAliasArn });
    const { body } = await keyStore.encryptRecording(audio, { recordingId: "r" });
    await keyStore.decryptRecording(body, { recordingId: "r" });
    await keyStore.rotate();
    await caught(() => keyStore.decryptRecording(body.subarray(0, -1), { recordingId: "r" }));
    await caught(() => keyStore.decryptRecording(body, { recordingId: "other" }));
    await caught(() => keyStore.encryptRecording(audio as never, { recordingId: audio as never }));
    await caught(() => keyStore.encryptRecording({ audio } as never, { recordingId: "r" }));
    kms.faults.outage();
    clock.advance(61_000);
    await caught(() => keyStore.decryptRecording(body, { recordingId: "r" }));
    await caught(() => keyStore.rotate());
    seen.push(keyStore, await keyStore.status(), await keyStore.keyPairs(), kms.journal.calls());
    diagnosticsChannel.unsubscribe(diagnosticsChannelName, listen);

    expect(secrets.length).toBeGreaterThan(5);
    const text =
      inspect(seen, { depth: Infinity, showHidden: true, maxArrayLength: Infinity, maxStringLength: Infinity }) +
      JSON.stringify(seen) +
      Buffer.concat(written).toString("latin1");
    const keys = secrets.filter((secret) => secret.length >= 32);
    for (const secret of keys) for (const spelling of spellings(secret)) expect(text.includes(spelling)).toBe(false);
    expect(inspect(keyStore)).toBe('RecordingKeyStore { organizationId: "org-1" }');
  });

  it("end with forgetPrivateKeys(), also for a recording that is being read", async () => {
    const { keyStore, kms } = await configured();
    const { body } = await keyStore.encryptRecording(randomBytes(40 * 65_536), { recordingId: "r" });
    async function* slowly() {
      for (let offset = 0; offset < body.length; offset += 65_536) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        yield body.subarray(offset, offset + 65_536);
      }
    }
    const { body: opened, done } = await keyStore.decryptRecording(slowly(), { recordingId: "r" });
    const reader = opened.getReader();
    await reader.read();
    keyStore.forgetPrivateKeys();
    await expect(
      (async () => {
        while (!(await reader.read()).done);
      })(),
    ).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    await expect(done).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    kms.journal.clear();
    await keyStore.decryptRecording(body, { recordingId: "r" });
    expect(kms.journal.count("Decrypt")).toBe(1);
  });

  it("a long stream asks custody again after privateKeyTtl, and ends when KMS refuses", async () => {
    const { keyStore, kms, keyArn, clock } = await configured();
    const { body } = await keyStore.encryptRecording(randomBytes(40 * 65_536), { recordingId: "r" });
    const halves = async function* () {
      yield body.subarray(0, 20 * 65_568);
      await new Promise((resolve) => setTimeout(resolve, 1));
      yield body.subarray(20 * 65_568);
    };
    const { body: opened } = await keyStore.decryptRecording(halves(), { recordingId: "r" });
    const reader = opened.getReader();
    await reader.read();
    clock.advance(60_000);
    kms.disableKey(keyArn);
    await expect(
      (async () => {
        while (!(await reader.read()).done);
      })(),
    ).rejects.toMatchObject({ code: "ERR_KMS_REFUSED" });
  });
});
