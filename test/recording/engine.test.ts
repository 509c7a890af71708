import { randomBytes } from "node:crypto";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FloeDecryptor, FloeEncryptor } from "../../src/format/floe.js";
import { isInnerSegment, segmentParts } from "../../src/format/segment-parts.js";
import { encryptBody } from "../../src/recording/bodies.js";
import { effort, mutating } from "../support/effort.js";
import { decryptAll, encryptAll, type Parameters } from "../format/floe-oracle.js";
import { capacity, chunks, collect, dataKey, decrypt, encrypt, header, segmentLength } from "./support.js";
import { encryptedSize } from "../../src/format/segments.js";

const key = randomBytes(32);
const sizes = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 }))
    .map(([count, off]) => Math.max(0, count * 32 + off)),
);

describe("FLOE, against a transcription of its specification", () => {
  const segments = fc.integer({ min: 33, max: 64 });
  const masks = fc.integer({ min: 0, max: 3 });
  const parametersOf = (ENC_SEG_LEN: number, AEAD_ROTATION_MASK: number): Parameters => ({
    ENC_SEG_LEN,
    AEAD_ROTATION_MASK,
    RND: (length) => randomBytes(length),
  });

  it("the oracle decrypts what we encrypt", () => {
    fc.assert(
      fc.property(sizes, segments, masks, fc.uint8Array({ maxLength: 50 }), (size, ENC_SEG_LEN, rotationMask, aad) => {
        const plaintext = randomBytes(size);
        const floe = new FloeEncryptor(key, aad, { segmentLength: ENC_SEG_LEN, rotationMask });
        const parts = [floe.header];
        const room = ENC_SEG_LEN - 32;
        let offset = 0;
        for (; plaintext.length - offset > room; offset += room)
          parts.push(...floe.segment([plaintext.subarray(offset, offset + room)], false));
        parts.push(...floe.segment([plaintext.subarray(offset)], true));
        expect(
          decryptAll(parametersOf(ENC_SEG_LEN, rotationMask), key, aad, Buffer.concat(parts)).equals(plaintext),
        ).toBe(true);
      }),
    );
  });

  it("we decrypt what the oracle encrypts, with a full last segment and with an empty one", () => {
    fc.assert(
      fc.property(sizes, segments, masks, fc.boolean(), (size, ENC_SEG_LEN, rotationMask, emptyLast) => {
        const plaintext = randomBytes(size);
        const aad = Buffer.from("aad");
        const ciphertext = encryptAll(parametersOf(ENC_SEG_LEN, rotationMask), key, aad, plaintext, emptyLast);
        const floe = new FloeDecryptor(key, aad, ciphertext.subarray(0, 74), {
          segmentLength: ENC_SEG_LEN,
          rotationMask,
        });
        const parts: Buffer[] = [];
        for (let offset = 74, position = 0; offset < ciphertext.length; position += 1) {
          const field = ciphertext.readUInt32BE(offset);
          const end = offset + (isInnerSegment(field) ? ENC_SEG_LEN : field);
          parts.push(...floe.segment(segmentParts(ciphertext.subarray(offset, end)), position, !isInnerSegment(field)));
          offset = end;
        }
        expect(Buffer.concat(parts).equals(plaintext)).toBe(true);
      }),
    );
  });

  // In processes of their own, which know nothing of a mutant.
  it.skipIf(mutating)(
    "passes known answers: those published with FLOE where they are at hand, and the oracle's own",
    () => {
      const own = mkdtempSync(join(tmpdir(), "floe-kats-"));
      for (const [name, ENC_SEG_LEN, mask] of [
        ["oracle_64", 64, 20],
        ["oracle_rotation", 40, 2],
        ["oracle_4K", 4_096, 20],
      ] as const) {
        const plaintext = randomBytes(10 * ENC_SEG_LEN + 7);
        const ciphertext = encryptAll(
          parametersOf(ENC_SEG_LEN, mask),
          Buffer.alloc(32),
          Buffer.from("This is AAD"),
          plaintext,
        );
        writeFileSync(join(own, `${name}_pt.txt`), plaintext.toString("hex"));
        writeFileSync(join(own, `${name}_ct.txt`), ciphertext.toString("hex").toUpperCase());
      }
      const published = fileURLToPath(new URL("../../../shared/vectors/floe/", import.meta.url));
      for (const folder of existsSync(published) ? [own, published] : [own]) {
        const run = spawnSync(process.execPath, ["--import", "tsx", "scripts/floe-kats.ts", folder], {
          encoding: "utf8",
        });
        expect(run.stdout).toMatch(/^[1-9]\d* passed, 0 failed$/m);
      }
      writeFileSync(join(own, "oracle_64_pt.txt"), "00");
      expect(
        spawnSync(process.execPath, ["--import", "tsx", "scripts/floe-kats.ts", own], { encoding: "utf8" }),
      ).toMatchObject({ status: 1, stdout: expect.stringMatching(/2 passed, 1 failed\n$/) });
      rmSync(own, { recursive: true });
    },
  );
});

describe("recordings", () => {
  const boundaries = [0, 1, 2]
    .flatMap((count) => [-1, 0, 1].map((off) => count * capacity + off))
    .filter((size) => size >= 0);

  it.each(boundaries)("of %i bytes come back in every shape", async (size) => {
    const plaintext = randomBytes(size);
    const headerBytes = header();
    const request = () => ({ header: headerBytes, dataKey: Buffer.from(dataKey), segmentLength });
    for (const chunkSize of size < effort(5_000, 100) ? [1, 100, 4_064, 10_000] : [100, 4_064, 10_000]) {
      const inputs = [
        plaintext,
        Readable.from(chunks(plaintext, chunkSize)),
        ReadableStream.from(chunks(plaintext, chunkSize)),
        reusing(plaintext, chunkSize),
      ];
      for (const input of inputs) {
        const { body } = await encryptBody(input as Uint8Array, request());
        expect(body).toBeInstanceOf(
          input instanceof Uint8Array ? Uint8Array : input instanceof Readable ? Readable : ReadableStream,
        );
        const encrypted = await collect(body);
        expect(encrypted.length).toBe(encryptedSize(size, { preambleLength: headerBytes.length + 74, segmentLength }));
        for (const source of [
          encrypted,
          Readable.from(chunks(encrypted, chunkSize)),
          ReadableStream.from(chunks(encrypted, chunkSize)),
          reusing(encrypted, chunkSize),
        ]) {
          expect((await decrypt(source as Uint8Array)).equals(plaintext)).toBe(true);
        }
      }
    }
  });

  it("decrypt under the specification's oracle, with the header as associated data", async () => {
    const plaintext = randomBytes(3 * capacity);
    const headerBytes = header();
    const encrypted = await encrypt(plaintext, headerBytes);
    const parameters = {
      ENC_SEG_LEN: segmentLength,
      AEAD_ROTATION_MASK: 20,
      RND: (length: number) => randomBytes(length),
    };
    expect(decryptAll(parameters, dataKey, headerBytes, encrypted.subarray(headerBytes.length)).equals(plaintext)).toBe(
      true,
    );
    expect(
      (
        await decrypt(Buffer.concat([headerBytes, encryptAll(parameters, dataKey, headerBytes, plaintext, true)]))
      ).equals(plaintext),
    ).toBe(true);
  });
});

/** A source that fills one and the same buffer again and again, as some recorders do. */
async function* reusing(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(size);
  for (const chunk of chunks(bytes, size)) {
    chunk.copy(buffer);
    yield buffer.subarray(0, chunk.length);
    buffer.fill(0xff);
  }
}
