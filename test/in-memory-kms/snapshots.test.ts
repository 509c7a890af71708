import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { InvalidInputError } from "../../src/errors.js";
import { InMemoryKms, TestClock, type KmsSnapshot } from "../../src/in-memory-kms/index.js";
import type { Send } from "./cases.js";
import { credential, xks } from "./conformance/key-store-requests.js";
import { externalKey, importing } from "./conformance/import-requests.js";
import { transports } from "./transports.js";
import { customer, home, makeWorld } from "./world.js";

const Plaintext = Buffer.from("x");
const send = async (kms: InMemoryKms, operation: string, input: Record<string, unknown>) => {
  const accessKeyId = kms.addPrincipal({ arn: `arn:aws:iam::${customer}:root` }).accessKeyId;
  const transport = await transports["request handler of a KMSClient"]!(kms);
  return transport.send(operation, input, { region: home, accessKeyId });
};
const throughJson = (snapshot: KmsSnapshot) => JSON.parse(JSON.stringify(snapshot)) as KmsSnapshot;

/** An in-memory KMS with everything that a snapshot holds. */
function rich() {
  const { kms, key, clock, inAccount } = makeWorld();
  const primary = kms.createKey({ ...inAccount, multiRegion: true, tags: { a: "b" }, description: "d" });
  kms.replicateKey(primary, "eu-west-1");
  kms.enableKeyRotation(primary, 90);
  kms.rotateKey(primary);
  kms.createGrant(key, {
    granteePrincipal: `arn:aws:iam::${customer}:user/bob`,
    operations: ["Encrypt", "Decrypt"],
    name: "n",
    encryptionContextSubset: { a: "b" },
  });
  kms.scheduleKeyDeletion(kms.createKey(inAccount), 7);
  kms.disableKey(kms.createKey(inAccount));
  kms.createKey({ ...inAccount, keySpec: "ECC_NIST_P256", keyUsage: "SIGN_VERIFY" });
  const external = kms.keyStores.create(inAccount);
  kms.createKey({ ...inAccount, customKeyStoreId: external });
  kms.keyStores.setConnection(external, { takesMs: 1000, failsWith: "XKS_PROXY_TIMED_OUT" });
  kms.keyStores.disconnect(external);
  kms.keyStores.create({ ...inAccount, type: "AWS_CLOUDHSM" });
  return { kms, key, primary, clock };
}

