import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  KMSClient,
  type MultiRegionConfiguration,
} from "@aws-sdk/client-kms";
import { mockClient } from "aws-sdk-client-mock";
import { describe, expect, it, vi } from "vitest";
import { AwsKmsProvider } from "../../../src/aws.js";
import { InvalidInputError } from "../../../src/errors.js";
import { replicaArn } from "../../../src/kms/arn.js";
import {
  callsOf,
  clientThat,
  encryptionContext,
  inMemory,
  keyAliasArn,
  keyArn,
  mockedClient,
  operations,
  region,
  rejection,
  serviceAccount,
} from "../fixtures.js";

const keys = { alias: keyAliasArn, key: keyArn };
const noProfile = () => Promise.reject(Object.assign(new Error("no profile"), { name: "CredentialsProviderError" }));

describe("the client", () => {
  it("is taken by its shape: a KMSClient, a mock, a picked type, a function of the Region", () => {
    const real = new KMSClient({ region });
    const picked: Pick<KMSClient, "send"> = real;
    const clients = [
      real,
      picked,
      mockClient(KMSClient),
      mockClient(real),
      (asked: string) => new KMSClient({ region: asked }),
      (): Pick<KMSClient, "send"> => picked,
    ];
    for (const client of clients) expect(new AwsKmsProvider({ client })).toBeInstanceOf(AwsKmsProvider);
    expect(new AwsKmsProvider()).toBeInstanceOf(AwsKmsProvider);
  });

  it.each([
    ["client", { client: {} }],
    ["client", { client: null }],
    ["client", { client: "eu-west-1" }],
    ["deadline", { deadline: 0 }],
    ["deadline", { deadline: Number.NaN }],
    ["deadline", { deadline: Infinity }],
    ["attemptTimeout", { attemptTimeout: -1 }],
    ["attemptTimeout", { attemptTimeout: "1s" }],
    ["keyPairDeadline", { keyPairDeadline: 3_600_000 }],
    ["keyPairDeadline", { keyPairDeadline: 4_999 }],
    ["keyPairDeadline", { deadline: 30_000, keyPairDeadline: 20_000 }],
  ])("bad options are named: %s %j", (field, options) => {
    expect(() => new AwsKmsProvider(options as never)).toThrow(InvalidInputError);
    expect(() => new AwsKmsProvider(options as never)).toThrow(expect.objectContaining({ field }));
  });

  it("is made once per Region, and asked for each key in the key's own", async () => {
    const { kms, client, keyAliasArn: alias } = inMemory();
    const elsewhere = kms.createKey({ accountId: "111122223333", region: "us-east-1", alias: "alias/recordings" });
    const factory = vi.fn(client);
    const provider = new AwsKmsProvider({ client: factory });
    const encrypt = (keyId: string) => provider.encrypt({ keyId, plaintext: Buffer.from("x"), encryptionContext });
    await Promise.all([encrypt(alias), encrypt(alias), encrypt(elsewhere)]);
    await Promise.all([encrypt(alias), encrypt(elsewhere)]);
    expect(factory.mock.calls).toEqual([[region], ["us-east-1"]]);
    expect(
      kms.journal
        .calls()
        .map((call) => call.region)
        .sort(),
    ).toEqual([region, region, region, "us-east-1", "us-east-1"]);
  });

  it("is made again after making it has failed", async () => {
    const { client, keyAliasArn: alias } = inMemory();
    const factory = vi.fn(client).mockImplementationOnce(() => {
      throw new Error("not yet");
    });
    const { Encrypt } = callsOf(new AwsKmsProvider({ client: factory }), { alias, key: keyArn });
    expect(await rejection(Encrypt())).toMatchObject({ kind: "unexpected-answer" });
    expect(await Encrypt()).toMatchObject({ ciphertext: expect.any(Uint8Array) });
  });

  it.each<[how: string, client: () => unknown, failure: object]>([
    ["rejects", () => Promise.reject(new Error("not yet")), { kind: "unexpected-answer" }],
    ["gives no client", () => ({}), { kind: "unreachable", message: expect.stringMatching(/gave no KMSClient/) }],
    ["resolves with no client", async () => null, { kind: "unreachable" }],
    [
      "gives one whose Region rejects",
      () => ({ send: vi.fn(), config: { region: noProfile } }),
      { kind: "credentials" },
    ],
  ])("is asked for again after its function %s", async (_how, broken, failure) => {
    const { client, keyAliasArn: alias } = inMemory();
    const factory = vi.fn<(region: string) => never>(client as never).mockImplementationOnce(broken as never);
    const { Encrypt } = callsOf(new AwsKmsProvider({ client: factory }), { alias, key: keyArn });
    expect(await rejection(Encrypt())).toMatchObject(failure);
    expect(await Encrypt()).toMatchObject({ ciphertext: expect.any(Uint8Array) });
    await Encrypt();
    expect(factory).toHaveBeenCalledTimes(2);
  });

  it("may come as a promise", async () => {
    const { client, keyAliasArn: alias } = inMemory();
    const { Encrypt } = callsOf(new AwsKmsProvider({ client: async (asked) => client(asked) }), { alias, key: keyArn });
    expect(await Encrypt()).toMatchObject({ ciphertext: expect.any(Uint8Array) });
  });

  it.each(operations)("%s for another Region than its own is not sent", async (operation) => {
    const { client, mock } = mockedClient();
    const elsewhere = { alias: keyAliasArn.replace(region, "us-east-1"), key: keyArn.replace(region, "us-east-1") };
    const error = await rejection(callsOf(new AwsKmsProvider({ client }), elsewhere)[operation]());
    expect(error).toMatchObject({
      kind: "unreachable",
      operation,
      message: expect.stringMatching(/the KMS client given is for eu-west-1.*for us-east-1/),
    });
    expect(mock.calls()).toHaveLength(0);
  });

  it("that does not tell its Region gets the calls of all", async () => {
    const send = vi.fn(async () => ({ KeyId: keyArn, CiphertextBlob: Buffer.from("c") }));
    const provider = new AwsKmsProvider({ client: clientThat(send) });
    await callsOf(provider, keys).Encrypt();
    expect(send).toHaveBeenCalledOnce();
  });

  it("is never destroyed", async () => {
    const { client, mock } = mockedClient();
    const destroy = vi.spyOn(client, "destroy");
    mock.on(EncryptCommand).rejects(Object.assign(new Error("x"), { code: "ECONNREFUSED" }));
    await rejection(callsOf(new AwsKmsProvider({ client }), keys).Encrypt());
    expect(destroy).not.toHaveBeenCalled();
  });

  it("need not be given: the SDK's own defaults serve", async () => {
    vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIATEST").stubEnv("AWS_SECRET_ACCESS_KEY", "test");
    const mock = mockClient(KMSClient);
    mock.on(EncryptCommand).resolves({ KeyId: keyArn, CiphertextBlob: Buffer.from("c") });
    expect(await callsOf(new AwsKmsProvider(), keys).Encrypt()).toMatchObject({ keyArn });
    mock.restore();
    vi.unstubAllEnvs();
  });
});

