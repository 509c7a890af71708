import { constants, createHash, createPrivateKey, privateDecrypt } from "node:crypto";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import sodium from "libsodium-wrappers";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeBirthRecord } from "../../src/format/birth-record.js";
import { encryptionContextOf } from "../../src/key-pairs/key-pair.js";
import { importUnwrappingKey } from "../../src/format/data-key-wrapping.js";
import { decryptBody } from "../../src/recording/bodies.js";
import { inspectRecording, RecordingKeyStore, type KmsProvider } from "../../src/index.js";
import { kmsError } from "../../src/kms/kms-error.js";
import { MemoryKeyPairStore, MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { plaintextOf } from "../format/recording-writer.js";
import { decodeHeader, encodeHeader } from "../../src/format/header.js";
import { decryptAll } from "../format/floe-oracle.js";
import { collect } from "./support.js";

interface Vector {
  name: string;
  plaintextSize: number;
  birthRecord: { spec: string; bytes: string };
  encryptionContext: Record<string, string>;
  privateKey: string;
  publicKey: string;
  dataKey: string;
  header: string;
  metadata?: string;
  metadataSection?: string;
  recording: string;
}
interface Vectors {
  recordings: Vector[];
  refused: { name: string; code: string; dataKey: string; recording: string }[];
}
interface MoreVectors extends Vectors {
  refusedBirthRecords: { name: string; code: string; bytes: string }[];
  refusedHeaders: { name: string; code: string; header: string }[];
  keyPairs: PairVector[];
}
interface PairVector {
  name: string;
  birthRecord: string;
  record: string;
  furtherWrapping: { wrappingId: string; record: string };
  head: string;
  kmsDecrypt: { ciphertext: string; kmsKeyArn: string; encryptionContext: Record<string, string>; plaintext: string }[];
  recording: string;
}
const read = (name: string) => readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8");
const first = JSON.parse(read("recordings")) as Vectors;
const more = JSON.parse(read("format")) as MoreVectors;
const recordings = [...first.recordings, ...more.recordings];
const refused = [...first.refused, ...more.refused];
/** What this version reads and does not write. */
const notWritten = /later|reserved|trailer/;
const hex = (text: string) => Buffer.from(text, "hex");
const lease = (dataKey: Buffer) => ({
  dataKey: async () => dataKey,
  valid: () => true,
  onEnd: () => undefined,
  release: () => undefined,
});

beforeAll(() => sodium.ready);

describe.each(recordings)("test vector: $name", (vector) => {
  const recording = Buffer.from(vector.recording, "base64");
  const plaintext = plaintextOf(vector.plaintextSize);

  it("opens with the pair's private key", async () => {
    const header = decodeHeader(hex(vector.header));
    const recipient = header.recipients.find(({ birthRecord }) => hex(vector.birthRecord.bytes).equals(birthRecord));
    expect(Buffer.from(recipient!.birthRecord).equals(hex(vector.birthRecord.bytes))).toBe(true);
    const birth = decodeBirthRecord(recipient!.birthRecord);
    const { bytes: _bytes, ...told } = vector.birthRecord;
    expect(birth).toMatchObject(told);
    expect(encryptionContextOf({ birth, birthRecord: Buffer.from(recipient!.birthRecord) }, "private-key")).toEqual(
      vector.encryptionContext,
    );
    const key = importUnwrappingKey(birth.spec, hex(vector.privateKey));
    expect(key.publicKey.equals(hex(vector.publicKey))).toBe(true);
    for (const input of [recording, Readable.from([recording])]) {
      const { body, header: opened } = await decryptBody(input as Readable, {
        open: async () => lease(key.unwrap(recipient!.wrappedDataKey)),
      });
      expect(opened.metadata && JSON.stringify(opened.metadata)).toBe(vector.metadata);
      expect((await collect(body)).equals(plaintext)).toBe(true);
    }
    if (!notWritten.test(vector.name)) expect(encodeHeader(header).equals(hex(vector.header))).toBe(true);
  });

  it("opens by docs/FORMAT.md alone, without this library", () => {
    const length = 12 + recording.readUInt32BE(8);
    const header = recording.subarray(0, length);
    const fields = readFields(header.subarray(12));
    const recipients = fields.get(4)!;
    const found = wrappedKeysOf(recipients).find((key) => key.get(1)?.equals(hex(vector.birthRecord.bytes)));
    const [birthRecord, wrapped] = [found!.get(1)!, found!.get(2)!];
    expect(createHash("sha256").update(birthRecord).digest("base64url")).toBe(
      vector.encryptionContext["recording-keystore:birth-record"],
    );
    const dataKey =
      readFields(birthRecord.subarray(8)).get(4)!.toString() === "X25519"
        ? sodium.crypto_box_seal_open(wrapped, hex(vector.publicKey), hex(vector.privateKey))
        : privateDecrypt(
            {
              key: createPrivateKey({ key: hex(vector.privateKey), format: "der", type: "pkcs8" }),
              padding: constants.RSA_PKCS1_OAEP_PADDING,
              oaepHash: "sha256",
            },
            wrapped,
          );
    expect(Buffer.from(dataKey).toString("hex")).toBe(vector.dataKey);
    const parameters = {
      ENC_SEG_LEN: fields.get(5)!.readUInt32BE(0),
      AEAD_ROTATION_MASK: 20,
      RND: () => Buffer.alloc(0),
    };
    const lengthIn = (tag: number) => fields.get(tag)?.readUInt32BE(0) ?? 0;
    const [metadataEnd, end] = [length + lengthIn(8), recording.length - lengthIn(12)];
    const payload = recording.subarray(metadataEnd + lengthIn(11), end);
    expect(decryptAll(parameters, dataKey, header, payload).equals(plaintext)).toBe(true);
    if (vector.metadata === undefined) return;
    const section = recording.subarray(length, metadataEnd);
    expect(section.toString("hex")).toBe(vector.metadataSection);
    const aad = Buffer.concat([header, Buffer.from("recording-keystore metadata v1")]);
    expect(
      decryptAll({ ...parameters, ENC_SEG_LEN: 65_568 }, dataKey, aad, section)
        .toString()
        .trimEnd(),
    ).toBe(vector.metadata);
  });
});

it.each(refused)("refused test vector: $name", async ({ code, dataKey, recording }) => {
  const bytes = Buffer.from(recording, "base64");
  const open = async () => lease(hex(dataKey));
  await expect(decryptBody(bytes, { open })).rejects.toMatchObject({ code });
  const streamed = decryptBody(Readable.from([bytes]), { open }).then(({ body }) => collect(body));
  await expect(streamed).rejects.toMatchObject({ code });
});

it.each(more.refusedHeaders)("refused header: $name", async ({ code, header }) => {
  await expect(decryptBody(hex(header), { open: async () => lease(Buffer.alloc(32)) })).rejects.toMatchObject({ code });
  await expect(inspectRecording(hex(header))).rejects.toMatchObject({ code });
});

it.each(more.refusedBirthRecords)("refused birth record: $name", ({ code, bytes }) => {
  expect(() => decodeBirthRecord(hex(bytes))).toThrow(expect.objectContaining({ code }));
});

describe("the key pairs of a history in a store", () => {
  it.each(more.keyPairs)("open their recordings, by either wrapping: $name", async ({ recording, ...pair }) => {
    for (const refuseFirst of [false, true]) {
      const owner = await keyStoreOf(more.keyPairs, refuseFirst);
      const opened = await owner.decryptRecording(Buffer.from(recording, "base64"), { recordingId: "call-4711" });
      expect(plaintextOf(100).equals(opened.body), pair.name).toBe(true);
      await owner.close();
    }
  });

  it("are a chain that begins with the newest, confirmed by its attestation", async () => {
    const owner = await keyStoreOf(more.keyPairs, false);
    expect((await owner.keyPairs()).items.map(({ keyPairId }) => keyPairId)).toEqual(["pair-2", "pair-1"]);
    expect(await owner.encryptRecording(Buffer.from("a"), { recordingId: "r" })).toMatchObject({
      keyPairId: "pair-2",
      confirmation: "confirmed",
    });
    await owner.close();
  });
});

/** A key store on these records, whose KMS answers as the vectors say. @param refuseFirst - refuses the pairs' own KMS key */
async function keyStoreOf(pairs: readonly PairVector[], refuseFirst: boolean): Promise<RecordingKeyStore> {
  const store = new MemoryKeyPairStore();
  let head: string | undefined;
  for (const pair of pairs) {
    const { organizationId, keyPairId, sequence } = decodeBirthRecord(hex(pair.birthRecord));
    await store.createKeyPair({ organizationId, keyPairId, sequence, document: Buffer.from(pair.record) });
    const { wrappingId, record } = pair.furtherWrapping;
    await store.createWrapping(organizationId, keyPairId, { wrappingId, document: Buffer.from(record) });
    head = pair.head;
  }
  const organizationId = "5b8a1c1e-0000-4000-8000-000000000001";
  await store.swapHead(organizationId, undefined, Buffer.from(head!));
  const refuse = (operation: string) => Promise.reject(kmsError("key-disabled", { operation, message: "not here" }));
  const sorted = (context: Readonly<Record<string, string>>) => JSON.stringify(Object.entries(context).sort());
  const kms: KmsProvider = {
    describeKey: () => refuse("DescribeKey"),
    encrypt: () => refuse("Encrypt"),
    generateDataKeyPair: () => refuse("GenerateDataKeyPair"),
    decrypt: async ({ keyId, ciphertext, encryptionContext }) => {
      const answer = pairs
        .flatMap(({ kmsDecrypt }) => kmsDecrypt)
        .find((call) => hex(call.ciphertext).equals(ciphertext) && call.kmsKeyArn === keyId);
      if (refuseFirst && keyId === pairs[0]!.kmsDecrypt[0]!.kmsKeyArn) return refuse("Decrypt");
      if (!answer || sorted(answer.encryptionContext) !== sorted(encryptionContext))
        throw kmsError("invalid-ciphertext", { operation: "Decrypt", message: "another context" });
      return { keyArn: keyId, plaintext: hex(answer.plaintext) };
    },
  };
  return new RecordingKeyStore({
    organizationId,
    homeRegion: "eu-west-1",
    kms,
    store,
    trustedKmsKeys: ["111122223333"],
    lastConfirmed: new MemoryLastConfirmedStore(),
    background: false,
  });
}

function wrappedKeysOf(bytes: Buffer): Map<number, Buffer>[] {
  const keys: Map<number, Buffer>[] = [];
  for (let offset = 0; offset < bytes.length; offset += 2 + bytes.readUInt16BE(offset))
    keys.push(readFields(bytes.subarray(offset + 2, offset + 2 + bytes.readUInt16BE(offset))));
  return keys;
}

function readFields(bytes: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  for (let offset = 0; offset < bytes.length;) {
    const end = offset + 4 + bytes.readUInt16BE(offset + 2);
    fields.set(bytes.readUInt16BE(offset) & 0x7fff, bytes.subarray(offset + 4, end));
    offset = end;
  }
  return fields;
}
