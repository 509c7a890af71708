import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyPairCommand,
  KMSClient,
  ListKeysCommand,
} from "@aws-sdk/client-kms";
import { HttpResponse } from "@smithy/protocol-http";
import { mockClient } from "aws-sdk-client-mock";
import fc from "fast-check";
import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { InMemoryKms, installInMemoryKms, TestClock } from "../../src/testing/index.js";
import { canonicalContext, openCiphertext } from "../../src/in-memory-kms/ciphertext.js";
import { day, home, makeWorld } from "./world.js";

const Plaintext = Buffer.from("x");

describe("ciphertexts", () => {
  const contexts = fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), { maxKeys: 4 });

  it("no two contexts share an encoding, and order does not matter", () => {
    const sorted = (context: Record<string, string>) =>
      JSON.stringify(Object.entries(context).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    fc.assert(
      fc.property(contexts, contexts, (a, b) => {
        expect(canonicalContext(a).equals(canonicalContext(b))).toBe(sorted(a) === sorted(b));
        expect(canonicalContext(Object.fromEntries(Object.entries(a).reverse()))).toEqual(canonicalContext(a));
      }),
    );
  });

  it("every plaintext comes back under its context, and no changed byte is accepted", async () => {
    const { kms, key, callers } = makeWorld();
    const client = new KMSClient({ ...kms.clientConfig(home, { accessKeyId: callers.alice }), maxAttempts: 1 });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 4096 }),
        contexts,
        fc.nat(),
        async (bytes, EncryptionContext, position) => {
          const { CiphertextBlob = new Uint8Array() } = await client.send(
            new EncryptCommand({ KeyId: key, Plaintext: bytes, EncryptionContext }),
          );
          const opened = await client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }));
          expect(Buffer.from(opened.Plaintext ?? [])).toEqual(Buffer.from(bytes));
          const damaged = Uint8Array.from(CiphertextBlob);
          damaged[position % damaged.length] = (damaged[position % damaged.length] ?? 0) ^ 1;
          await expect(
            client.send(new DecryptCommand({ CiphertextBlob: damaged, EncryptionContext })),
          ).rejects.toMatchObject({ name: "InvalidCiphertextException" });
        },
      ),
      { numRuns: 50 },
    );
  });

  it("opens those of earlier versions, which had no zeros in them", () => {
    const material = { id: "11".repeat(32), secret: createSecretKey(Buffer.alloc(32, 7)) };
    const blob = Buffer.from(
      `01020200${"11".repeat(32)}` +
        "8cff853a0909090909090909090909094ce0f4e09e91b241c142ad519e9ed6adb14056fba74f321ec3f3320cc13b885f90",
      "hex",
    );
    expect(openCiphertext(material, blob, { a: "b" }).toString()).toBe("kept as a fixture");
  });

  it("another in-memory KMS can't decrypt them", async () => {
    const [one, other] = [new InMemoryKms(), new InMemoryKms()];
    const { CiphertextBlob } = await new KMSClient(one.clientConfig(home)).send(
      new EncryptCommand({ KeyId: one.createKey(), Plaintext }),
    );
    await expect(
      new KMSClient(other.clientConfig(home)).send(new DecryptCommand({ CiphertextBlob })),
    ).rejects.toMatchObject({ name: "AccessDeniedException" });
  });
});

const mlKemSpecs = ["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"];
const nodeMakesMlKem = (() => {
  try {
    generateKeyPairSync("ml-kem-512" as "x25519");
    return true;
  } catch {
    return false;
  }
})();

const pairs: [spec: string, type: string | undefined, details: object, region?: string][] = [
  ["RSA_2048", "rsa", { modulusLength: 2048, publicExponent: 65537n }],
  ["RSA_3072", "rsa", { modulusLength: 3072 }],
  ["ECC_NIST_P256", "ec", { namedCurve: "prime256v1" }],
  ["ECC_NIST_P384", "ec", { namedCurve: "secp384r1" }],
  ["ECC_NIST_P521", "ec", { namedCurve: "secp521r1" }],
  ["ECC_SECG_P256K1", "ec", { namedCurve: "secp256k1" }],
  ["ECC_NIST_EDWARDS25519", "ed25519", {}],
  ["SM2", undefined, {}, "cn-north-1"],
  ...(nodeMakesMlKem
    ? mlKemSpecs.map((spec): [string, string, object] => [spec, spec.toLowerCase().replaceAll("_", "-"), {}])
    : []),
];

it.each(nodeMakesMlKem ? [] : mlKemSpecs)(
  "data key pairs of %s are refused where Node cannot make them",
  async (KeyPairSpec) => {
    const kms = new InMemoryKms();
    const call = new GenerateDataKeyPairCommand({ KeyId: kms.createKey(), KeyPairSpec: KeyPairSpec as "RSA_2048" });
    await expect(new KMSClient(kms.clientConfig(home)).send(call)).rejects.toMatchObject({
      name: "UnsupportedOperationException",
      message: `This version of Node cannot make key pairs of spec ${KeyPairSpec}.`,
    });
  },
);

