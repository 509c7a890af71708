/* JSON web tokens signed in KMS and verified without it. */
import { CreateKeyCommand, GetPublicKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { sign, verify } from "jwt-on-kms";
import assert from "node:assert/strict";
import { constants, createPublicKey, verify as verifySignature } from "node:crypto";
import { describe, it } from "node:test";
import { calls } from "./server.mjs";

const kms = new KMSClient();
const createKey = async (KeyUsage) =>
  (await kms.send(new CreateKeyCommand({ KeySpec: "RSA_2048", KeyUsage }))).KeyMetadata.Arn;

describe("a JSON web token", () => {
  it("is what its library and OpenSSL verify", async () => {
    const keyId = await createKey("SIGN_VERIFY");
    const token = await sign({ sub: "agent-1" }, keyId, { expiresIn: 3_600 });
    const { isValid, payload } = await verify(token, keyId);
    assert.deepEqual([isValid, payload.sub], [true, "agent-1"]);
    assert.equal((await calls({ operation: "Verify" })).length, 0);
    const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId: keyId }));
    const key = createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
    const [, signed, signature] = /^(.*)\.(.*)$/.exec(token);
    const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    assert.ok(verifySignature("sha256", Buffer.from(signed), pss, Buffer.from(signature, "base64url")));
    const { isValid: forged } = await verify(token.replace(/^[^.]*\.[^.]*/, "$&x"), keyId);
    assert.equal(forged, false);
  });

  it("is not signed by a key for encryption", async () => {
    const keyId = await createKey("ENCRYPT_DECRYPT");
    await assert.rejects(sign({ sub: "agent-1" }, keyId), /Failed to sign/);
    assert.equal((await calls({ operation: "Sign", keyArn: keyId }))[0].outcome, "InvalidKeyUsageException");
  });
});
