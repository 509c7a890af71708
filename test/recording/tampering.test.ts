import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { atLength, effort } from "../support/effort.js";
import { capacity, decrypt, encryptWithMetadata, header, released, segmentLength } from "./support.js";

const plaintext = randomBytes(2 * capacity + 100);
const make = (content: Uint8Array) =>
  encryptWithMetadata(
    content,
    { from: "+49 30 1234567" },
    {
      publicMetadata: { codec: "opus" },
      recipients: [{ birthRecord: Buffer.from("birth"), wrappedDataKey: Buffer.alloc(80, 7) }],
    },
  );
const { encrypted, headerBytes, section, payload, start } = await make(plaintext);
const codes = /^ERR_(RECORDING_TAMPERED|RECORDING_TRUNCATED|FORMAT_INVALID|FORMAT_TOO_NEW)$/;

/** Rejected with a code of the list, and nothing released but whole verified segments from the beginning. */
async function expectRejected(tampered: Uint8Array, what: string): Promise<void> {
  const { plaintext: out, error } = await released(tampered);
  expect(error?.code, what).toMatch(codes);
  expect(out.length % capacity, what).toBe(0);
  expect(out.equals(plaintext.subarray(0, out.length)), what).toBe(true);
  // Bytes go another way than streams.
  await expect(decrypt(tampered), `${what}, as bytes`).rejects.toMatchObject({ code: expect.stringMatching(codes) });
}

const flip = (bytes: Buffer, bit: number) => {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
};

describe("a changed recording is rejected", () => {
  it("at every bit of the headers and the metadata", async () => {
    for (let bit = 0; bit < start * 8; bit += effort(atLength(1, 5), 23))
      await expectRejected(flip(encrypted, bit), `header bit ${bit}`);
  });

  it("at 2,000 random bits of the segments", async () => {
    for (let round = 0; round < effort(atLength(2_000, 400), 40); round += 1) {
      const bit = start * 8 + Math.floor(Math.random() * (encrypted.length - start) * 8);
      await expectRejected(flip(encrypted, bit), `bit ${bit}`);
    }
  });

  it("when cut anywhere near a boundary, or within the header", async () => {
    const cuts = new Set<number>();
    for (let length = 0; length < start + 40; length += effort(1, 7)) cuts.add(length);
    for (let boundary = start; boundary <= encrypted.length; boundary += segmentLength)
      for (const off of [-1, 0, 1]) cuts.add(boundary + off);
    for (const cut of cuts)
      if (cut < encrypted.length) await expectRejected(encrypted.subarray(0, cut), `cut at ${cut}`);
    await expectRejected(encrypted.subarray(0, encrypted.length - 1), "the last byte");
  });

  it("as bytes, when cut in another step than the one that it begins with", async () => {
    const long = await make(randomBytes(130 * capacity + 5)); // steps of 64 segments
    for (const segments of [63, 64, 65, 128, 130]) {
      for (let off = -34; off <= 40; off += effort(1, 15)) {
        const cut = long.encrypted.subarray(0, long.start + segments * segmentLength + off);
        if (cut.length < long.encrypted.length)
          await expect(decrypt(cut), `${segments} segments and ${off}`).rejects.toMatchObject({
            code: "ERR_RECORDING_TRUNCATED",
          });
      }
    }
  });

  it("when segments are swapped, doubled, dropped, spliced or followed by anything", async () => {
    const { encrypted: other, section: otherSection } = await make(randomBytes(plaintext.length)); // same header, same key
    const foreign = await encryptWithMetadata(plaintext, { from: "+49 30 1234567" }, { recordingId: "recording-2" });
    const short = await make(randomBytes(256));
    expect(short.encrypted.length - short.payload).toBe(section.length);
    const part = (bytes: Buffer, index: number) =>
      bytes.subarray(start + index * segmentLength, Math.min(bytes.length, start + (index + 1) * segmentLength));
    const head = encrypted.subarray(0, start);
    const [a, b, c] = [part(encrypted, 0), part(encrypted, 1), part(encrypted, 2)];
    const cases: Record<string, Buffer[]> = {
      swapped: [head, b, a, c],
      doubled: [head, a, a, b, c],
      dropped: [head, a, c],
      "first dropped": [head, b, c],
      "last moved up": [head, c],
      "last doubled": [head, a, b, c, c],
      "spliced segment": [head, part(other, 0), b, c],
      "spliced last": [head, a, b, part(other, 2)],
      "other FLOE header": [encrypted.subarray(0, payload), other.subarray(payload, start), a, b, c],
      "other header": [header(), encrypted.subarray(headerBytes.length)],
      "other header without metadata": [header(), encrypted.subarray(payload)],
      "metadata removed": [headerBytes, encrypted.subarray(payload)],
      "metadata doubled": [headerBytes, section, encrypted.subarray(headerBytes.length)],
      "metadata of another recording": [headerBytes, foreign.section, encrypted.subarray(payload)],
      "metadata's FLOE header of another sealing": [
        headerBytes,
        otherSection.subarray(0, 74),
        section.subarray(74),
        encrypted.subarray(payload),
      ],
      "metadata's segment of another sealing": [
        headerBytes,
        section.subarray(0, 74),
        otherSection.subarray(74),
        encrypted.subarray(payload),
      ],
      "metadata replaced by payload": [
        headerBytes,
        encrypted.subarray(payload, payload + section.length),
        encrypted.subarray(payload),
      ],
      "metadata replaced by a payload of its own length": [
        headerBytes,
        short.encrypted.subarray(short.payload),
        encrypted.subarray(payload),
      ],
      "payload replaced by metadata": [headerBytes, section, section],
      "metadata behind the payload": [headerBytes, encrypted.subarray(payload), section],
      "one byte behind": [encrypted, Buffer.from([0])],
      "a recording behind": [encrypted, encrypted],
      "inner said to be last": [head, a, Buffer.concat([lengthField(segmentLength), b.subarray(4)])],
      "last said to be inner": [head, a, b, Buffer.concat([lengthField(0xffffffff), c.subarray(4)])],
      "short tag": [head, a, b, Buffer.concat([lengthField(c.length - 4), c.subarray(4, -4)])],
      "length of 31": [head, lengthField(31), a.subarray(4, 31)],
      "length of 0": [head, lengthField(0)],
      "length beyond the segment": [head, lengthField(segmentLength + 1), a.subarray(4), b],
    };
    for (const [what, pieces] of Object.entries(cases)) await expectRejected(Buffer.concat(pieces), what);
  });

  it("without taking memory for a length it only claims", async () => {
    const claims = Buffer.from(headerBytes);
    claims.writeUInt32BE(0xffffffff, 8);
    const before = process.memoryUsage().arrayBuffers;
    expect((await released(claims)).error).toMatchObject({ code: "ERR_FORMAT_INVALID" });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  });
});

function lengthField(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
