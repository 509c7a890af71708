import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { bytesSource, inspectRecording } from "../../src/index.js";
import { createTestKeyStore } from "../../src/testing/index.js";
import { birthBytesOf, soundBirth } from "../attacks/made-recordings.js";
import { field, fieldBytes, headerOf, u16, u32 } from "../format/recording-writer.js";
import { effort } from "../support/effort.js";

const { keyStore, kms, kmsKeyArn, kmsKeyAliasArn } = await createTestKeyStore();
const { body, keyPairId } = await keyStore.encryptRecording(randomBytes(10_000), {
  recordingId: "call-1",
  segmentSize: 4_096,
  publicMetadata: { codec: "opus" },
  metadata: { from: "+49 30 1234567" },
});
const encrypted = Buffer.from(body);

const wrapped = (fields: Parameters<typeof fieldBytes>[0]) => {
  const bytes = fieldBytes(fields);
  return Buffer.concat([u16(bytes.length), bytes]);
};
const sound = birthBytesOf(soundBirth(kmsKeyAliasArn));
/** A header with these wrapped data keys, and fields of later versions. */
const headerWith = (keys: readonly Buffer[], ...more: ReturnType<typeof field>[]) =>
  headerOf([
    ...["org-1", "call-1", "main"].map((text, index) => field(index + 1, true, text)),
    field(4, true, Buffer.concat(keys)),
    field(5, true, u32(4_096)),
    field(6, false, Uint8Array.of(2)),
    ...more,
  ]);

describe("what anybody can read of a recording", () => {
  it("is everything in its header, without a call to KMS, and said not to be authenticated", async () => {
    const before = kms.journal.count();
    const found = await inspectRecording(encrypted);
    expect(kms.journal.count()).toBe(before);
    expect(found).toEqual({
      authenticated: false,
      formatVersion: 1,
      organizationId: "org-1",
      recordingId: "call-1",
      asset: "main",
      keyPairId,
      wrappedDataKeys: [
        {
          keyPair: {
            organizationId: "org-1",
            keyPairId,
            sequence: 1,
            spec: "X25519",
            createdAt: expect.any(Number) as number,
            kmsKeyAliasArn,
            periodicKeyChange: "monthly",
            contextKeyName: "genesys-cloud-organization-id",
            purpose: "key-pair",
            reason: "configure",
          },
          wrappedSize: 80,
          embeddedKey: { kmsKeyArn, wrappedSize: expect.any(Number) as number },
        },
      ],
      laterDataKeys: 0,
      confirmation: "confirmed",
      publicMetadata: { codec: "opus" },
      segmentSize: 4_096,
      preambleSize: 12 + encrypted.readUInt32BE(8) + 106 + 256 + 74,
      metadataSize: 106 + 256,
      encryptedSize: encrypted.length,
      plaintextSize: 10_000,
    });
  });

  it("is the same of a source, and of streams but for the sizes that they do not tell", async () => {
    const { encryptedSize, plaintextSize, ...told } = await inspectRecording(encrypted);
    expect(await inspectRecording(bytesSource(encrypted))).toEqual({ ...told, encryptedSize, plaintextSize });
    const readable = Readable.from([encrypted.subarray(0, 5), encrypted.subarray(5)]);
    expect(await inspectRecording(readable)).toEqual(told);
    expect(readable.destroyed).toBe(true);
    expect(await inspectRecording(new Blob([Uint8Array.from(encrypted)]).stream())).toEqual(told);
  });

  it("needs no byte behind the header, and tells no plaintext's size that no recording has", async () => {
    const header = encrypted.subarray(0, 12 + encrypted.readUInt32BE(8));
    expect(await inspectRecording(header)).not.toHaveProperty("plaintextSize");
    await expect(inspectRecording(header.subarray(0, -1))).rejects.toMatchObject({ code: "ERR_RECORDING_TRUNCATED" });
  });

  it("leaves out what later versions add, and counts their wrapped data keys", async () => {
    const known = wrapped([field(1, true, sound), field(2, true, randomBytes(80))]);
    const laterSpec = birthBytesOf(soundBirth(kmsKeyAliasArn), { spec: "MLKEM768-X25519" });
    const found = await inspectRecording(
      headerWith(
        [
          wrapped([field(7, true, "a key of another kind")]),
          wrapped([field(1, true, laterSpec), field(2, true, randomBytes(1_200))]),
          known,
        ],
        field(11, true, u32(9)),
        field(12, true, u32(10)),
        field(500, false, "of a later version"),
      ),
    );
    expect(found).toMatchObject({ keyPairId: "not-in-the-store", laterDataKeys: 2, confirmation: "unconfirmed" });
    expect(found.wrappedDataKeys).toMatchObject([{ wrappedSize: 1_200 }, { wrappedSize: 80 }]);
  });

  it.each([
    [
      "a critical field of a later version",
      headerWith([wrapped([field(1, true, sound), field(2, true, "k")])], field(600, true, "x")),
      "ERR_FORMAT_TOO_NEW",
    ],
    ["wrapped data keys of later versions alone", headerWith([wrapped([field(7, true, "x")])]), "ERR_FORMAT_TOO_NEW"],
    [
      "a birth record that breaks a rule",
      headerWith([
        wrapped([field(1, true, birthBytesOf(soundBirth(kmsKeyAliasArn), { sequence: 0 })), field(2, true, "k")]),
      ]),
      "ERR_FORMAT_INVALID",
    ],
    ["something else", Buffer.from("RIFF....WAVEfmt "), "ERR_FORMAT_INVALID"],
  ])("is refused of %s", async (_, bytes, code) => {
    await expect(inspectRecording(bytes)).rejects.toMatchObject({ code });
  });

  it("fails with typed errors for any damage of the header", async () => {
    const end = 12 + encrypted.readUInt32BE(8);
    for (let bit = 0; bit < end * 8; bit += effort(1, 29)) {
      const changed = Buffer.from(encrypted);
      changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
      await inspectRecording(changed).catch((error: unknown) =>
        expect((error as { code: string }).code, `bit ${bit}`).toMatch(
          /^ERR_(FORMAT_(INVALID|TOO_NEW)|RECORDING_TRUNCATED)$/,
        ),
      );
    }
  });

  it("ends with its signal, and names what is no recording", async () => {
    const reason = new Error("left");
    for (const input of [encrypted, bytesSource(encrypted), new Readable({ read: () => undefined })])
      await expect(inspectRecording(input, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(inspectRecording("call.rec" as never)).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "recording",
    });
  });
});
