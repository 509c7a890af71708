import { readFileSync } from "node:fs";
import type { ErrorCode } from "../../src/errors.js";
import { RecordingKeyStore } from "../../src/index.js";
import { decodeBirthRecord } from "../../src/format/birth-record.js";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { kmsError } from "../../src/kms/kms-error.js";
import type { KmsProvider } from "../../src/kms/kms-provider.js";
import { decodeHeader } from "../../src/format/header.js";
import { MemoryKeyPairStore } from "../../src/testing/index.js";
import { mutateBytes } from "./byte-mutations.js";
import { joinFields, mutateFields, rawFields } from "./field-mutations.js";
import { promise, refusable, type FuzzTarget } from "./fuzzer.js";
import type { Random } from "./random.js";

interface Vector {
  readonly plaintextSize: number;
  readonly birthRecord: { readonly bytes: string };
  readonly encryptionContext: Record<string, string>;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly recording: string;
}

/** The test vectors: whole recordings with their private halves, the same in every run. */
const { recordings } = JSON.parse(readFileSync(new URL("../vectors/recordings.json", import.meta.url), "utf8")) as {
  recordings: Vector[];
};
const vectors = recordings.filter(
  ({ plaintextSize, birthRecord }) =>
    plaintextSize < 200 && decodeBirthRecord(Buffer.from(birthRecord.bytes, "hex")).spec === "X25519",
);
const wholes = vectors.map(({ recording }) => Buffer.from(recording, "base64"));
const keyArn = "arn:aws:kms:eu-west-1:111122223333:key/1";
const contextText = (context: Readonly<Record<string, string>>) => JSON.stringify(Object.entries(context).sort());

/** Unwraps the vector's private half under its own context, and nothing else. */
function kmsOf({ encryptionContext: ownContext, privateKey }: Vector): KmsProvider {
  const refuse = (operation: string) => () =>
    Promise.reject(kmsError("access-denied", { operation, message: "not here" }));
  return {
    describeKey: refuse("DescribeKey"),
    encrypt: refuse("Encrypt"),
    generateDataKeyPair: refuse("GenerateDataKeyPair"),
    async decrypt({ keyId, encryptionContext }) {
      if (contextText(encryptionContext) !== contextText(ownContext))
        throw kmsError("invalid-ciphertext", { operation: "Decrypt", message: "another context" });
      return { keyArn: keyId, plaintext: Buffer.from(privateKey, "hex") };
    },
  };
}

async function storeOf({ birthRecord, publicKey }: Vector): Promise<MemoryKeyPairStore> {
  const store = new MemoryKeyPairStore();
  const bytes = Buffer.from(birthRecord.bytes, "hex");
  const { organizationId, keyPairId, sequence } = decodeBirthRecord(bytes);
  const ciphertext = { kmsKeyArn: keyArn, ciphertext: Buffer.alloc(100) };
  const document = encodeDocument("keyPair", {
    birthRecord: bytes,
    publicKey: Buffer.from(publicKey, "hex"),
    attestation: ciphertext,
    wrapping: ciphertext,
  });
  await store.createKeyPair({ organizationId, keyPairId, sequence, document });
  return store;
}

const codes: readonly ErrorCode[] = [
  ...([
    "ERR_FORMAT_INVALID",
    "ERR_FORMAT_TOO_NEW",
    "ERR_RECORDING_TAMPERED",
    "ERR_RECORDING_TRUNCATED",
    "ERR_RECORDING_MISMATCH",
  ] as const),
  ...(["ERR_KEY_PAIR_NOT_FOUND", "ERR_KEY_PAIR_UNTRUSTED", "ERR_KMS_REJECTED"] as const),
];

const headerOf = (whole: Buffer) => whole.subarray(0, 12 + whole.readUInt32BE(8));

/** Changes the header's fields that the key store reads: names, recipients, birth records, wrapped keys. */
function mutate(random: Random): Buffer {
  const whole = random.pick(wholes);
  if (random.chance(0.1)) return whole;
  if (random.chance(0.3)) return mutateBytes(whole, random);
  const { length } = headerOf(whole);
  const fields = rawFields(whole.subarray(12, length));
  for (const field of fields) {
    if (field.tag !== 0x8004 || random.chance(0.5)) continue;
    const recipient = mutateFields(field.value.subarray(2), random);
    field.value = Buffer.concat([Buffer.from([recipient.length >> 8, recipient.length & 0xff]), recipient]);
    field.claimed = field.value.length;
  }
  const changed = random.chance(0.5) ? mutateFields(joinFields(fields), random) : joinFields(fields);
  const prefix = Buffer.from(whole.subarray(0, 12));
  prefix.writeUInt32BE(changed.length, 8);
  return Buffer.concat([prefix, changed, whole.subarray(length)]);
}

function keyStoreOn(store: MemoryKeyPairStore, vector: Vector): RecordingKeyStore {
  const { organizationId } = decodeBirthRecord(Buffer.from(vector.birthRecord.bytes, "hex"));
  return new RecordingKeyStore({
    organizationId,
    homeRegion: "eu-west-1",
    kms: kmsOf(vector),
    store,
    trustedKmsKeys: ["111122223333"],
    embeddedKeys: ["111122223333"],
    background: false,
  });
}

/** Each vector's pair in a store of its own, and without a store. */
async function keyStores(): Promise<RecordingKeyStore[]> {
  const withTheirPairs = await Promise.all(vectors.map(async (vector) => keyStoreOn(await storeOf(vector), vector)));
  return [...withTheirPairs, ...vectors.map((vector) => keyStoreOn(new MemoryKeyPairStore(), vector))];
}
let made: Promise<RecordingKeyStore[]> | undefined;

export const keyStoreTarget: FuzzTarget = {
  name: "recording, by the key store",
  input: mutate,
  async run(input) {
    let taken = false;
    const { recordingId, asset } = decodeHeader(headerOf(wholes[0] as Buffer));
    for (const keyStore of await (made ??= keyStores())) {
      const opened = await refusable(codes, () => keyStore.decryptRecording(input, { recordingId, asset }));
      if (!opened) continue;
      taken = true;
      promise(
        wholes.some((whole) => whole.equals(input)),
        "a changed recording was taken",
      );
      promise(
        opened.body.every((byte, index) => byte === (31 * index + 7) % 251),
        "wrong plaintext",
      );
    }
    return taken;
  },
};
