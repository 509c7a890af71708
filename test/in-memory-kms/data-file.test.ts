import { mkdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidInputError } from "../../src/errors.js";
import { InMemoryKms, TestClock, type KmsSnapshot } from "../../src/in-memory-kms/index.js";
import { temporaryFolder, withContents } from "../support/temporary-folder.js";
import { transports } from "./transports.js";
import { customer, day, home } from "./world.js";

const Plaintext = Buffer.from("x");
const send = async (kms: InMemoryKms, operation: string, input: Record<string, unknown>) => {
  const accessKeyId = kms.addPrincipal({ arn: `arn:aws:iam::${customer}:root` }).accessKeyId;
  const transport = await transports["request handler of a KMSClient"]!(kms);
  return transport.send(operation, input, { region: home, accessKeyId });
};

describe("a data file", () => {
  let folder: string;
  let remove: () => Promise<void>;
  beforeAll(async () => ({ folder, remove } = await temporaryFolder("kms-data-")));
  afterAll(() => remove());
  const output = async (...call: Parameters<typeof send>) => {
    const result = await send(...call);
    if (!result.ok) throw new Error(`${call[1]}: ${result.name}`);
    return result.output;
  };
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

  it("is written only for calls that change something, and gets the last uses of keys with the next or at close()", async () => {
    const path = join(folder, "quiet.json");
    const kms = new InMemoryKms({ defaultAccountId: customer });
    const KeyId = kms.createKey();
    const file = await kms.keepIn(path);
    const mark = async () => {
      await utimes(path, 1, 1);
      return async () => (await stat(path)).mtimeMs !== 1000;
    };
    let written = await mark();
    const { CiphertextBlob } = await output(kms, "Encrypt", { KeyId, Plaintext });
    await output(kms, "Decrypt", { CiphertextBlob });
    await output(kms, "GenerateDataKey", { KeyId, KeySpec: "AES_256" });
    await output(kms, "ListKeys", {});
    expect(await written()).toBe(false);
    expect((await onDisk(path)).keys[0]).not.toHaveProperty("lastUsage");
    await output(kms, "DisableKey", { KeyId });
    expect(await written()).toBe(true);
    expect((await onDisk(path)).keys).toMatchObject([{ enabled: false, lastUsage: { operation: "GenerateDataKey" } }]);
    await output(kms, "EnableKey", { KeyId });
    written = await mark();
    await output(kms, "Encrypt", { KeyId, Plaintext });
    expect(await written()).toBe(false);
    await file.close();
    expect((await onDisk(path)).keys).toMatchObject([{ lastUsage: { operation: "Encrypt" } }]);
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    [
      "Sign",
      { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" },
      { Message: Plaintext, SigningAlgorithm: "ECDSA_SHA_256" },
    ],
    ["GetPublicKey", { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" }, {}],
  ])("has the pair that %s is the first to need", async (operation, spec, input) => {
    const path = join(folder, `${operation}.json`);
    const kms = new InMemoryKms({ defaultAccountId: customer });
    await kms.keepIn(path);
    const { KeyMetadata } = await output(kms, "CreateKey", spec);
    const { KeyId } = KeyMetadata as { KeyId: string };
    expect((await onDisk(path)).keys[0]?.material).toEqual({ kind: "secret" });
    await output(kms, operation, { KeyId, ...input });
    expect((await onDisk(path)).keys[0]?.material).toHaveProperty("bytes");
  });
});
