import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { encryptionContext, operationsOf, plaintextOf, rejectionOf, type Check } from "./fixtures.js";

const operationNames = ["describeKey", "encrypt", "decrypt", "generateDataKeyPair"] as const;

export function checkAbort(check: Check): void {
  for (const name of operationNames) {
    check(`${name}: an aborted signal rejects with its own reason`, async (subject) => {
      const { ciphertext } = await subject.provider.encrypt({
        keyId: subject.keyArn,
        plaintext: plaintextOf(32),
        encryptionContext,
      });
      const operation = operationsOf(subject, ciphertext)[name];
      for (const reason of [new Error("no longer wanted"), "a text", undefined]) {
        const signal = AbortSignal.abort(reason);
        assert.equal(await rejectionOf(() => operation({ signal })), signal.reason);
      }
    });
  }

  check("an abort in the middle rejects with its own reason, and leaves other calls alone", async (subject) => {
    const { provider, keyArn } = subject;
    const { ciphertext } = await provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext });
    const { decrypt } = operationsOf(subject, ciphertext);
    const leaving = new AbortController();
    const left = decrypt({ signal: leaving.signal }).then(
      () => "was faster",
      (error: unknown) => error,
    );
    const others = Promise.all([decrypt(), decrypt({ signal: new AbortController().signal })]);
    const reason = new Error("no longer wanted");
    leaving.abort(reason);
    const outcome = await left;
    assert(
      outcome === reason || outcome === "was faster",
      `it rejects with the reason, and not with ${String(outcome)}`,
    );
    for (const { plaintext } of await others) assert.deepEqual(Buffer.from(plaintext), plaintextOf(32));
  });

  check("a call that is over leaves nothing on its signal", async (subject) => {
    const { provider, keyArn } = subject;
    const { signal } = new AbortController();
    await provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext }, { signal });
    assert.equal(listenersOf(signal), 0);
  });
}

function listenersOf(signal: AbortSignal): number {
  try {
    return getEventListeners(signal, "abort").length;
  } catch {
    return 0; // a DOM's own signals, as in a test runner, tell nobody
  }
}
