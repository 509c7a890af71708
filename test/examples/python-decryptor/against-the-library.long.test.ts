import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import sodium from "libsodium-wrappers";
import { describe, expect, it } from "vitest";
import { kmsError, type KmsProvider } from "../../../src/kms/index.js";
import { RecordingKeyStore } from "../../../src/index.js";
import { decodeBirthRecord, encodeBirthRecord, type BirthRecord } from "../../../src/format/birth-record.js";
import { decodeJsonObject } from "../../../src/format/canonical-json.js";
import { decryptBody } from "../../../src/recording/bodies.js";
import { MemoryKeyPairStore } from "../../../src/testing/index.js";
import { field, fieldBytes, headerOf, sealPayload, u16, u32 } from "../../format/recording-writer.js";
import { mutateFields } from "../../fuzz/field-mutations.js";
import { mutateJson } from "../../fuzz/json-mutations.js";
import { Random } from "../../fuzz/random.js";
import { birthRecord, dataKey, mutateBirthRecord, mutateRecording } from "../../fuzz/recordings.js";
import { lease } from "../../recording/support.js";
import { here, program, start } from "./python.js";

await sodium.ready;
const inputs = 1_500;
const kmsKeyArn = "arn:aws:kms:eu-west-1:111122223333:key/1";

/** What the library says of bytes: the SHA-256 of a recording's plaintext, `taken`, or an error's code. */
type Verdict = string;
const codeOf = (error: unknown): Verdict => (error as { code?: string }).code ?? String(error);

/** Read from the beginning, as Python does: of several damages the first counts. */
async function digestOf(opening: Promise<{ body: AsyncIterable<unknown> }>): Promise<Verdict> {
  try {
    const hash = createHash("sha256");
    for await (const piece of (await opening).body) hash.update(piece as Buffer);
    return hash.digest("hex");
  } catch (error) {
    return codeOf(error);
  }
}

/** The library's verdicts on mutated inputs beside those of Python. */
async function compare(
  kind: string,
  make: (random: Random) => Buffer,
  judge: (bytes: Buffer) => Verdict | Promise<Verdict>,
) {
  const all = Array.from({ length: inputs }, (_, index) => make(new Random(kind, index)));
  const ours: Verdict[] = [];
  for (const bytes of all) ours.push(await judge(bytes));
  const { child, ended } = start(here, ["judge.py", program]);
  child.stdin.end(all.map((bytes) => `${kind} ${bytes.toString("base64") || "="}\n`).join(""));
  const { stdout, stderr } = await ended;
  const theirs = stdout.trimEnd().split("\n");
  const different = all.flatMap((bytes, index) =>
    ours[index] === theirs[index]
      ? []
      : [{ ours: ours[index], theirs: theirs[index], bytes: bytes.toString("base64") }],
  );
  return { stderr, verdicts: theirs.length, different, kinds: new Set(theirs).size };
}
const agreement = { stderr: "", verdicts: inputs, different: [], kinds: expect.any(Number) };

/** KMS of judge.py: a ciphertext is the private half behind its encryption context, in text. */
const contextText = (context: Readonly<Record<string, string>>) =>
  `${Object.entries(context)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join("|")}|`;
const refuse = (operation: string) => () =>
  Promise.reject(kmsError("access-denied", { operation, message: "not here" }));
const kms: KmsProvider = {
  describeKey: refuse("DescribeKey"),
  encrypt: refuse("Encrypt"),
  generateDataKeyPair: refuse("GenerateDataKeyPair"),
  async decrypt({ keyId, ciphertext, encryptionContext }) {
    const before = Buffer.from(contextText(encryptionContext));
    if (!before.equals(ciphertext.subarray(0, before.length)))
      throw kmsError("invalid-ciphertext", { operation: "Decrypt", message: "another context" });
    return { keyArn: keyId, plaintext: Buffer.from(ciphertext.subarray(before.length)) };
  },
};