describe("a snapshot", () => {
  it("comes back from JSON as it was", () => {
    const { kms, clock } = rich();
    const snapshot = throughJson(kms.snapshot());
    const other = new InMemoryKms({ clock });
    other.restore(snapshot);
    expect(throughJson(other.snapshot())).toEqual(snapshot);
  });

  it("tells the last use of each key", async () => {
    const { kms, key } = makeWorld();
    await send(kms, "Encrypt", { KeyId: key, Plaintext });
    const snapshot = throughJson(kms.snapshot());
    const other = new InMemoryKms();
    other.restore(snapshot);
    const usage = await send(other, "GetKeyLastUsage", { KeyId: key });
    expect(usage).toMatchObject({ ok: true, output: { KeyLastUsage: { Operation: "Encrypt" } } });
    const [spoilt] = snapshot.keys;
    Object.assign(spoilt!.lastUsage!, { operation: "DescribeKey" });
    expect(() => other.restore(snapshot)).toThrow("snapshot.keys[0].lastUsage.operation: must be one of");
  });

  it("has custom key stores, how far their connections are, and their keys, without a proxy's secret", async () => {
    const { kms, clock, inAccount } = makeWorld();
    const store = kms.keyStores.create(inAccount);
    const KeyId = kms.createKey({ ...inAccount, customKeyStoreId: store });
    const encrypted = await send(kms, "Encrypt", { KeyId, Plaintext });
    if (!encrypted.ok) throw new Error(encrypted.message);
    kms.keyStores.disconnect(store);
    kms.keyStores.setConnection(store, { takesMs: 1000 });
    kms.keyStores.connect(store);
    await send(kms, "DescribeKey", { KeyId: "alias/aws/s3" });
    const snapshot = throughJson(kms.snapshot());
    const other = new InMemoryKms({ clock });
    other.restore(snapshot);
    expect(throughJson(other.snapshot())).toEqual(snapshot);
    const { CiphertextBlob } = encrypted.output;
    const decrypt = () => send(other, "Decrypt", { CiphertextBlob });
    expect(await decrypt()).toMatchObject({ ok: false, message: `${KeyId} is unavailable.` });
    clock.advance(1000);
    expect(await decrypt()).toMatchObject({ ok: true });
    await send(kms, "CreateCustomKeyStore", { ...xks, CustomKeyStoreName: "by a call" });
    expect(JSON.stringify(kms.snapshot())).toContain(credential.AccessKeyId);
    expect(JSON.stringify(kms.snapshot())).not.toContain(credential.RawSecretAccessKey);
  });

  it("has the secrets of keys that sign and make codes, their replicas' and imported ones", async () => {
    const { kms, inAccount } = makeWorld();
    const succeed: Send = async (operation, input) => {
      const result = await send(kms, operation, input);
      if (!result.ok) throw new Error(`${operation}: ${result.name}`);
      return result.output;
    };
    const signing = kms.createKey({
      ...inAccount,
      keySpec: "ECC_NIST_P256",
      keyUsage: "SIGN_VERIFY",
      multiRegion: true,
    });
    const unused = kms.createKey({ ...inAccount, keySpec: "RSA_4096", keyUsage: "SIGN_VERIFY" });
    kms.replicateKey(signing, "eu-west-1");
    const request = { KeyId: signing, Message: Plaintext, SigningAlgorithm: "ECDSA_SHA_256" };
    const { Signature } = await succeed("Sign", request);
    const hmac = { KeyId: kms.createKey({ ...inAccount, keySpec: "HMAC_256", keyUsage: "GENERATE_VERIFY_MAC" }) };
    const message = { ...hmac, Message: Plaintext, MacAlgorithm: "HMAC_SHA_256" };
    const { Mac } = await succeed("GenerateMac", message);
    const external = await externalKey(succeed);
    await succeed("ImportKeyMaterial", await importing(succeed, external));
    const { CiphertextBlob } = await succeed("Encrypt", { KeyId: external, Plaintext });
    const withdrawn = await externalKey(succeed, "HMAC_256", "GENERATE_VERIFY_MAC");
    await succeed("ImportKeyMaterial", await importing(succeed, withdrawn, { material: Buffer.alloc(32, 1) }));
    await succeed("DeleteImportedKeyMaterial", { KeyId: withdrawn });

    const snapshot = throughJson(kms.snapshot());
    const other = new InMemoryKms({ clock: new TestClock() });
    other.restore(snapshot);
    expect(throughJson(other.snapshot())).toEqual(snapshot);
    expect(snapshot.keys.find(({ keyId }) => unused.endsWith(keyId))?.material).toEqual({ kind: "secret" });
    for (const [operation, input] of [
      ["Verify", { ...request, Signature }],
      ["VerifyMac", { ...message, Mac }],
      ["Decrypt", { CiphertextBlob }],
    ] as const)
      expect(await send(other, operation, input)).toMatchObject({ ok: true });
    const again = async (operation: string, input: Record<string, unknown>) => {
      const result = await send(other, operation, input);
      if (!result.ok) throw new Error(result.name);
      return result.output;
    };
    expect(await send(other, "GenerateMac", { ...message, KeyId: withdrawn })).toMatchObject({
      name: "KMSInvalidStateException",
    });
    const foreign = await importing(again, withdrawn, { material: Buffer.alloc(32, 2) });
    expect(await send(other, "ImportKeyMaterial", foreign)).toMatchObject({ name: "IncorrectKeyMaterialException" });
  });

  it("is what another in-memory KMS opens ciphertexts with, of old material too, and in other Regions", async () => {
    const { kms, primary } = rich();
    const encrypted = await send(kms, "Encrypt", { KeyId: primary, Plaintext });
    if (!encrypted.ok) throw new Error(encrypted.message);
    kms.rotateKey({ keyId: primary });
    const other = new InMemoryKms({ clock: new TestClock() });
    other.restore(throughJson(kms.snapshot()));
    const { CiphertextBlob } = encrypted.output;
    expect(await send(other, "Decrypt", { CiphertextBlob })).toMatchObject({ ok: true });
    other.rotateKey(primary); // replicas share it afterwards as before
    const [first, second] = other.snapshot().keys.filter(({ multiRegion }) => multiRegion !== undefined);
    expect([first!.material?.kind, second!.material]).toEqual(["symmetric", { kind: "shared", with: primary }]);
  });

  it("has the secrets of HMAC keys and the private keys of asymmetric ones, also of replicas", async () => {
    const { kms, inAccount } = makeWorld();
    const mac = kms.createKey({ ...inAccount, keySpec: "HMAC_256", keyUsage: "GENERATE_VERIFY_MAC" });
    const signing = kms.createKey({
      ...inAccount,
      keySpec: "ECC_NIST_P256",
      keyUsage: "SIGN_VERIFY",
      multiRegion: true,
    });
    const replica = kms.replicateKey(signing, "eu-west-1");
    const Message = Buffer.from("m");
    const output = async (operation: string, input: Record<string, unknown>) => {
      const result = await send(kms, operation, input);
      if (!result.ok) throw new Error(result.message);
      return result.output;
    };
    const { Mac } = await output("GenerateMac", { KeyId: mac, Message, MacAlgorithm: "HMAC_SHA_256" });
    const { Signature } = await output("Sign", { KeyId: signing, Message, SigningAlgorithm: "ECDSA_SHA_256" });
    const other = new InMemoryKms();
    other.restore(throughJson(kms.snapshot()));
    const verify = { KeyId: signing, Message, Signature, SigningAlgorithm: "ECDSA_SHA_256" };
    expect(await send(other, "Verify", verify)).toMatchObject({ ok: true });
    const verifyMac = { KeyId: mac, Message, Mac, MacAlgorithm: "HMAC_SHA_256" };
    expect(await send(other, "VerifyMac", verifyMac)).toMatchObject({ ok: true });
    expect(other.snapshot().keys.find(({ region }) => region === "eu-west-1")).toMatchObject({
      keyId: replica.split("/")[1],
      material: { kind: "shared", with: signing },
    });
  });

  it.each<[string, unknown]>([
    ["snapshot.version", 2],
    ["snapshot.kyes", []],
    ["snapshot.keys", {}],
    ["snapshot.keys[0].keyId", "x"],
    ["snapshot.keys[0].policy", "{"],
    ["snapshot.keys[0].spec", "AES"],
    ["snapshot.keys[0].enabled", "yes"],
    ["snapshot.keys[0].createdAt", null],
    ["snapshot.keys[0].tags", []],
    ["snapshot.keys[0].material.kind", "hsm"],
    ["snapshot.keys[0].material.versions[0].secret", "AA=="],
    ["snapshot.keys[0].material.versions", []],
    ["snapshot.keys[0].grants[0].operations[0]", "Fly"],
    ["snapshot.keys[1].material.automatic.periodInDays", 0],
    ["snapshot.keys[2].material.with", "nobody"],
    ["snapshot.aliases[0].name", "recordings"],
    ["snapshot.keys[0].manager", "CUSTOMER"],
    ["snapshot.keys[6].keyStoreId", "cks-00000000000000000"],
    ["snapshot.keyStores[0].id", "cks-1"],
    ["snapshot.keyStores[0].accountId", "1"],
    ["snapshot.keyStores[0].settings.type", "HSM"],
    ["snapshot.keyStores[0].settings.connectivity", "WIRE"],
    ["snapshot.keyStores[0].connection.state", "BROKEN"],
    ["snapshot.keyStores[0].plan.failsWith", "USER_NOT_FOUND"],
    ["snapshot.keyStores[0].plan.takesMs", -1],
  ])("is refused by the place of what is wrong with it: %s", (field, wrong) => {
    const { kms } = rich();
    const before = kms.snapshot();
    const spoilt = throughJson(before);
    const names = field.match(/\w+/g)!.slice(1);
    const last = names.pop()!;
    const holder = names.reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], spoilt);
    (holder as Record<string, unknown>)[last] = wrong;
    expect(() => kms.restore(spoilt)).toThrow(expect.objectContaining({ constructor: InvalidInputError, field }));
    expect(kms.snapshot()).toEqual(before);
  });

  it.each([[{}], [undefined], ["{}"], [[]]])("is no snapshot: %o", (other) => {
    expect(() => new InMemoryKms().restore(other as never)).toThrow("snapshot: must be what snapshot()");
  });

  it("of an earlier version opens that version's ciphertexts", async () => {
    const fixture = JSON.parse(readFileSync("test/in-memory-kms/kept-2026.json", "utf8")) as {
      snapshot: KmsSnapshot;
      ciphertexts: { blob: string; encryptionContext: Record<string, string>; plaintext: string }[];
    };
    const kms = new InMemoryKms({ clock: new TestClock(Date.UTC(2027, 10, 30)) });
    kms.restore(fixture.snapshot);
    expect(fixture.ciphertexts).toHaveLength(3);
    for (const { blob, encryptionContext, plaintext } of fixture.ciphertexts) {
      const CiphertextBlob = Buffer.from(blob, "base64");
      const opened = await send(kms, "Decrypt", { CiphertextBlob, EncryptionContext: encryptionContext });
      expect(opened).toMatchObject({ ok: true, output: { Plaintext: new Uint8Array(Buffer.from(plaintext)) } });
    }
  });
});
