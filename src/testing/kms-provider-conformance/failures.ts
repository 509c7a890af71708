import assert from "node:assert/strict";
import { inspect } from "node:util";
import { kmsFailureGroup } from "../../kms/kms-error.js";
import { encryptionContext, failureOf, operationsOf, plaintextOf, type Check } from "./fixtures.js";

export function checkFailures(check: Check): void {
  check("an alias that does not exist is a refusal that can be retried", async ({ provider, keyAliasArn }) => {
    const keyId = `${keyAliasArn}-${"x".repeat(8)}`;
    const encrypt = () => provider.encrypt({ keyId, plaintext: plaintextOf(32), encryptionContext });
    const error = await failureOf(encrypt, "key-not-found", "access-denied");
    assert.equal(error.keyId, keyId, "the error tells which key was asked");
    assert.equal(error.operation, "Encrypt", "the error tells the operation, as KMS calls it");
    assert.equal(error.code, "ERR_KMS_REFUSED");
    assert.equal(error.retryable, true);
  });

  check("more than 4,096 bytes are an invalid request", async ({ provider, keyArn }) => {
    const error = await failureOf(
      () => provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(4_097), encryptionContext }),
      "invalid-request",
    );
    assert.equal(error.code, "ERR_KMS_REJECTED");
    assert.equal(error.retryable, false);
  });

  check("errors hold no plaintext", async ({ provider, keyAliasArn, keyArn }) => {
    const plaintext = plaintextOf(48);
    const { ciphertext } = await provider.encrypt({ keyId: keyArn, plaintext, encryptionContext });
    const errors = [
      await failureOf(() => provider.encrypt({ keyId: `${keyAliasArn}-missing`, plaintext, encryptionContext })),
      await failureOf(() =>
        provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext: { ...encryptionContext, more: "1" } }),
      ),
    ];
    for (const error of errors) {
      const shown = inspect(error, {
        depth: Infinity,
        showHidden: true,
        maxArrayLength: Infinity,
        maxStringLength: Infinity,
      });
      for (const encoding of ["base64", "base64url", "hex", "latin1"] as const) {
        assert(!shown.includes(plaintext.toString(encoding)), `it holds the plaintext as ${encoding}`);
      }
      assert(!shown.includes([...plaintext.subarray(0, 8)].join(", ")), "it holds the plaintext as numbers");
    }
  });

  check("an outage ends every call in time as retryable, and the next call succeeds afterwards", async (subject) => {
    const { provider, keyArn, outage } = subject;
    if (!outage) return;
    const { ciphertext } = await provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext });
    const { describeKey, encrypt, decrypt } = operationsOf(subject, ciphertext);
    for (const operation of [describeKey, encrypt, decrypt]) {
      outage.begin();
      const begin = performance.now();
      const error = await failureOf(() => operation());
      const took = performance.now() - begin;
      outage.end();
      assert.equal(kmsFailureGroup(error.kind), "unavailable", `${error.kind} is of the group unavailable`);
      assert.equal(error.code, "ERR_KMS_UNAVAILABLE");
      assert.equal(error.retryable, true);
      assert(took <= outage.endsWithin, `it ends within ${outage.endsWithin} ms, and not after ${took}`);
    }
    const { plaintext } = await provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext });
    assert.deepEqual(Buffer.from(plaintext), plaintextOf(32));
  });
}
