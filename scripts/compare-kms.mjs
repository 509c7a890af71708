/*
 * What servers that speak AWS KMS do of what AWS does, as the rows of the comparison in docs/in-memory-kms.md:
 *
 *     node scripts/compare-kms.mjs ours=http://127.0.0.1:8080 moto=http://127.0.0.1:5000 local-kms=http://127.0.0.1:8081
 *
 * Prints a table: `yes`, or what came instead. Each row asks by the AWS SDK, and judges by node:crypto or by AWS's documented answer.
 */
import * as sdk from "@aws-sdk/client-kms";
import assert from "node:assert/strict";
import * as crypto from "node:crypto";

const region = "us-east-1";
const context = { purpose: "test" };

/** A server's operations by their names in AWS's reference. */
function operationsOf(endpoint, { accessKeyId = "AKIAADMIN", inRegion = region } = {}) {
  const credentials = { accessKeyId, secretAccessKey: "any" };
  const client = new sdk.KMSClient({ endpoint, region: inRegion, credentials, maxAttempts: 1 });
  return (operation, input = {}) => client.send(new sdk[`${operation}Command`](input));
}

const createKey = async (ask, input = {}) => (await ask("CreateKey", input)).KeyMetadata;
const refused = (name, call) => assert.rejects(call, { name });
const spki = (der) => crypto.createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
const pkcs8 = (der) => crypto.createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
const publicKeyOf = async (ask, KeyId) => spki((await ask("GetPublicKey", { KeyId })).PublicKey);
const message = Buffer.from("message");
const pss = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

const encrypt = (ask, KeyId, more = {}) => ask("Encrypt", { KeyId, Plaintext: message, ...more });
const opens = async (ask, input) =>
  assert.deepEqual(Buffer.from((await ask("Decrypt", input)).Plaintext), input.expected ?? message);