it("a key id that is no ARN is not sent", async () => {
  const { client, mock } = mockedClient();
  for (const operation of operations) {
    const calls = callsOf(new AwsKmsProvider({ client }), { alias: "alias/recordings", key: "1234abcd" });
    expect(await rejection(calls[operation]())).toMatchObject({ kind: "invalid-request", code: "ERR_KMS_REJECTED" });
  }
  expect(mock.calls()).toHaveLength(0);
});

describe("what is sent", () => {
  it("every cryptographic call carries the encryption context and the ARN it was given", async () => {
    const { kms, provider, keyAliasArn: alias, keyArn: key } = inMemory();
    const { ciphertext } = await provider.encrypt({ keyId: alias, plaintext: Buffer.from("x"), encryptionContext });
    const calls = callsOf(provider, { alias, key, ciphertext });
    for (const operation of operations) await calls[operation]();
    const seen = kms.journal.calls().map((call) => [call.operation, call.keyId, call.encryptionContext, call.outcome]);
    expect(seen).toEqual([
      ["Encrypt", alias, encryptionContext, "ok"],
      ["DescribeKey", alias, undefined, "ok"],
      ["Encrypt", alias, encryptionContext, "ok"],
      ["Decrypt", key, encryptionContext, "ok"],
      ["GenerateDataKeyPairWithoutPlaintext", alias, encryptionContext, "ok"],
    ]);
  });

  it("a key of another account is reached by its ARN, once its policy allows the caller", async () => {
    const { kms, keyAliasArn: alias, keyArn: key } = inMemory();
    const { accessKeyId } = kms.addPrincipal({
      arn: `arn:aws:iam::${serviceAccount}:role/recorder`,
      identityPolicy: "administrator",
    });
    const provider = new AwsKmsProvider({
      client: (asked) => new KMSClient({ ...kms.clientConfig(asked, { accessKeyId }), maxAttempts: 1 }),
    });
    expect(await rejection(callsOf(provider, { alias, key }).Encrypt())).toMatchObject({
      kind: "access-denied",
      keyId: alias,
    });
    const statement = {
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${serviceAccount}:root` },
      Action: ["kms:Encrypt", "kms:Decrypt"],
      Resource: "*",
    };
    const policy = { Version: "2012-10-17", Statement: [statement] };
    const shared = kms.createKey({ accountId: "111122223333", region, policy, alias: "alias/shared" });
    const sharedAlias = alias.replace("recordings", "shared");
    const { keyArn: answered, ciphertext } = await provider.encrypt({
      keyId: sharedAlias,
      plaintext: Buffer.from("x"),
      encryptionContext,
    });
    expect(answered).toBe(shared);
    const { plaintext } = await provider.decrypt({ keyId: shared, ciphertext, encryptionContext });
    expect(Buffer.from(plaintext).toString()).toBe("x");
  });
});

describe("answers", () => {
  const bytes = () => Buffer.from("some bytes");
  const metadata = {
    Arn: keyArn,
    KeyId: "1234abcd",
    KeyState: "Enabled",
    KeySpec: "SYMMETRIC_DEFAULT",
    KeyUsage: "ENCRYPT_DECRYPT",
  } as const;
  const otherKey = keyArn.replace("1234abcd", "9999abcd");
  const mrk = `arn:aws:kms:${region}:111122223333:key/mrk-${"0".repeat(32)}`;

  it.each<[(typeof operations)[number], string, object | undefined]>([
    ["Encrypt", "nothing", undefined],
    ["Encrypt", "no key", { CiphertextBlob: bytes() }],
    ["Encrypt", "no ciphertext", { KeyId: keyArn }],
    ["Encrypt", "an empty ciphertext", { KeyId: keyArn, CiphertextBlob: new Uint8Array() }],
    ["Encrypt", "text instead of bytes", { KeyId: keyArn, CiphertextBlob: "c29tZSBieXRlcw==" }],
    ["Encrypt", "the alias instead of the key", { KeyId: keyAliasArn, CiphertextBlob: bytes() }],
    ["Encrypt", "a bare key id", { KeyId: "1234abcd-12ab-34cd-56ef-1234567890ab", CiphertextBlob: bytes() }],
    [
      "Encrypt",
      "a key of another account",
      { KeyId: keyArn.replace("111122223333", serviceAccount), CiphertextBlob: bytes() },
    ],
    ["Encrypt", "a key of another Region", { KeyId: keyArn.replace(region, "us-east-1"), CiphertextBlob: bytes() }],
    [
      "Encrypt",
      "a multi-Region key in another Region than was asked",
      { KeyId: replicaArn(mrk, "us-east-1"), CiphertextBlob: bytes() },
    ],
    ["Decrypt", "no plaintext", { KeyId: keyArn }],
    ["Decrypt", "an empty plaintext", { KeyId: keyArn, Plaintext: new Uint8Array() }],
    ["Decrypt", "numbers instead of bytes", { KeyId: keyArn, Plaintext: [1, 2, 3] }],
    ["Decrypt", "another key of the same account", { KeyId: otherKey, Plaintext: bytes() }],
    ["Decrypt", "no key", { Plaintext: bytes() }],
    ["GenerateDataKeyPairWithoutPlaintext", "no public key", { KeyId: keyArn, PrivateKeyCiphertextBlob: bytes() }],
    ["GenerateDataKeyPairWithoutPlaintext", "no private key", { KeyId: keyArn, PublicKey: bytes() }],
    ["GenerateDataKeyPairWithoutPlaintext", "no key", { PublicKey: bytes(), PrivateKeyCiphertextBlob: bytes() }],
    ["DescribeKey", "no metadata", {}],
    ["DescribeKey", "no ARN", { KeyMetadata: { ...metadata, Arn: undefined } }],
    ["DescribeKey", "no state", { KeyMetadata: { ...metadata, KeyState: undefined } }],
    ["DescribeKey", "no spec", { KeyMetadata: { ...metadata, KeySpec: "" } }],
  ])("%s with %s is unexpected", async (operation, _, answer) => {
    const provider = new AwsKmsProvider({ client: clientThat(async () => answer) });
    expect(await rejection(callsOf(provider, keys)[operation]())).toMatchObject({
      kind: "unexpected-answer",
      operation,
      retryable: true,
    });
    // Whatever secret came with it is wiped.
    const given = (answer as { Plaintext?: unknown } | undefined)?.Plaintext;
    if (given instanceof Uint8Array) expect(given.every((byte) => byte === 0)).toBe(true);
  });

  it("a decrypted secret is copied, and the SDK's array wiped", async () => {
    const { client, mock } = mockedClient();
    const Plaintext = new Uint8Array(Buffer.from("secret"));
    mock.on(DecryptCommand).resolves({ KeyId: keyArn, Plaintext });
    const { plaintext } = (await callsOf(new AwsKmsProvider({ client }), keys).Decrypt()) as { plaintext: Uint8Array };
    expect(Buffer.from(plaintext).toString()).toBe("secret");
    expect(plaintext.buffer.byteLength).toBe("secret".length);
    expect([...Plaintext]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("a description tells what KMS told", async () => {
    const { client, mock } = mockedClient();
    const DeletionDate = new Date(0);
    const MultiRegionConfiguration: MultiRegionConfiguration = {
      MultiRegionKeyType: "REPLICA",
      PrimaryKey: { Arn: mrk, Region: "us-east-1" },
      ReplicaKeys: [{ Arn: mrk, Region: region }, {}],
    };
    mock.on(DescribeKeyCommand).resolves({
      KeyMetadata: {
        ...metadata,
        KeyState: "PendingDeletion",
        Enabled: false,
        Origin: "AWS_KMS",
        KeyManager: "CUSTOMER",
        DeletionDate,
        MultiRegionConfiguration,
      },
    });
    expect(await callsOf(new AwsKmsProvider({ client }), keys).DescribeKey()).toEqual({
      ...{
        keyArn,
        enabled: false,
        keyState: "PendingDeletion",
        keySpec: "SYMMETRIC_DEFAULT",
        keyUsage: "ENCRYPT_DECRYPT",
      },
      ...{
        origin: "AWS_KMS",
        keyManager: "CUSTOMER",
        deletionDate: DeletionDate,
        multiRegion: { primaryRegion: "us-east-1", replicaRegions: [region] },
      },
    });
    mock.on(DescribeKeyCommand).resolves({ KeyMetadata: metadata });
    const least = {
      keyArn,
      enabled: true,
      keyState: "Enabled",
      keySpec: "SYMMETRIC_DEFAULT",
      keyUsage: "ENCRYPT_DECRYPT",
    };
    expect(await callsOf(new AwsKmsProvider({ client }), keys).DescribeKey()).toEqual(least);
  });
});
