import { readFileSync } from "node:fs";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidInputError } from "../../src/errors.js";
import { InMemoryKms, TestClock, type KmsSnapshot } from "../../src/in-memory-kms/index.js";
import { temporaryFolder, withContents } from "../support/temporary-folder.js";
import type { Send } from "./cases.js";
import { externalKey, importing } from "./conformance/import.js";
import { transports } from "./transports.js";
import { customer, day, home, makeWorld } from "./world.js";

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
  return { kms, key, primary, clock };
}

describe("a snapshot", () => {
  it("comes back from JSON as it was", () => {
    const { kms } = rich();
    const snapshot = throughJson(kms.snapshot());
    const other = new InMemoryKms();
    other.restore(snapshot);
    expect(throughJson(other.snapshot())).toEqual(snapshot);
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

describe("a data file", () => {
  let folder: string;
  let remove: () => Promise<void>;
  beforeAll(async () => ({ folder, remove } = await temporaryFolder("kms-data-")));
  afterAll(() => remove());
  const onDisk = async (path: string) => JSON.parse(await readFile(path, "utf8")) as KmsSnapshot;

  it("has what a call has changed when the call is answered, for its owner alone", async () => {
    const path = join(folder, "kms.json");
    const kms = new InMemoryKms({ defaultAccountId: customer });
    await kms.keepIn(path);
    const created = await send(kms, "CreateKey", {});
    if (!created.ok) throw new Error(created.message);
    const { KeyId } = created.output["KeyMetadata"] as { KeyId: string };
    expect((await onDisk(path)).keys).toMatchObject([{ keyId: KeyId }]);
    await Promise.all(Array.from({ length: 5 }, () => send(kms, "CreateKey", {})));
    expect((await onDisk(path)).keys).toHaveLength(6);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(kms.keepIn(path)).rejects.toThrow("path");
  });

  it("keeps material that has rotated by itself before anything is encrypted with it", async () => {
    const path = join(folder, "rotated.json");
    const clock = new TestClock();
    const kms = new InMemoryKms({ clock });
    const key = kms.createKey({ accountId: customer });
    kms.enableKeyRotation(key, 90);
    await kms.keepIn(path);
    clock.advance(91 * day);
    const encrypted = await send(kms, "Encrypt", { KeyId: key, Plaintext });
    if (!encrypted.ok) throw new Error(encrypted.message);
    const next = new InMemoryKms({ clock });
    await next.keepIn(path);
    const { CiphertextBlob } = encrypted.output;
    expect(await send(next, "Decrypt", { CiphertextBlob })).toMatchObject({ ok: true });
  });

  it("gets what a test has set up at close()", async () => {
    const path = join(folder, "set-up.json");
    const kms = new InMemoryKms();
    const file = await kms.keepIn(path);
    const key = kms.createKey();
    await file.close();
    expect((await onDisk(path)).keys).toMatchObject([{ keyId: key.split("/")[1] }]);
  });

  it("is left alone where it holds something else, and does not show in the error", async () => {
    for (const [name, text] of [
      ["other.json", '{"secret": 1}'],
      ["broken.json", '{"secret": '],
    ] as const) {
      const path = join(folder, name);
      await writeFile(path, text);
      const error = (await new InMemoryKms().keepIn(path).catch((thrown: unknown) => thrown)) as Error;
      expect(error).toBeInstanceOf(InvalidInputError);
      expect(error.message).not.toContain("secret");
      expect(await readFile(path, "utf8")).toBe(text);
    }
  });

  it("that can't be written fails the call, and gets everything once it can be", async () => {
    const nested = join(folder, "comes and goes");
    const path = join(nested, "kms.json");
    await mkdir(nested);
    const kms = new InMemoryKms({ defaultAccountId: customer });
    await kms.keepIn(path);
    await rm(nested, withContents);
    const failed = await send(kms, "CreateKey", {});
    expect(failed).toMatchObject({ ok: false, name: "KMSInternalException", status: 500 });
    await mkdir(nested);
    await send(kms, "ListKeys", {});
    expect((await onDisk(path)).keys).toHaveLength(1);
  });
});