/** Imports material, wrapped with RSAES_OAEP_SHA_256. */
async function importInto(ask, KeyId, material) {
  const wrapping = { KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048" };
  const { PublicKey, ImportToken } = await ask("GetParametersForImport", wrapping);
  const EncryptedKeyMaterial = crypto.publicEncrypt({ key: spki(PublicKey), oaepHash: "sha256" }, material);
  const ExpirationModel = "KEY_MATERIAL_DOES_NOT_EXPIRE";
  await ask("ImportKeyMaterial", { KeyId, ImportToken, EncryptedKeyMaterial, ExpirationModel });
}

async function signs(ask, KeySpec, SigningAlgorithm, isSignature) {
  const { KeyId } = await createKey(ask, { KeySpec, KeyUsage: "SIGN_VERIFY" });
  const { Signature } = await ask("Sign", { KeyId, Message: message, SigningAlgorithm });
  assert.ok(isSignature(await publicKeyOf(ask, KeyId), Signature), "a signature that OpenSSL refuses");
  assert.ok((await ask("Verify", { KeyId, Message: message, Signature, SigningAlgorithm })).SignatureValid);
}

const isEcdsa = (key, signature) => crypto.verify("sha256", message, key, signature);

/** A key whose policy allows all but what a statement denies. */
async function keyDenying(ask, statement) {
  const { Arn } = await createKey(ask);
  const account = Arn.split(":")[4];
  const allow = { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "kms:*", Resource: "*" };
  const Statement = [allow, { Effect: "Deny", Principal: "*", Resource: "*", ...statement }];
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
  await ask("PutKeyPolicy", { KeyId: Arn, PolicyName: "default", Policy });
  return Arn;
}

const questions = {
  "a ciphertext opens under its encryption context only": async (ask) => {
    const { KeyId } = await createKey(ask);
    const { CiphertextBlob } = await encrypt(ask, KeyId, { EncryptionContext: context });
    await opens(ask, { CiphertextBlob, EncryptionContext: context });
    const elsewhere = ask("Decrypt", { CiphertextBlob, EncryptionContext: { purpose: "other" } });
    await refused("InvalidCiphertextException", elsewhere);
  },
  "`KeyId` of Decrypt that names another key: `IncorrectKeyException`": async (ask) => {
    const [one, other] = [await createKey(ask), await createKey(ask)];
    const { CiphertextBlob } = await encrypt(ask, one.KeyId);
    await refused("IncorrectKeyException", ask("Decrypt", { CiphertextBlob, KeyId: other.KeyId }));
  },
  "ciphertexts as long as AWS's (141 bytes more)": async (ask) => {
    const { CiphertextBlob } = await encrypt(ask, (await createKey(ask)).KeyId);
    assert.equal(CiphertextBlob.length, message.length + 141, `${CiphertextBlob.length - message.length} bytes more`);
  },
  "ReEncrypt from one context to another": async (ask) => {
    const [one, other] = [await createKey(ask), await createKey(ask)];
    const { CiphertextBlob } = await encrypt(ask, one.KeyId, { EncryptionContext: context });
    const moved = await ask("ReEncrypt", {
      CiphertextBlob,
      SourceEncryptionContext: context,
      DestinationKeyId: other.KeyId,
    });
    await opens(ask, { CiphertextBlob: moved.CiphertextBlob });
  },
  "GenerateDataKey, `AES_128` and any length": async (ask) => {
    const { KeyId } = await createKey(ask);
    const sizes = [{ KeySpec: "AES_128" }, { NumberOfBytes: 99 }].map((size) =>
      ask("GenerateDataKey", { KeyId, ...size }),
    );
    assert.deepEqual(
      (await Promise.all(sizes)).map(({ Plaintext }) => Plaintext.length),
      [16, 99],
    );
  },
  "GenerateDataKeyPair: the private half opens and fits": async (ask) => {
    const { KeyId } = await createKey(ask);
    for (const KeyPairSpec of ["RSA_2048", "ECC_NIST_P256"]) {
      const pair = await ask("GenerateDataKeyPairWithoutPlaintext", { KeyId, KeyPairSpec, EncryptionContext: context });
      const CiphertextBlob = pair.PrivateKeyCiphertextBlob;
      const { Plaintext } = await ask("Decrypt", { CiphertextBlob, EncryptionContext: context });
      assert.ok(crypto.createPublicKey(pkcs8(Plaintext)).equals(spki(pair.PublicKey)));
    }
  },
  "RSA signatures, PSS with AWS's salt": (ask) =>
    signs(ask, "RSA_2048", "RSASSA_PSS_SHA_256", (key, signature) =>
      crypto.verify("sha256", message, { key, ...pss }, signature),
    ),
  "ECDSA on P-256": (ask) => signs(ask, "ECC_NIST_P256", "ECDSA_SHA_256", isEcdsa),
  "ECDSA on secp256k1": (ask) => signs(ask, "ECC_SECG_P256K1", "ECDSA_SHA_256", isEcdsa),
  "a signature of another message: `KMSInvalidSignatureException`": async (ask) => {
    const { KeyId } = await createKey(ask, { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
    const request = { KeyId, Message: message, SigningAlgorithm: "ECDSA_SHA_256" };
    const { Signature } = await ask("Sign", request);
    const forged = ask("Verify", { ...request, Message: Buffer.from("another"), Signature });
    await refused(
      "KMSInvalidSignatureException",
      forged.then(({ SignatureValid }) => assert.ok(SignatureValid, "`SignatureValid: false`")),
    );
  },
  "signatures of digests": async (ask) => {
    const { KeyId } = await createKey(ask, { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" });
    const Message = crypto.createHash("sha256").update(message).digest();
    const signing = { KeyId, Message, MessageType: "DIGEST", SigningAlgorithm: "ECDSA_SHA_256" };
    const { Signature } = await ask("Sign", signing);
    assert.ok(crypto.verify("sha256", message, await publicKeyOf(ask, KeyId), Signature), "not of the digest");
  },
  "Ed25519 signatures": (ask) =>
    signs(ask, "ECC_NIST_EDWARDS25519", "ED25519_SHA_512", (key, signature) =>
      crypto.verify(null, message, key, signature),
    ),
  "RSAES-OAEP: opens what was encrypted outside": async (ask) => {
    const { KeyId } = await createKey(ask, { KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT" });
    const key = await publicKeyOf(ask, KeyId);
    const CiphertextBlob = crypto.publicEncrypt({ key, oaepHash: "sha256" }, message);
    await opens(ask, { KeyId, CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256" });
  },
  HMAC: async (ask) => {
    const { KeyId } = await createKey(ask, { KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
    const request = { KeyId, MacAlgorithm: "HMAC_SHA_256", Message: message };
    const { Mac } = await ask("GenerateMac", request);
    assert.equal((await ask("VerifyMac", { ...request, Mac })).MacValid, true);
    const forged = ask("VerifyMac", { ...request, Message: Buffer.from("another"), Mac });
    await refused("KMSInvalidMacException", forged);
  },
  DeriveSharedSecret: async (ask) => {
    const { KeyId } = await createKey(ask, { KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT" });
    const own = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
    const derived = await ask("DeriveSharedSecret", {
      KeyId,
      KeyAgreementAlgorithm: "ECDH",
      PublicKey: own.publicKey.export({ format: "der", type: "spki" }),
    });
    const secret = crypto.diffieHellman({ privateKey: own.privateKey, publicKey: await publicKeyOf(ask, KeyId) });
    assert.deepEqual(Buffer.from(derived.SharedSecret), secret);
  },
  "imported material, deleted and imported again": async (ask) => {
    const { KeyId } = await createKey(ask, { Origin: "EXTERNAL" });
    const material = crypto.randomBytes(32);
    await importInto(ask, KeyId, material);
    const { CiphertextBlob } = await encrypt(ask, KeyId);
    await ask("DeleteImportedKeyMaterial", { KeyId });
    await refused("KMSInvalidStateException", ask("Decrypt", { CiphertextBlob }));
    await importInto(ask, KeyId, material);
    await opens(ask, { CiphertextBlob });
  },
  "RotateKeyOnDemand: old ciphertexts open": async (ask) => {
    const { KeyId } = await createKey(ask);
    const { CiphertextBlob } = await encrypt(ask, KeyId);
    await ask("RotateKeyOnDemand", { KeyId });
    await opens(ask, { CiphertextBlob });
    assert.ok((await ask("ListKeyRotations", { KeyId })).Rotations.length > 0);
  },
  "a disabled key refuses: `DisabledException`": async (ask) => {
    const { KeyId } = await createKey(ask);
    await ask("DisableKey", { KeyId });
    await refused("DisabledException", encrypt(ask, KeyId));
  },
  "a key pending deletion refuses: `KMSInvalidStateException`": async (ask) => {
    const { KeyId } = await createKey(ask);
    await ask("ScheduleKeyDeletion", { KeyId, PendingWindowInDays: 7 });
    await refused("KMSInvalidStateException", encrypt(ask, KeyId));
  },
  "a key policy's Deny acts": async (ask) => {
    const Arn = await keyDenying(ask, { Action: "kms:Encrypt" });
    await refused("AccessDeniedException", encrypt(ask, Arn));
  },
  "a condition on the encryption context acts": async (ask) => {
    const Condition = { StringNotEquals: { "kms:EncryptionContext:purpose": "test" } };
    const Arn = await keyDenying(ask, { Action: "kms:Encrypt", Condition });
    await encrypt(ask, Arn, { EncryptionContext: context });
    await refused("AccessDeniedException", encrypt(ask, Arn, { EncryptionContext: { purpose: "other" } }));
  },
  "a grant's constraint is kept (CreateGrant, ListGrants, RevokeGrant)": async (ask) => {
    const { KeyId, Arn } = await createKey(ask);
    const GranteePrincipal = `arn:aws:iam::${Arn.split(":")[4]}:role/recorder`;
    const Constraints = { EncryptionContextSubset: context };
    const { GrantId } = await ask("CreateGrant", { KeyId, GranteePrincipal, Operations: ["Decrypt"], Constraints });
    const { Grants } = await ask("ListGrants", { KeyId });
    assert.deepEqual(
      Grants.map((grant) => [grant.GrantId, grant.Constraints]),
      [[GrantId, Constraints]],
    );
    await ask("RevokeGrant", { KeyId, GrantId });
    assert.equal((await ask("ListGrants", { KeyId })).Grants.length, 0);
  },
  "a multi-Region key's replica opens its ciphertexts": async (ask, endpoint) => {
    const { KeyId } = await createKey(ask, { MultiRegion: true });
    await ask("ReplicateKey", { KeyId, ReplicaRegion: "eu-west-1" });
    const { CiphertextBlob } = await encrypt(ask, KeyId);
    await opens(operationsOf(endpoint, { inRegion: "eu-west-1" }), { CiphertextBlob, KeyId });
  },
  DryRun: async (ask) =>
    refused("DryRunOperationException", encrypt(ask, (await createKey(ask)).KeyId, { DryRun: true })),
  "ListKeys by pages": async (ask) => {
    for (let made = 0; made < 3; made += 1) await createKey(ask);
    const { Keys, Truncated, NextMarker } = await ask("ListKeys", { Limit: 2 });
    assert.deepEqual([Keys.length, Truncated], [2, true], `${Keys.length} keys on a page of 2`);
    const next = await ask("ListKeys", { Limit: 2, Marker: NextMarker });
    assert.ok(
      next.Keys.every((key) => !Keys.some(({ KeyId }) => KeyId === key.KeyId)),
      "a key on two pages",
    );
  },
  "AWS's text for an alias that is not there": async (ask) => {
    const account = (await createKey(ask)).Arn.split(":")[4];
    const message = `Alias arn:aws:kms:${region}:${account}:alias/missing is not found.`;
    await assert.rejects(ask("DescribeKey", { KeyId: "alias/missing" }), { name: "NotFoundException", message });
  },
  "AWS managed keys by alias (`alias/aws/s3`)": async (ask) => {
    const { KeyMetadata } = await ask("DescribeKey", { KeyId: "alias/aws/s3" });
    assert.equal(KeyMetadata.KeyManager, "AWS", `KeyManager ${KeyMetadata.KeyManager}`);
  },
  "custom key stores (external): created, described": async (ask) => {
    const { CustomKeyStoreId } = await ask("CreateCustomKeyStore", {
      CustomKeyStoreName: `store-${crypto.randomUUID()}`,
      CustomKeyStoreType: "EXTERNAL_KEY_STORE",
      XksProxyUriEndpoint: "https://xks.example.com",
      XksProxyUriPath: "/kms/xks/v1",
      XksProxyConnectivity: "PUBLIC_ENDPOINT",
      XksProxyAuthenticationCredential: {
        AccessKeyId: "ABCDEFGHIJKLMNOPQRST",
        RawSecretAccessKey: "a".repeat(43),
      },
    });
    const { CustomKeyStores } = await ask("DescribeCustomKeyStores", { CustomKeyStoreId });
    assert.equal(CustomKeyStores[0].ConnectionState, "DISCONNECTED");
  },
};

/** One cell: what came instead is an error's name, or what an assertion says. */
async function answer(question, endpoint) {
  const late = new Promise((resolve) => setTimeout(resolve, 60_000, "no answer").unref());
  const asked = question(operationsOf(endpoint), endpoint).then(() => "yes", said);
  return (await Promise.race([asked, late])).replaceAll("|", "/").trim();
}

function said(error) {
  if (error.code !== "ERR_ASSERTION") return byName(error);
  if (error.actual instanceof Error) return said(error.actual);
  if (error.message.startsWith("Missing expected rejection")) return "is let through";
  return error.generatedMessage ? "another answer" : (error.message.split("\n")[0] ?? "");
}

/** A body that the SDK could not read came from no operation. */
const byName = ({ name, $metadata }) =>
  name === "SyntaxError" ? `status ${$metadata?.httpStatusCode}` : `\`${name}\``;

const servers = process.argv.slice(2).map((server) => {
  const [, name, url] = /^([^=]+)=(https?:\/\/.+)$/.exec(server) ?? [];
  if (!name) throw new Error(`not NAME=URL: ${server}`);
  return [name, url];
});
console.log(`| asked | ${servers.map(([name]) => name).join(" | ")} |\n|${"---|".repeat(servers.length + 1)}`);
for (const [title, question] of Object.entries(questions)) {
  const cells = [];
  for (const [, url] of servers) cells.push(await answer(question, url));
  console.log(`| ${title} | ${cells.join(" | ")} |`);
}
process.exit(0);
