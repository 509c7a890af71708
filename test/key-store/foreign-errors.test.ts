import diagnosticsChannel from "node:diagnostics_channel";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { InvalidInputError, RecordingKeyStoreError, type KeyPairStore } from "../../src/index.js";
import { diagnosticsChannelName } from "../../src/telemetry.js";
import { configured, kmsKeyAliasArn } from "../support/setup.js";

const secret = "hunter2";

/** An error as drivers make them, whose text and members quote connection string and statement. */
function driverError() {
  const url = `postgres://admin:${secret}@db.internal/keys`;
  const inner = Object.assign(new Error(`password ${secret}\n    at ${secret}`), { code: "28P01" });
  return Object.assign(new Error(`connect ${url}`, { cause: inner }), {
    code: "ECONNREFUSED",
    command: { name: "auth", args: ["admin", secret] },
    config: { url },
  });
}

/** A store all of whose methods reject with an error. */
function failing(error: () => unknown): KeyPairStore {
  return new Proxy({} as KeyPairStore, {
    get: (_, name) => (name === "hostLastConfirmed" ? undefined : () => Promise.reject(error())),
  });
}

const kinds: [string, () => unknown][] = [
  ["a driver's error", driverError],
  ["a text", () => `connect postgres://admin:${secret}@db.internal`],
  [
    "an error whose name and code are texts",
    () => Object.assign(new Error(secret), { name: secret + " !", code: secret + " ?" }),
  ],
  [
    "a classified error with a driver's in it",
    () => new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "away", { retryable: true, cause: driverError() }),
  ],
  [
    "a classified error with more members than it has",
    () => Object.assign(new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "away"), { driver: driverError() }),
  ],
];

describe("a store's failure", () => {
  it.each(kinds)("shows in no error, event, status or report what it quotes: %s", async (_, error) => {
    const { keyStore, keyStoreWith, clock } = await configured();
    const seen: unknown[] = [];
    const listen = (message: unknown) => seen.push(message);
    diagnosticsChannel.subscribe(diagnosticsChannelName, listen);
    const away = keyStoreWith({ store: failing(error), background: false });
    for (const name of ["lastKnownKeyInUse", "keyPairUntrusted", "keyChangeFailed"] as const)
      away.on(name, (event) => seen.push(event));
    const caught = async (task: () => Promise<unknown>) => seen.push(await task().catch((failure: unknown) => failure));
    await caught(() => away.encryptRecording(Buffer.from("a"), { recordingId: "r" }));
    await caught(() => away.rotate());
    await caught(() => away.configure({ kmsKeyAliasArn }));
    await caught(() => away.status());
    const pages = away.administration(["recordingEncryptionKey:view", "recordingEncryptionKey:edit"]);
    await caught(() => pages.status());
    await caught(() => pages.keyPairs());
    await keyStore.status();
    clock.advance(1);
    diagnosticsChannel.unsubscribe(diagnosticsChannelName, listen);
    const shown = inspect(seen, { depth: Infinity, showHidden: true }) + JSON.stringify(seen);
    expect(shown).toContain("ERR_STORE_UNAVAILABLE");
    expect(shown).not.toContain(secret);
  });

  it("keeps the types of what failed", async () => {
    const { keyStoreWith } = await configured();
    const away = keyStoreWith({ store: failing(driverError), background: false });
    await expect(away.keyPairs()).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      cause: { name: "Error", message: "", code: "ECONNREFUSED", cause: { code: "28P01" } },
    });
  });
});

describe("a text of others in an error's message", () => {
  it("has its control characters, line breaks and changes of direction escaped", () => {
    const text = "a\r\nHTTP/1.1 200\u001b[2J\u2028\u202e\u0000b";
    const { message, stack } = new RecordingKeyStoreError("ERR_FORMAT_INVALID", text);
    expect(message).toBe("a\\u000d\\u000aHTTP/1.1 200\\u001b[2J\\u2028\\u202e\\u0000b");
    expect(stack?.split("\n")[0]).toContain(message);
    expect(new InvalidInputError("x\ny", "rule").message).toBe("x\\u000ay: rule");
  });
});