it.each(pairs)(
  "data key pairs of %s are real, and their private half decrypts to itself",
  async (KeyPairSpec, type, details, region = home) => {
    const kms = new InMemoryKms();
    const client = new KMSClient(kms.clientConfig(region));
    const pair = await client.send(
      new GenerateDataKeyPairCommand({ KeyId: kms.createKey({ region }), KeyPairSpec: KeyPairSpec as "RSA_2048" }),
    );
    const privateKey = createPrivateKey({
      key: Buffer.from(pair.PrivateKeyPlaintext ?? []),
      format: "der",
      type: "pkcs8",
    });
    const publicKey = createPublicKey({ key: Buffer.from(pair.PublicKey ?? []), format: "der", type: "spki" });
    expect(createPublicKey(privateKey).equals(publicKey)).toBe(true);
    expect(publicKey).toMatchObject({ asymmetricKeyType: type, asymmetricKeyDetails: details });
    // Node names no type for SM2 keys that it imports: the curve's object identifier, 1.2.156.10197.1.301, does.
    if (KeyPairSpec === "SM2")
      expect(Buffer.from(pair.PublicKey ?? []).includes(Buffer.from("06082a811ccf5501822d", "hex"))).toBe(true);
    const { Plaintext: opened } = await client.send(
      new DecryptCommand({ CiphertextBlob: pair.PrivateKeyCiphertextBlob }),
    );
    expect(opened).toEqual(pair.PrivateKeyPlaintext);
  },
);

describe("snapshots", () => {
  it("restore keys, aliases, states, material and replicas, as often as wanted", async () => {
    const { clock, kms, key, aliasArn, inAccount, callers } = makeWorld();
    const primary = kms.createKey({ ...inAccount, multiRegion: true });
    kms.replicateKey(primary, "eu-west-1");
    const client = new KMSClient(kms.clientConfig(home, { accessKeyId: callers.alice }));
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: aliasArn, Plaintext }));
    const snapshot = kms.snapshot();
    for (let round = 0; round < 2; round += 1) {
      kms.deleteAlias(aliasArn);
      kms.scheduleKeyDeletion(key, 7);
      kms.rotateKey(primary);
      clock.advance(8 * day);
      await expect(client.send(new DecryptCommand({ CiphertextBlob }))).rejects.toMatchObject({
        name: "AccessDeniedException",
      });
      kms.restore(snapshot);
      await client.send(new DecryptCommand({ CiphertextBlob, KeyId: aliasArn }));
      const { CiphertextBlob: blob } = await client.send(new EncryptCommand({ KeyId: primary, Plaintext }));
      kms.rotateKey(primary);
      await new KMSClient(kms.clientConfig("eu-west-1", { accessKeyId: callers.alice })).send(
        new DecryptCommand({ CiphertextBlob: blob }),
      );
    }
  });
});

describe("time", () => {
  it("deletion follows the clock, and Date real time", async () => {
    const clock = new TestClock(Date.UTC(2030, 0, 1));
    const kms = new InMemoryKms({ clock });
    const before = Math.floor(Date.now() / 1_000) * 1_000; // the header has whole seconds
    const { response } = await kms.requestHandler.handle({ method: "POST", headers: {} });
    expect(HttpResponse.isInstance(response)).toBe(true);
    const date = Date.parse(response.headers["date"] ?? "");
    expect(before <= date && date <= Date.now()).toBe(true);
  });

  it("a test clock moves only when a test moves it", () => {
    const clock = new TestClock(1_000);
    clock.advance(500);
    expect([clock.now(), clock.monotonic()]).toEqual([1_500, 500]);
    clock.set(new Date(0));
    expect([clock.now(), clock.monotonic()]).toEqual([0, 500]);
    for (const bad of [-1, Number.NaN]) expect(() => clock.advance(bad)).toThrow(RangeError);
    expect(() => clock.set(Number.POSITIVE_INFINITY)).toThrow(RangeError);
  });
});

