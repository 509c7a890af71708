import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidInputError } from "../../src/errors.js";
import { InMemoryKms, readKmsSeed, type KmsSeed } from "../../src/in-memory-kms/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { transports } from "./transports.js";
import { customer, home } from "./world.js";

const material = Buffer.alloc(32, 7).toString("base64");
const keyId = "1234abcd-12ab-34cd-56ef-1234567890ab";
const keyArn = `arn:aws:kms:${home}:${customer}:key/${keyId}`;
const Plaintext = Buffer.from("x");

async function ask(kms: InMemoryKms, operation: string, input: Record<string, unknown>, accessKeyId = "AKIAANYONE") {
  const transport = await transports["request handler of a KMSClient"]!(kms);
  const result = await transport.send(operation, input, { region: home, accessKeyId });
  if (!result.ok) throw new Error(`${result.name}: ${result.message ?? ""}`);
  return result.output;
}

describe("a key with a fixed id and material", () => {
  const options = { accountId: customer, keyId, material, alias: "alias/recordings" };

  it("opens what another in-memory KMS with that key has encrypted", async () => {
    const [one, other] = [1, 2].map(() => new InMemoryKms({ defaultAccountId: customer })) as [
      InMemoryKms,
      InMemoryKms,
    ];
    expect([one, other].map((kms) => kms.createKey(options))).toEqual([keyArn, keyArn]);
    const { CiphertextBlob } = await ask(one, "Encrypt", { KeyId: "alias/recordings", Plaintext });
    expect(await ask(other, "Decrypt", { CiphertextBlob })).toMatchObject({ Plaintext: new Uint8Array(Plaintext) });
  });

  it("has older material too, from a list", async () => {
    const before = new InMemoryKms({ defaultAccountId: customer });
    before.createKey(options);
    const { CiphertextBlob } = await ask(before, "Encrypt", { KeyId: keyId, Plaintext });
    const after = new InMemoryKms({ defaultAccountId: customer });
    after.createKey({ ...options, material: [material, Buffer.alloc(32, 8).toString("base64")] });
    const old = await ask(after, "Decrypt", { CiphertextBlob });
    const { Rotations } = await ask(after, "ListKeyRotations", { KeyId: keyId });
    const { KeyMetadata } = await ask(after, "DescribeKey", { KeyId: keyId });
    expect(Rotations).toHaveLength(1);
    expect((KeyMetadata as { CurrentKeyMaterialId: string }).CurrentKeyMaterialId).not.toBe(old["KeyMaterialId"]);
  });

  it.each<[string, object, string]>([
    ["keyId", { keyId: "key-1" }, "must match"],
    ["keyId", { keyId: `mrk-${"0".repeat(32)}` }, "mrk-"],
    ["keyId", { multiRegion: true }, "mrk-"],
    ["material", { material: "secret" }, "must be base64"],
    ["material", { material: "c2VjcmV0" }, "must be 32 bytes"],
    ["material[1]", { material: [material, "c2VjcmV0"] }, "must be 32 bytes"],
    ["material", { material: [] }, "at least 1"],
    ["material", { keySpec: "HMAC_256", keyUsage: "GENERATE_VERIFY_MAC" }, "symmetric"],
  ])("is refused for its %s: %o", (field, wrong, rule) => {
    const kms = new InMemoryKms();
    const mistake = () => kms.createKey({ ...options, ...wrong });
    expect(mistake).toThrow(expect.objectContaining({ field, rule: expect.stringContaining(rule) as string }));
    expect(mistake).not.toThrow(/secret|c2VjcmV0/);
    expect(kms.snapshot().keys).toEqual([]);
  });

  it("is refused where its id is taken", () => {
    const kms = new InMemoryKms();
    kms.createKey(options);
    expect(() => kms.createKey({ ...options, alias: "alias/other" })).toThrow("keyId: is taken");
  });
});

const seed: KmsSeed = {
  principals: [
    { accessKeyId: "AKIARECORDER", arn: "arn:aws:iam::444455556666:role/recorder", identityPolicy: "administrator" },
  ],
  accounts: [
    {
      accountId: customer,
      region: home,
      keys: [
        {
          keyId,
          material,
          description: "recordings",
          aliases: ["alias/recordings", "alias/second"],
          tags: { team: "voice" },
          grants: [{ granteePrincipal: "arn:aws:iam::444455556666:role/recorder", operations: ["Decrypt"] }],
          rotationPeriodInDays: 90,
        },
        {
          keyId: `mrk-${"0".repeat(32)}`,
          multiRegion: true,
          replicas: [{ region: "eu-west-1", aliases: ["alias/replica"] }],
          enabled: false,
        },
      ],
    },
  ],
};