let pairs = 0;
/** A wrapped data key that carries its private half, for a pair of its own. */
function wrappedDataKey(more: Partial<BirthRecord> = {}, arn = kmsKeyArn, key = dataKey): Buffer {
  const { reason: _, previousDigest: __, ...record } = decodeBirthRecord(birthRecord);
  const organizationId = more.organizationId ?? record.organizationId;
  const birth = encodeBirthRecord({ ...record, keyPairId: `pair-${(pairs += 1)}`, sequence: 1, ...more });
  const { publicKey, privateKey } = sodium.crypto_box_keypair();
  const context = contextText({
    "genesys-cloud-organization-id": organizationId,
    "recording-keystore:purpose": "private-key",
    "recording-keystore:birth-record": createHash("sha256").update(birth).digest("base64url"),
  });
  return fieldBytes([
    field(1, true, birth),
    field(2, true, sodium.crypto_box_seal(key, publicKey)),
    field(3, false, arn),
    field(4, false, Buffer.concat([Buffer.from(context), privateKey])),
  ]);
}

/** Two that open, and one for each reason not to. */
const wrapped = [
  wrappedDataKey(),
  wrappedDataKey(),
  wrappedDataKey({}, `${kmsKeyArn}2`),
  wrappedDataKey({ purpose: "test" }),
  wrappedDataKey({ organizationId: "org-2" }),
  wrappedDataKey({}, kmsKeyArn, Buffer.alloc(32, 1)),
  fieldBytes([field(9, true, "of a later version")]),
];

/** A sound payload under a header with one to three of these, half of them mutated. */
function mutateWrappedDataKeys(random: Random): Buffer {
  const chosen = Array.from({ length: 1 + random.below(3) }, () => {
    const one = random.pick(wrapped);
    if (random.chance(0.5)) return one;
    return mutateFields(one, random, (tag, value) => (tag === 1 ? mutateBirthRecord(value, random) : undefined));
  });
  const header = headerOf([
    field(1, true, "org-1"),
    field(2, true, "recording-1"),
    field(3, true, "main"),
    field(4, true, Buffer.concat(chosen.flatMap((one) => [u16(one.length), one]))),
    field(5, true, u32(4_096)),
    field(6, false, Buffer.of(1)),
  ]);
  return Buffer.concat([header, sealPayload(Buffer.from("hello"), header, { dataKey, segmentLength: 4_096 })]);
}

describe("the library and the decryptor in Python say the same of", () => {
  it("mutated recordings", async () => {
    const open = async () => ({ ...lease(), dataKey: async () => Buffer.from(dataKey) });
    const found = await compare("recording", mutateRecording, (bytes) =>
      digestOf(decryptBody(Readable.from([bytes]), { open })),
    );
    expect(found).toEqual(agreement);
    expect(found.kinds).toBeGreaterThan(5);
  });

  it("mutated birth records", async () => {
    const found = await compare(
      "birth-record",
      (random) => mutateBirthRecord(birthRecord, random),
      (bytes) => {
        try {
          decodeBirthRecord(bytes);
          return "taken";
        } catch (error) {
          return codeOf(error);
        }
      },
    );
    expect(found).toEqual({ ...agreement, kinds: 3 });
  });

  it("mutated metadata", async () => {
    const json = '{"a":[1,2,{"b":1e+21}],"n":-0.000001,"x":null,"é":"\\u0001"}';
    const found = await compare(
      "json",
      (random) => mutateJson(json, random),
      (bytes) => (decodeJsonObject(bytes) ? "taken" : "ERR_FORMAT_INVALID"),
    );
    expect(found).toEqual({ ...agreement, kinds: 2 });
  });

  it("recordings whose wrapped data keys are mutated", async () => {
    const keyStore = new RecordingKeyStore({
      organizationId: "org-1",
      homeRegion: "eu-west-1",
      kms,
      store: new MemoryKeyPairStore(),
      trustedKmsKeys: ["111122223333"],
      embeddedKeys: [kmsKeyArn],
      background: false,
      privateKeyTtl: 0, // as judge.py, which remembers none
    });
    const found = await compare("wrapped-data-keys", mutateWrappedDataKeys, (bytes) =>
      digestOf(keyStore.decryptRecording(Readable.from([bytes]), { recordingId: "recording-1" })),
    );
    await keyStore.close();
    expect(found).toEqual(agreement);
    expect(found.kinds).toBeGreaterThan(6);
  });
});