describe("aws-sdk-client-mock", () => {
  it("serves clients without Region or credentials, own behaviour, and callbacks", async () => {
    const mock = mockClient(KMSClient);
    try {
      const kms = new InMemoryKms();
      const KeyId = kms.createKey();
      mock.on(DecryptCommand).rejects(new Error("mine"));
      installInMemoryKms(mock, kms);
      const client = new KMSClient({ region: "us-east-1" });
      await expect(client.send(new EncryptCommand({ KeyId, Plaintext }))).resolves.toMatchObject({ KeyId });
      await expect(client.send(new DecryptCommand({ CiphertextBlob: Plaintext }))).rejects.toThrow("mine");
      const called = await new Promise((resolve) =>
        client.send(new EncryptCommand({ KeyId, Plaintext }), (_error, output) => resolve(output)),
      );
      expect(called).toMatchObject({ KeyId });
      installInMemoryKms(mock, kms, {
        accessKeyId: kms.addPrincipal({ arn: "arn:aws:iam::999999999999:user/x" }).accessKeyId,
      });
      await expect(client.send(new EncryptCommand({ KeyId, Plaintext }))).rejects.toMatchObject({
        name: "AccessDeniedException",
      });
    } finally {
      mock.restore();
    }
  });
});

describe("production", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("is refused unless it is allowed", () => {
    vi.stubEnv("NODE_ENV", "production");
    expect(() => new InMemoryKms()).toThrow(/allowInProduction/);
    expect(new InMemoryKms({ allowInProduction: true }).createKey()).toMatch(/^arn:/);
  });
});

it("an endpoint can be closed twice, and has the Regions that were given", async () => {
  const kms = new InMemoryKms({ regions: ["eu-west-1"] });
  const endpoint = await kms.listen();
  const list = async (region: string) => {
    const client = new KMSClient({
      region,
      endpoint: endpoint.url,
      credentials: { accessKeyId: "A", secretAccessKey: "x" },
    });
    return client.send(new ListKeysCommand({})).finally(() => client.destroy());
  };
  await expect(list("eu-west-1")).resolves.toMatchObject({ Keys: [] });
  await expect(list("eu-west-2")).rejects.toMatchObject({ name: "InvalidSignatureException" });
  await Promise.all([endpoint.close(), endpoint.close()]);
  await endpoint.close();
});

it("accounts are in the partition of their Region", async () => {
  const kms = new InMemoryKms();
  for (const [region, partition] of Object.entries({
    "us-east-1": "aws",
    "eu-west-1": "aws",
    "cn-north-1": "aws-cn",
    "us-gov-west-1": "aws-us-gov",
    "us-iso-east-1": "aws-iso",
    "us-isob-east-1": "aws-iso-b",
    "eu-isoe-west-1": "aws-iso-e",
    "us-isof-south-1": "aws-iso-f",
    "eusc-de-east-1": "aws-eusc",
  })) {
    const KeyId = kms.createKey({ region, alias: "alias/x", multiRegion: true });
    expect(KeyId.split(":").slice(0, 4)).toEqual(["arn", partition, "kms", region]);
    expect(kms.getKeyPolicy(KeyId)).toContain(`arn:${partition}:iam::000000000000:root`);
    const client = new KMSClient(kms.clientConfig(region));
    const { CiphertextBlob } = await client.send(
      new EncryptCommand({ KeyId: KeyId.replace(/key\/.*/, "alias/x"), Plaintext }),
    );
    await expect(client.send(new DecryptCommand({ CiphertextBlob, KeyId }))).resolves.toMatchObject({ KeyId });
    const other = region.replace(/\d$/, "2");
    expect(kms.replicateKey(KeyId, other)).toBe(KeyId.replace(region, other));
  }
});

it("replicas are made in the Regions that were given only", () => {
  const kms = new InMemoryKms({ regions: ["us-east-1", "test-region-1"] });
  const primary = kms.createKey({ multiRegion: true });
  expect(kms.replicateKey(primary, "test-region-1")).toContain(":test-region-1:");
  expect(() => kms.replicateKey(primary, "eu-west-1")).toThrow("eu-west-1 does not exist");
});

it("mistakes of a test throw where they are made", () => {
  const kms = new InMemoryKms();
  const mistakes: [() => unknown, string][] = [
    [() => kms.createKey({ accountId: "123" }), 'accountId must be 12 digits, and is "123"'],
    [() => kms.createKey({ region: "eu-west" }), 'region must be a Region such as "us-east-1", and is "eu-west"'],
    [
      () => new InMemoryKms({ regions: ["us-east-1", "eu"] }),
      'region must be a Region such as "us-east-1", and is "eu"',
    ],
    [() => kms.disableKey("alias/x"), 'No key or alias is named "alias/x" here'],
  ];
  for (const [mistake, said] of mistakes) expect(mistake).toThrow(new TypeError(said));
  expect(kms.createKey({ region: "us-gov-west-1" })).toMatch(/^arn:aws-us-gov:/);
});

it("nothing that is inspected or serialized shows key material", () => {
  const { kms } = makeWorld();
  const shown = inspect([kms, kms.requestHandler, kms.faults], { depth: 9, showHidden: true }) + JSON.stringify([kms]);
  expect(shown).not.toMatch(/secret|material/i);
});
