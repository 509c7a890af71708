/* What users of the AWS SDK for JavaScript v2 do with KMS. */
import AWS from "aws-sdk";
import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, privateDecrypt, publicEncrypt, verify } from "node:crypto";
import { afterEach, describe, it } from "node:test";
import { calls, context, control, endpoint, heal, inject, recorder, region } from "./server.mjs";

const client = (options = {}) => new AWS.KMS({ endpoint, region, maxRetries: 0, ...options });
const kms = client();
const as = (accessKeyId) => client({ accessKeyId, secretAccessKey: "any" });
const createKey = async (options = {}) => (await kms.createKey(options).promise()).KeyMetadata;
/** The SDK's errors carry the service's name as `code`. */
const refused = (code, statusCode, message = /./) => ({ code, statusCode, message });
const KeyId = "alias/recordings";

afterEach(heal);

describe("keys", () => {
  it("has a key under all its names", async () => {
    const { KeyId: id, Arn, CreationDate } = await createKey({ Description: "calls" });
    assert.ok(CreationDate instanceof Date);
    await kms.createAlias({ AliasName: "alias/v2", TargetKeyId: id }).promise();
    for (const name of [id, Arn, "alias/v2", Arn.replace(/key\/.*/, "alias/v2")]) {
      const { KeyMetadata } = await kms.describeKey({ KeyId: name }).promise();
      assert.deepEqual([KeyMetadata.Arn, KeyMetadata.Description, KeyMetadata.Enabled], [Arn, "calls", true]);
    }
  });

  it("goes through a key's states", async () => {
    const { KeyId: id } = await createKey();
    const encrypt = () => kms.encrypt({ KeyId: id, Plaintext: "x" }).promise();
    await kms.disableKey({ KeyId: id }).promise();
    await assert.rejects(encrypt, refused("DisabledException", 400, /is disabled/));
    await kms.enableKey({ KeyId: id }).promise();
    await encrypt();
    await kms.scheduleKeyDeletion({ KeyId: id, PendingWindowInDays: 7 }).promise();
    await assert.rejects(encrypt, refused("KMSInvalidStateException", 400, /pending deletion/));
    await control("POST", "clock", { advance: 8 * 86_400_000 });
    await assert.rejects(encrypt, refused("NotFoundException", 400));
  });

  it("pages", async () => {
    for (let made = 0; made < 5; made += 1) await createKey();
    const ids = [];
    let pages = 0;
    for (let Marker, more = true; more; pages += 1) {
      const page = await kms.listKeys({ Limit: 2, ...(Marker && { Marker }) }).promise();
      ids.push(...page.Keys.map((key) => key.KeyId));
      [more, Marker] = [page.Truncated, page.NextMarker];
    }
    assert.ok(pages >= 3);
    assert.equal(new Set(ids).size, ids.length);
  });
});

describe("encryption", () => {
  it("binds a ciphertext to its context", async () => {
    const request = { KeyId, EncryptionContext: context };
    const { CiphertextBlob } = await kms.encrypt({ ...request, Plaintext: "secret" }).promise();
    const opened = await kms.decrypt({ ...request, CiphertextBlob }).promise();
    assert.equal(opened.Plaintext.toString(), "secret");
    const elsewhere = kms.decrypt({ CiphertextBlob, EncryptionContext: { ...context, purpose: "other" } });
    await assert.rejects(elsewhere.promise(), { code: "InvalidCiphertextException", statusCode: 400 });
  });

  it("makes data keys and data key pairs", async () => {
    const request = { KeyId, EncryptionContext: context };
    const dataKey = await kms.generateDataKey({ ...request, KeySpec: "AES_256" }).promise();
    const { Plaintext } = await kms.decrypt({ ...request, CiphertextBlob: dataKey.CiphertextBlob }).promise();
    assert.deepEqual(Plaintext, dataKey.Plaintext);
    for (const KeyPairSpec of ["RSA_2048", "ECC_NIST_P256"]) {
      const pair = await kms.generateDataKeyPairWithoutPlaintext({ ...request, KeyPairSpec }).promise();
      const opened = await kms.decrypt({ ...request, CiphertextBlob: pair.PrivateKeyCiphertextBlob }).promise();
      const key = createPrivateKey({ key: opened.Plaintext, format: "der", type: "pkcs8" });
      assert.deepEqual(createPublicKey(key).export({ format: "der", type: "spki" }), pair.PublicKey);
    }
  });
});

