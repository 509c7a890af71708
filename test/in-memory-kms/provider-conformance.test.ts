import { expect, it } from "vitest";
import { InMemoryKmsProvider } from "../../src/in-memory-kms/index.js";
import { KmsError } from "../../src/kms/kms-error.js";
import { cases, type Send } from "./cases.js";
import { inputCases } from "./cases-input.js";
import { importedKeyRows } from "./conformance/imported-keys.js";
import { keyInStoreRows } from "./conformance/keys-in-key-stores.js";
import { textFor } from "./conformance/row.js";
import { transports } from "./transports.js";
import { home, makeWorld, type CallerName, type World } from "./world.js";

type Input = Record<string, unknown>;
type Expected = readonly [name: string, text?: string | RegExp, status?: number] | undefined;

/** What the provider calls each operation, and the members of a request that it can pass on. */
const methods = {
  DescribeKey: ["describeKey", ["KeyId"]],
  Encrypt: ["encrypt", ["KeyId", "Plaintext", "EncryptionContext"]],
  Decrypt: ["decrypt", ["KeyId", "CiphertextBlob", "EncryptionContext"]],
  GenerateDataKeyPairWithoutPlaintext: ["generateDataKeyPair", ["KeyId", "KeyPairSpec", "EncryptionContext"]],
} as const;

/** Whether a request can go through a provider: it names a key or alias by its ARN, in its Region, and has no member besides. */
function fits(operation: string, input: Input, region: string): operation is keyof typeof methods {
  const members: readonly string[] = operation in methods ? methods[operation as keyof typeof methods][1] : [];
  const names = Object.keys(input).filter((name) => input[name] !== undefined);
  const { KeyId, KeyPairSpec = "RSA_2048" } = input;
  return (
    names.every((name) => members.includes(name)) &&
    (KeyId as string | undefined)?.split(":")[3] === region &&
    /^RSA_/.test(KeyPairSpec as string)
  );
}

async function ask(provider: InMemoryKmsProvider, operation: keyof typeof methods, input: Input): Promise<unknown> {
  const {
    KeyId: keyId,
    Plaintext,
    CiphertextBlob,
    KeyPairSpec: spec,
    EncryptionContext: encryptionContext = {},
  } = input;
  const request = { keyId, plaintext: Plaintext, ciphertext: CiphertextBlob, spec, encryptionContext };
  return provider[methods[operation][0]](request as never);
}

interface Request {
  readonly operation: string;
  readonly input: Input;
  readonly as?: CallerName | undefined;
  readonly region?: string | undefined;
  readonly error: Expected;
}

/** Compares an answer to the provider with what is expected of the service, if the request can go through it. */
async function agrees(
  world: World,
  { operation, input, as = "alice", region = home, error }: Request,
): Promise<boolean> {
  if (!fits(operation, input, region)) return false;
  const provider = new InMemoryKmsProvider(world.kms, { accessKeyId: world.callers[as] });
  const answer = await ask(provider, operation, input).catch((thrown: unknown) => thrown);
  if (!error) {
    expect(answer).toHaveProperty("keyArn");
    return true;
  }
  const [awsErrorName, text = /^/] = error;
  const message =
    typeof text === "string" ? literally(textFor(text, input)) : new RegExp(text.source.replace(/^\^/, ""));
  expect(answer).toBeInstanceOf(KmsError);
  expect(answer).toMatchObject({ awsErrorName, message: expect.stringMatching(message) as string });
  return true;
}

const literally = (text: string) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));

async function senderOf(world: World): Promise<Send> {
  const transport = await transports["request handler of a KMSClient"]!(world.kms);
  return async (operation, input, as = "alice", region = home) => {
    const result = await transport.send(operation, input, { region, accessKeyId: world.callers[as] });
    if (!result.ok) throw new Error(`${operation}: ${result.name}`);
    return result.output;
  };
}

it("the provider gives the answers of the cases that can go through it", async () => {
  const through: string[] = [];
  for (const { name, given, call, as, region, error } of [...cases, ...inputCases]) {
    const world = makeWorld();
    given?.(world);
    const [operation, input] = await call(world, await senderOf(world));
    const [errorName = "", text] = error ?? [];
    const expected: Expected = error && [errorName, typeof text === "function" ? text(world) : (text ?? /^/)];
    if (await agrees(world, { operation, input, as, region, error: expected })) through.push(name);
  }
  expect(through.length).toBeGreaterThanOrEqual(24);
});

it("the provider gives the answers of the rows that can go through it", async () => {
  const through: string[] = [];
  const world = makeWorld();
  const send = await senderOf(world);
  for (const { operation, situation, input, as, region, error } of [...keyInStoreRows, ...importedKeyRows]) {
    if (!(operation in methods)) continue;
    const request = { operation, input: await input(world, send), as, region, error };
    if (await agrees(world, request)) through.push(`${operation} ${situation}`);
  }
  expect(through.length).toBeGreaterThanOrEqual(10);
});