describe("a seed", () => {
  let folder: string;
  let remove: () => Promise<void>;
  beforeAll(async () => ({ folder, remove } = await temporaryFolder("seed-")));
  afterAll(() => remove());

  it("makes accounts, keys, aliases, grants, replicas and callers", async () => {
    const kms = new InMemoryKms({ seed });
    const { keys, aliases } = kms.snapshot();
    expect(keys).toMatchObject([
      { keyId, accountId: customer, description: "recordings", tags: { team: "voice" }, enabled: true },
      { multiRegion: "PRIMARY", enabled: false },
      { multiRegion: "REPLICA", region: "eu-west-1" },
    ]);
    expect(aliases.map(({ name }) => name)).toEqual(["alias/recordings", "alias/second", "alias/replica"]);
    const admin = kms.addPrincipal({ arn: `arn:aws:iam::${customer}:root` }).accessKeyId;
    const { CiphertextBlob } = await ask(kms, "Encrypt", { KeyId: "alias/second", Plaintext }, admin);
    await ask(kms, "Decrypt", { CiphertextBlob }, "AKIARECORDER"); // by the grant
    await expect(ask(kms, "Encrypt", { KeyId: keyArn, Plaintext }, "AKIARECORDER")).rejects.toThrow("not authorized");
  });

  it("makes custom key stores and keys in them, which reset() brings back as they were", async () => {
    const id = "cks-0123456789abcdef0";
    const account = { accountId: customer, keyStores: [{ id, name: "ours" }], keys: [{ keyId, customKeyStoreId: id }] };
    const kms = new InMemoryKms({ seed: { accounts: [account] }, defaultAccountId: customer });
    const described = () => ask(kms, "DescribeKey", { KeyId: keyId });
    const KeyMetadata = { KeyState: "Enabled", CustomKeyStoreId: id, Origin: "EXTERNAL_KEY_STORE" };
    expect(await described()).toMatchObject({ KeyMetadata });
    await ask(kms, "DisconnectCustomKeyStore", { CustomKeyStoreId: id });
    expect(await described()).toMatchObject({ KeyMetadata: { KeyState: "Unavailable" } });
    kms.reset();
    expect(await described()).toMatchObject({ KeyMetadata });
  });

  it("is what reset() goes back to", async () => {
    const kms = new InMemoryKms({ seed });
    const before = kms.snapshot();
    kms.createKey();
    kms.deleteAlias("alias/second");
    kms.addPrincipal({ accessKeyId: "AKIARECORDER", arn: "arn:aws:iam::999999999999:role/other" });
    kms.faults.outage();
    kms.reset();
    expect(kms.snapshot()).toEqual(before);
    expect(kms.faults.active()).toEqual([]);
    await ask(kms, "ListKeys", {}, "AKIARECORDER");
    expect(kms.journal.calls()).toMatchObject([{ principal: "arn:aws:iam::444455556666:role/recorder" }]);
  });

  it("is read from JSON and from YAML", async () => {
    const json = join(folder, "seed.json");
    await writeFile(json, JSON.stringify(seed));
    const yaml = join(folder, "seed.yaml");
    await writeFile(
      yaml,
      `accounts:
  - accountId: "${customer}"
    keys:
      - keyId: ${keyId}
        material: ${material}
        aliases: [alias/recordings]
        policy:
          Version: "2012-10-17"
          Statement: { Effect: Allow, Principal: "*", Action: "kms:*", Resource: "*" }
`,
    );
    expect(await readKmsSeed(json)).toEqual(seed);
    const kms = new InMemoryKms({ seed: await readKmsSeed(yaml) });
    expect(kms.snapshot().keys).toMatchObject([{ keyId, policy: expect.stringContaining('"kms:*"') as string }]);
  });

  it("is refused without quoting it where it can't be parsed", async () => {
    for (const [name, form] of [
      ["broken.json", "JSON"],
      ["broken.yaml", "YAML"],
    ] as const) {
      await writeFile(join(folder, name), `{"material": "${material}`);
      const error = (await readKmsSeed(join(folder, name)).catch((thrown: unknown) => thrown)) as Error;
      expect(error.message).toBe(`seed: must be ${form}`);
    }
    await writeFile(join(folder, "list.json"), "[]");
    await expect(readKmsSeed(join(folder, "list.json"))).rejects.toThrow("seed: must be an object");
  });

  it.each<[string, unknown]>([
    ["seed.acounts", { acounts: [] }],
    ["seed.accounts", { accounts: {} }],
    ["seed.accounts[0].accountId", { accounts: [{ keys: [] }] }],
    ["seed.accounts[0].kesy", { accounts: [{ accountId: customer, kesy: [] }] }],
    ["seed.accounts[0].keyStores[0].nmae", { accounts: [{ accountId: customer, keyStores: [{ nmae: "x" }] }] }],
    ["seed.accounts[0].keyStores[0].id", { accounts: [{ accountId: customer, keyStores: [{ id: "cks-1" }] }] }],
    [
      "seed.accounts[0].keys[0].customKeyStoreId",
      { accounts: [{ accountId: customer, keys: [{ customKeyStoreId: "cks-0123456789abcdef0" }] }] },
    ],
    ["seed.accounts[0].keys[1].polcy", { accounts: [{ accountId: customer, keys: [{}, { polcy: {} }] }] }],
    ["seed.accounts[0].keys[0].material", { accounts: [{ accountId: customer, keys: [{ material: "AA==" }] }] }],
    ["seed.accounts[0].keys[0].aliases[0]", { accounts: [{ accountId: customer, keys: [{ aliases: ["x"] }] }] }],
    [
      "seed.accounts[0].keys[0].grants[0].operation",
      { accounts: [{ accountId: customer, keys: [{ grants: [{ operation: [] }] }] }] },
    ],
    [
      "seed.accounts[0].keys[0].replicas[0]",
      { accounts: [{ accountId: customer, keys: [{ replicas: [{ region: "eu-west-1" }] }] }] },
    ],
    ["seed.accounts[0].keys[0].enabled", { accounts: [{ accountId: customer, keys: [{ enabled: 1 }] }] }],
    ["seed.accounts[0].keys[0]", { accounts: [{ accountId: customer, keys: [{ policy: "{" }] }] }],
    ["seed.principals[0].identityPolcy", { principals: [{ arn: `arn:aws:iam::${customer}:root`, identityPolcy: 1 }] }],
    ["seed.principals[0]", { principals: [{ arn: "alice" }] }],
  ])("names the place of a mistake: %s", (field, wrong) => {
    expect(() => new InMemoryKms({ seed: wrong as KmsSeed })).toThrow(
      expect.objectContaining({ constructor: InvalidInputError, field }),
    );
  });
});