describe("asymmetric keys", () => {
  const publicKeyOf = async (id) => {
    const { PublicKey } = await kms.getPublicKey({ KeyId: id }).promise();
    return createPublicKey({ key: PublicKey, format: "der", type: "spki" });
  };

  it("signs messages and digests", async () => {
    const { KeyId: id } = await createKey({ KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
    const key = await publicKeyOf(id);
    const digest = createHash("sha256").update("message").digest();
    const forms = [
      { Message: "message", MessageType: "RAW" },
      { Message: digest, MessageType: "DIGEST" },
    ];
    for (const form of forms) {
      const request = { KeyId: id, SigningAlgorithm: "ECDSA_SHA_256", ...form };
      const { Signature } = await kms.sign(request).promise();
      assert.ok(verify("sha256", Buffer.from("message"), key, Signature));
      assert.equal((await kms.verify({ ...request, Signature }).promise()).SignatureValid, true);
      const forged = kms.verify({ ...request, Message: Buffer.alloc(32), Signature }).promise();
      await assert.rejects(forged, { code: "KMSInvalidSignatureException", statusCode: 400 });
    }
  });

  it("decrypts what was encrypted outside", async () => {
    const { KeyId: id } = await createKey({ KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
    const CiphertextBlob = publicEncrypt({ key: await publicKeyOf(id), oaepHash: "sha256" }, Buffer.from("secret"));
    const request = { KeyId: id, CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256" };
    assert.equal((await kms.decrypt(request).promise()).Plaintext.toString(), "secret");
    const pair = await kms.generateDataKeyPair({ KeyId, KeyPairSpec: "RSA_2048" }).promise();
    const own = createPrivateKey({ key: pair.PrivateKeyPlaintext, format: "der", type: "pkcs8" });
    assert.equal(privateDecrypt(own, publicEncrypt(createPublicKey(own), Buffer.from("x"))).toString(), "x");
  });

  it("authenticates messages", async () => {
    const { KeyId: id } = await createKey({ KeySpec: "HMAC_512", KeyUsage: "GENERATE_VERIFY_MAC" });
    const request = { KeyId: id, MacAlgorithm: "HMAC_SHA_512", Message: "message" };
    const { Mac } = await kms.generateMac(request).promise();
    assert.equal((await kms.verifyMac({ ...request, Mac }).promise()).MacValid, true);
    const forged = kms.verifyMac({ ...request, Message: "another", Mac }).promise();
    await assert.rejects(forged, { code: "KMSInvalidMacException", statusCode: 400 });
  });
});

describe("callers", () => {
  it("acts by a grant and within its constraints", async () => {
    const { Arn } = await createKey();
    const encrypt = (EncryptionContext) =>
      as("AKIARECORDER").encrypt({ KeyId: Arn, Plaintext: "x", EncryptionContext }).promise();
    await assert.rejects(encrypt(context), refused("AccessDeniedException", 400, /role\/recorder is not authorized/));
    const { GrantId } = await kms
      .createGrant({
        KeyId: Arn,
        GranteePrincipal: recorder,
        Operations: ["Encrypt"],
        Constraints: { EncryptionContextEquals: context },
      })
      .promise();
    await encrypt(context);
    await assert.rejects(encrypt({ purpose: "test" }), refused("AccessDeniedException", 400));
    const { Grants } = await kms.listGrants({ KeyId: Arn }).promise();
    assert.deepEqual(
      Grants.map((grant) => [grant.GrantId, grant.Constraints.EncryptionContextEquals]),
      [[GrantId, context]],
    );
    await kms.revokeGrant({ KeyId: Arn, GrantId }).promise();
    await assert.rejects(encrypt(context), refused("AccessDeniedException", 400));
  });

  it("names what is wrong with a request", async () => {
    const missing = kms.describeKey({ KeyId: "alias/missing" }).promise();
    const arn = "arn:aws:kms:eu-west-1:111122223333:alias/missing";
    await assert.rejects(missing, refused("NotFoundException", 400, `Alias ${arn} is not found.`));
    const again = kms.createAlias({ AliasName: KeyId, TargetKeyId: (await createKey()).KeyId }).promise();
    await assert.rejects(again, refused("AlreadyExistsException", 400, /already exists/));
  });
});

describe("retries", () => {
  const retrying = (maxRetries) => client({ maxRetries, retryDelayOptions: { base: 1 } });

  for (const kind of ["throttling", "internal-error", "service-unavailable", "connection-reset"]) {
    it(`tries again after ${kind}`, async () => {
      await inject(kind, { operation: "DescribeKey", times: 2 });
      const request = retrying(2).describeKey({ KeyId });
      await request.promise();
      assert.equal(request.response.retryCount, 2);
    });
  }

  it("gives up with the service's own error", async () => {
    await inject("throttling", { operation: "GenerateRandom" });
    const request = retrying(1).generateRandom({ NumberOfBytes: 8 }).promise();
    await assert.rejects(request, { code: "ThrottlingException", statusCode: 400, retryable: true });
    assert.equal((await calls({ operation: "GenerateRandom", outcome: "ThrottlingException" })).length, 2);
  });
});
