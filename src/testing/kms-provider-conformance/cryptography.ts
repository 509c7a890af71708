import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { isError } from "../../util/realms.js";
import { encryptionContext, failureOf, plaintextOf, type Check } from "./fixtures.js";

export function checkCryptography(check: Check): void {
  for (const length of [1, 32, 4_096]) {
    check(
      `what is encrypted through the alias is decrypted under the key's ARN: ${length} bytes`,
      async ({ provider, keyAliasArn, keyArn }) => {
        const plaintext = plaintextOf(length);
        const encrypted = await provider.encrypt({ keyId: keyAliasArn, plaintext, encryptionContext });
        assert.equal(encrypted.keyArn, keyArn, "Encrypt tells the key's ARN, and not the alias's");
        assert.deepEqual(plaintext, plaintextOf(length), "the caller's plaintext is left as it was");
        const decrypted = await provider.decrypt({
          keyId: keyArn,
          ciphertext: encrypted.ciphertext,
          encryptionContext,
        });
        assert.equal(decrypted.keyArn, keyArn, "Decrypt tells the key's ARN");
        assert.deepEqual(Buffer.from(decrypted.plaintext), plaintextOf(length));
      },
    );
  }

  check(
    "a key material is told by its 64 hexadecimal digits, always the same for a ciphertext, or not at all",
    async (subject) => {
      const { provider, keyArn } = subject;
      const { ciphertext } = await provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext });
      const told = async () => (await provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext })).keyMaterialId;
      const [one, two] = [await told(), await told()];
      assert.equal(one, two);
      if (one !== undefined) assert.match(one, /^[0-9a-f]{64}$/, "keyMaterialId has 64 hexadecimal digits");
    },
  );

  check("two encryptions of the same bytes differ", async ({ provider, keyArn }) => {
    const encrypt = () => provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext });
    const [one, two] = [await encrypt(), await encrypt()];
    assert.notDeepEqual(Buffer.from(one.ciphertext), Buffer.from(two.ciphertext));
  });

  check("a decrypted secret is the caller's alone, so that it can wipe it", async ({ provider, keyArn }) => {
    const { ciphertext } = await provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext });
    const before = Buffer.from(ciphertext);
    const decrypt = () => provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext });
    const [one, two] = [await decrypt(), await decrypt()];
    assert.equal(one.plaintext.buffer.byteLength, one.plaintext.byteLength, "it is no view of a shared pool");
    one.plaintext.fill(0);
    assert.deepEqual(Buffer.from(two.plaintext), plaintextOf(32));
    assert.deepEqual(Buffer.from(ciphertext), before, "the caller's ciphertext is left as it was");
  });

  check("the order of the encryption context does not matter", async ({ provider, keyArn }) => {
    const { ciphertext } = await provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext });
    const reversed = Object.fromEntries(Object.entries(encryptionContext).reverse());
    const { plaintext } = await provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext: reversed });
    assert.deepEqual(Buffer.from(plaintext), plaintextOf(32));
  });

  const [[name, value], [otherName, otherValue]] = Object.entries(encryptionContext) as [
    [string, string],
    [string, string],
  ];
  const wrongContexts = {
    "another value": { ...encryptionContext, [name]: "org-2" },
    "a value in other case": { ...encryptionContext, [name]: value.toUpperCase() },
    "a name in other case": { [name.toUpperCase()]: value, [otherName]: otherValue },
    "one entry less": { [name]: value },
    "one entry more": { ...encryptionContext, more: "1" },
    "no entries": {},
  };
  for (const [what, wrong] of Object.entries(wrongContexts)) {
    check(`nothing is decrypted under another encryption context: ${what}`, async ({ provider, keyArn }) => {
      const { ciphertext } = await provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext });
      // A key policy with a condition on the context denies before KMS looks at the ciphertext.
      await failureOf(
        () => provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext: wrong }),
        "invalid-ciphertext",
        "access-denied",
      );
    });
  }

  check("a changed or foreign ciphertext is not decrypted", async ({ provider, keyArn }) => {
    const { ciphertext } = await provider.encrypt({ keyId: keyArn, plaintext: plaintextOf(32), encryptionContext });
    const changed = Buffer.from(ciphertext);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const decrypt = (wrong: Uint8Array) => provider.decrypt({ keyId: keyArn, ciphertext: wrong, encryptionContext });
    await failureOf(() => decrypt(changed), "invalid-ciphertext");
    await failureOf(() => decrypt(changed.subarray(0, -1)), "invalid-ciphertext");
    await failureOf(() => decrypt(plaintextOf(100)), "invalid-ciphertext", "access-denied", "incorrect-key");
  });

  check("a ciphertext of another key is not decrypted", async ({ provider, keyArn, otherKeyArn }) => {
    if (otherKeyArn === undefined) return;
    const { ciphertext } = await provider.encrypt({
      keyId: otherKeyArn,
      plaintext: plaintextOf(32),
      encryptionContext,
    });
    await failureOf(() => provider.decrypt({ keyId: keyArn, ciphertext, encryptionContext }), "incorrect-key");
  });

  check(
    "a data key pair is SPKI in the clear, and PKCS #8 encrypted under key and context",
    async ({ provider, keyAliasArn, keyArn }) => {
      const made = await provider.generateDataKeyPair({ keyId: keyAliasArn, spec: "RSA_2048", encryptionContext });
      assert.equal(made.keyArn, keyArn, "it tells the key's ARN");
      const publicKey = createPublicKey({ key: Buffer.from(made.publicKey), format: "der", type: "spki" });
      assert.equal(publicKey.asymmetricKeyDetails?.modulusLength, 2_048);
      const request = { keyId: keyArn, ciphertext: made.privateKeyCiphertext };
      const { plaintext } = await provider.decrypt({ ...request, encryptionContext });
      const privateKey = createPrivateKey({ key: Buffer.from(plaintext), format: "der", type: "pkcs8" });
      const derived = createPublicKey(privateKey).export({ format: "der", type: "spki" });
      assert.deepEqual(derived, publicKey.export({ format: "der", type: "spki" }), "both halves belong together");
      await failureOf(
        () => provider.decrypt({ ...request, encryptionContext: wrongContexts["another value"] }),
        "invalid-ciphertext",
        "access-denied",
      );
    },
  );

  check(
    "describing the key works or is denied, since the call carries no encryption context",
    async ({ provider, keyAliasArn, keyArn }) => {
      const described = await provider.describeKey({ keyId: keyAliasArn }).catch((error: unknown) => error);
      if (isError(described)) {
        await failureOf(() => Promise.reject(described), "access-denied");
        return;
      }
      const { keySpec, keyUsage, keyState, enabled, ...rest } = described as Awaited<
        ReturnType<typeof provider.describeKey>
      >;
      assert.deepEqual(
        { keySpec, keyUsage, keyState, enabled },
        { keySpec: "SYMMETRIC_DEFAULT", keyUsage: "ENCRYPT_DECRYPT", keyState: "Enabled", enabled: true },
      );
      assert.equal(rest.keyArn, keyArn);
    },
  );
}
