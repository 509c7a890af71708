import { describe, expect, it } from "vitest";
import { InvalidInputError } from "../../src/errors.js";
import { InMemoryKms, type KmsKeyName } from "../../src/in-memory-kms/index.js";
import { transports } from "./transports.js";
import { customer, home, makeWorld } from "./world.js";

describe("what a test sets up names keys in every form", () => {
  const keyArn = `arn:aws:kms:${home}:${customer}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

  it.each<[string, (world: ReturnType<typeof makeWorld>) => KmsKeyName]>([
    ["key ARN", ({ key }) => key],
    ["alias ARN", ({ aliasArn }) => aliasArn],
    ["key id", ({ keyId }) => keyId],
    ["alias name", () => "alias/recordings"],
    ["alias name and Region", () => ({ keyId: "alias/recordings", region: home })],
    ["key id, Region and account", ({ keyId }) => ({ keyId, region: home, accountId: customer })],
  ])("%s", (_form, nameOf) => {
    const world = makeWorld();
    const { kms, key } = world;
    kms.putKeyPolicy(nameOf(world), kms.getKeyPolicy(key).replace("key-default-1", "other"));
    expect(kms.getKeyPolicy(nameOf(world))).toContain("other");
    kms.createAlias("alias/second", nameOf(world));
    kms.scheduleKeyDeletion(nameOf(world));
    kms.cancelKeyDeletion(nameOf(world));
    kms.enableKey(nameOf(world));
    kms.rotateKey(nameOf(world));
    kms.enableKeyRotation(nameOf(world));
    kms.disableKey(nameOf(world));
    expect(() => kms.rotateKey(key)).toThrow(`${key} is disabled.`);
  });

  it("aliases by name and Region too", () => {
    const { kms, key, inAccount } = makeWorld();
    kms.createKey({ ...inAccount, region: "eu-west-1", alias: "alias/recordings" });
    const other = kms.createKey(inAccount);
    kms.pointAlias({ keyId: "alias/recordings", region: home }, other);
    kms.disableKey({ keyId: "alias/recordings", region: home });
    expect(() => kms.rotateKey(other)).toThrow("disabled");
    kms.rotateKey(key);
    kms.deleteAlias({ keyId: "alias/recordings", region: home });
    kms.disableKey("alias/recordings"); // the one that is left, in eu-west-1
  });

  it("and says when a name is nobody's, or not one key's alone", () => {
    const { kms, inAccount } = makeWorld();
    const primary = kms.createKey({ ...inAccount, multiRegion: true });
    const replica = kms.replicateKey(primary, "eu-west-1");
    const keyId = primary.slice(primary.indexOf("/") + 1);
    expect(() => kms.disableKey(keyId)).toThrow(`names 2: ${primary}, ${replica}; give { keyId, region, accountId }`);
    expect(() => kms.disableKey({ keyId, region: "eu-west-2" })).toThrow(TypeError);
    expect(() => kms.disableKey({ key: keyId } as never)).toThrow("key: is not a known option");
    expect(() => kms.disableKey(undefined as never)).toThrow(TypeError);
    expect(() => kms.disableKey(keyArn)).toThrow(`Key '${keyArn}' does not exist`);
    expect(() => kms.disableKey(`arn:aws:kms:${home}:${customer}:alias/none`)).toThrow("is not found");
  });
});

describe("an option that there is not is refused by its name", () => {
  const kms = new InMemoryKms();
  const arn = `arn:aws:iam::${customer}:user/x`;
  it.each<[string, () => unknown]>([
    ["regoins", () => new InMemoryKms({ regoins: [] } as never)],
    ["polcy", () => kms.createKey({ polcy: {} } as never)],
    ["identityPolcy", () => kms.addPrincipal({ arn, identityPolcy: {} } as never)],
    ["principals[0].accountId", () => new InMemoryKms({ principals: [{ arn, accountId: customer } as never] })],
    ["prot", () => kms.listen({ prot: 1 } as never)],
    ["Policy", () => kms.replicateKey(kms.createKey(), "eu-west-1", { Policy: "" } as never)],
  ])("%s", async (field, mistake) => {
    const failure = (async () => mistake())(); // one of them is a promise's
    await expect(failure).rejects.toThrow(expect.objectContaining({ constructor: InvalidInputError, field }));
  });
});

describe("a principal without an identity policy", () => {
  const decide = async (kms: InMemoryKms, accessKeyId: string, keyArn: string) => {
    const transport = await transports["request handler of a KMSClient"]!(kms);
    const result = await transport.send("DescribeKey", { KeyId: keyArn }, { region: home, accessKeyId });
    return result.ok || result.message;
  };
  const arn = `arn:aws:iam::${customer}:role/recorder`;

  it("may do nothing by IAM, as in AWS", async () => {
    const kms = new InMemoryKms();
    const key = kms.createKey({ accountId: customer });
    const { accessKeyId } = kms.addPrincipal({ arn });
    expect(await decide(kms, accessKeyId, key)).toBe(
      `User: ${arn} is not authorized to perform: kms:DescribeKey on resource: ${key} because no identity-based policy allows the kms:DescribeKey action`,
    );
  });

  it("may do what a key policy gives it by name", async () => {
    const kms = new InMemoryKms();
    const statement = { Effect: "Allow", Principal: { AWS: arn }, Action: "kms:*", Resource: "*" };
    const key = kms.createKey({ accountId: customer, policy: { Version: "2012-10-17", Statement: [statement] } });
    expect(await decide(kms, kms.addPrincipal({ arn }).accessKeyId, key)).toBe(true);
  });

  it("may do everything as an account's root user", async () => {
    const kms = new InMemoryKms();
    const key = kms.createKey({ accountId: customer });
    const root = kms.addPrincipal({ arn: `arn:aws:iam::${customer}:root` });
    expect(await decide(kms, root.accessKeyId, key)).toBe(true);
  });

  it("has the policy that the in-memory KMS was given for such principals", async () => {
    const kms = new InMemoryKms({ defaultIdentityPolicy: "administrator" });
    const key = kms.createKey({ accountId: customer });
    expect(await decide(kms, kms.addPrincipal({ arn }).accessKeyId, key)).toBe(true);
  });
});

it("callers and keys of which nothing is said are of the default account", async () => {
  const kms = new InMemoryKms({ defaultAccountId: customer });
  const key = kms.createKey();
  expect(key).toContain(`:${customer}:key/`);
  const transport = await transports["request handler of a KMSClient"]!(kms);
  expect(await transport.send("DescribeKey", { KeyId: key }, { region: home, accessKeyId: "ANY" })).toMatchObject({
    ok: true,
  });
  expect(() => new InMemoryKms({ defaultAccountId: "1" })).toThrow('defaultAccountId must be 12 digits, and is "1"');
});
