import { constants, createHash, createPrivateKey, privateDecrypt } from "node:crypto";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import sodium from "libsodium-wrappers";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeBirthRecord } from "../../src/format/birth-record.js";
import { encryptionContextOf } from "../../src/key-pairs/key-pair.js";
import { importUnwrappingKey } from "../../src/format/data-key-wrapping.js";
import { decryptBody } from "../../src/recording/bodies.js";
import { decodeHeader, encodeHeader } from "../../src/format/header.js";
import { decryptAll } from "../format/floe-oracle.js";
import { collect } from "./support.js";

interface Vector {
  name: string;
  plaintextSize: number;
  birthRecord: { spec: "X25519" | "RSA_2048"; bytes: string };
  encryptionContext: Record<string, string>;
  privateKey: string;
  publicKey: string;
  dataKey: string;
  header: string;
  metadata?: string;
  metadataSection?: string;
  recording: string;
}
const { recordings, refused } = JSON.parse(
  readFileSync(new URL("../vectors/recordings.json", import.meta.url), "utf8"),
) as {
  recordings: Vector[];
  refused: { name: string; code: string; dataKey: string; recording: string }[];
};
const hex = (text: string) => Buffer.from(text, "hex");
const plaintextOf = (size: number) => Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + 7) % 251));
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
    const [recipient] = header.recipients;
    expect(Buffer.from(recipient!.birthRecord).equals(hex(vector.birthRecord.bytes))).toBe(true);
    const birth = decodeBirthRecord(recipient!.birthRecord);
    expect(JSON.parse(JSON.stringify(birth))).toEqual({ ...vector.birthRecord, bytes: undefined });
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
    if (!vector.name.includes("later version")) expect(encodeHeader(header).equals(hex(vector.header))).toBe(true);
  });

  it("opens by docs/FORMAT.md alone, without this library", () => {
    const length = 12 + recording.readUInt32BE(8);
    const header = recording.subarray(0, length);
    const fields = readFields(header.subarray(12));
    const recipients = fields.get(4)!;
    const recipient = readFields(recipients.subarray(2, 2 + recipients.readUInt16BE(0)));
    const [birthRecord, wrapped] = [recipient.get(1)!, recipient.get(2)!];
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
    const payload = length + (fields.get(8)?.readUInt32BE(0) ?? 0);
    expect(decryptAll(parameters, dataKey, header, recording.subarray(payload)).equals(plaintext)).toBe(true);
    if (vector.metadata === undefined) return;
    const section = recording.subarray(length, payload);
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

function readFields(bytes: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  for (let offset = 0; offset < bytes.length;) {
    const end = offset + 4 + bytes.readUInt16BE(offset + 2);
    fields.set(bytes.readUInt16BE(offset) & 0x7fff, bytes.subarray(offset + 4, end));
    offset = end;
  }
  return fields;
}
