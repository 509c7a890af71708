import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { InvalidInputError } from "../../src/errors.js";
import { decryptBody, encryptBody } from "../../src/recording/bodies.js";
import { canonicalJson } from "../../src/format/canonical-json.js";
import { FloeDecryptor } from "../../src/format/floe.js";
import { encodeMetadata, metadataSectionLength, openMetadata } from "../../src/format/metadata.js";
import { RecordingEncryptor } from "../../src/recording/encryptor.js";
import { bytesSource, type RandomAccessSource } from "../../src/recording/random-access-source.js";
import { readMetadata } from "../../src/recording/read-metadata.js";
import { SegmentReader } from "../../src/recording/reader/segment-reader.js";
import { atLength, effort } from "../support/effort.js";
import { decryptAll, encryptAll } from "./floe-oracle.js";
import {
  capacity,
  chunks,
  collect,
  dataKey,
  encrypt,
  encryptWithMetadata,
  header,
  lease,
  type LeaseState,
  segmentLength,
} from "../recording/support.js";
import { encryptedSize } from "../../src/format/segments.js";

const open = async () => lease();
const request = { open, checkNames: () => undefined };
const objects = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ stringUnit: "grapheme" }), {
  maxKeys: 6,
});
const parameters = { ENC_SEG_LEN: 65_568, AEAD_ROTATION_MASK: 20, RND: (length: number) => randomBytes(length) };
const label = Buffer.from("recording-keystore metadata v1");
const tampered = { code: "ERR_RECORDING_TAMPERED" };

describe("encrypted metadata", () => {
  it("comes back by every way of opening, and the recording with it", async () => {
    await fc.assert(
      fc.asyncProperty(
        objects,
        fc.integer({ min: 0, max: 2 * capacity }),
        fc.constantFrom(effort(1, 50), 100, 4_096, 100_000),
        async (metadata, size, chunkSize) => {
          const plaintext = randomBytes(size);
          const { encrypted, headerBytes, section, start } = await encryptWithMetadata(plaintext, metadata);
          const seen: unknown = JSON.parse(JSON.stringify(metadata));
          expect(encrypted.length).toBe(
            encryptedSize(size, { preambleLength: headerBytes.length + section.length + 74, segmentLength }),
          );
          expect((start + 16) % 32).toBe(0); // the first segment's ciphertext
          for (const input of [
            encrypted,
            Readable.from(chunks(encrypted, chunkSize)),
            ReadableStream.from(chunks(encrypted, chunkSize)),
          ]) {
            const { header: opened, body } = await decryptBody(input as Uint8Array, { open });
            expect(opened.metadata).toEqual(seen);
            expect((await collect(body)).equals(plaintext)).toBe(true);
          }
          const reader = await SegmentReader.open(bytesSource(encrypted), {
            ...request,
            open: async () => ({ lease: lease(), keyPairId: "" }),
          });
          expect(reader.metadata).toEqual(seen);
          expect((await reader.read(0, size)).equals(plaintext)).toBe(true);
          for (const input of [
            encrypted,
            bytesSource(encrypted),
            Readable.from(chunks(encrypted, chunkSize)),
            ReadableStream.from(chunks(encrypted, chunkSize)),
          ]) {
            expect((await readMetadata(input as Uint8Array, request)).metadata).toEqual(seen);
          }
        },
      ),
      { numRuns: effort(atLength(40, 8), 4) },
    );
  });

  it("is a FLOE message of its own under the specification's oracle, either way", async () => {
    await fc.assert(
      fc.asyncProperty(objects, async (metadata) => {
        const { headerBytes, section } = await encryptWithMetadata(randomBytes(10), metadata);
        const text = Buffer.from(canonicalJson(JSON.parse(JSON.stringify(metadata))));
        const padded = Buffer.concat([text, Buffer.alloc((256 - (text.length % 256)) % 256, " ")]);
        const aad = Buffer.concat([headerBytes, label]);
        expect(decryptAll(parameters, dataKey, aad, section).equals(padded)).toBe(true);
        expect(openMetadata(encryptAll(parameters, dataKey, aad, padded), headerBytes, dataKey)).toEqual(
          JSON.parse(text.toString()),
        );
      }),
    );
  });

  it("costs nothing where there is none", async () => {
    const plaintext = randomBytes(100);
    const headerBytes = header();
    const encrypted = await encrypt(plaintext, headerBytes);
    expect(encrypted.length).toBe(headerBytes.length + 74 + 100 + 32);
    const opened = await readMetadata(encrypted, request);
    expect("metadata" in opened || "metadataLength" in opened).toBe(false);
  });

  it("has at most 65,536 bytes of JSON, and shows its length in steps of 256 bytes", async () => {
    const of = (bytes: number) => ({ a: "x".repeat(bytes - 8) });
    for (const [bytes, padded] of [
      [8, 256],
      [256, 256],
      [257, 512],
      [65_536, 65_536],
    ] as const) {
      const { encrypted, section } = await encryptWithMetadata(randomBytes(10), of(bytes));
      expect(section.length).toBe(74 + 32 + padded);
      expect((await readMetadata(encrypted, request)).metadata).toEqual(of(bytes));
    }
    expect(() => encodeMetadata(of(65_537))).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_INPUT", field: "metadata" }),
    );
  });

  const secret = "+49 30 1234567";
  it.each([
    ["a cycle", Object.assign(((value: Record<string, unknown>) => (value["self"] = value))({ secret }))],
    ["a BigInt", { secret, a: 1n }],
    ["a lone surrogate", { a: `${secret}\ud800` }],
    ["200 levels", JSON.parse(`{"secret":${"[".repeat(200)}${JSON.stringify(secret)}${"]".repeat(200)}}`)],
    ["toJSON that gives a text", { toJSON: () => secret }],
    ["toJSON that fails", { toJSON: () => JSON.parse(secret) as unknown }],
  ])("is refused with %s, without showing it", (_what, metadata: Record<string, unknown>) => {
    let error: unknown;
    try {
      encodeMetadata(metadata);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InvalidInputError);
    expect(error).toMatchObject({ field: "metadata" });
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain("1234567");
  });

  it.each([
    ["white space", `{"a": 1}${" ".repeat(248)}`],
    ["no padding", '{"a":1}'],
    ["a block of padding too many", `{"a":1}${" ".repeat(505)}`],
    ["other padding", `{"a":1}${"\n".repeat(249)}`],
    ["text behind", `{"a":1}{}${" ".repeat(247)}`],
    ["an array", `[1]${" ".repeat(253)}`],
    ["spaces only", " ".repeat(256)],
    ["a byte order mark", `\ufeff{"a":1}${" ".repeat(246)}`],
    [
      "no UTF-8",
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}'), Buffer.alloc(246, " ")]),
    ],
  ])("of another writer that holds %s is refused", async (_what, text) => {
    const headerBytes = header({ metadataLength: 74 + 32 + 256 });
    const section = encryptAll(parameters, dataKey, Buffer.concat([headerBytes, label]), Buffer.from(text));
    const error = await Promise.resolve()
      .then(() => openMetadata(section, headerBytes, dataKey))
      .catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({
      code: "ERR_FORMAT_INVALID",
      message: "its metadata is not a canonical JSON object, padded with spaces",
    });
  });

  it("reports a change, wherever it is", async () => {
    const { headerBytes, section } = await encryptWithMetadata(randomBytes(10), { a: 1 });
    for (const at of [0, 9, 10, 42, 73, 74, 78, 90, section.length - 1]) {
      const changed = Buffer.from(section);
      changed[at]! ^= 1;
      expect(() => openMetadata(changed, headerBytes, dataKey)).toThrow(
        expect.objectContaining({
          ...tampered,
          message: "the recording's metadata was changed, or belongs to another recording",
        }) as Error,
      );
    }
  });

  it("is wiped from every buffer in between", async () => {
    const { headerBytes, section } = await encryptWithMetadata(randomBytes(10), { from: "+49 30 1234567" });
    const made: Buffer[] = [];
    const spies = [vi.spyOn(Buffer, "concat"), vi.spyOn(FloeDecryptor.prototype, "segment"), vi.spyOn(Buffer, "from")];
    encodeMetadata({ from: "+49 30 1234567" });
    openMetadata(section, headerBytes, dataKey);
    for (const { mock } of spies) made.push(...mock.results.flatMap(({ value }) => value as Buffer));
    for (const spy of spies) spy.mockRestore();
    expect(made.length).toBeGreaterThan(3);
    expect(made.filter((buffer) => Buffer.isBuffer(buffer) && buffer.includes("1234567"))).toEqual([]);
  });

  it("leaves no keys behind, even where it is refused", async () => {
    const { headerBytes, section } = await encryptWithMetadata(randomBytes(10), { a: 1 });
    const destroyed = vi.spyOn(FloeDecryptor.prototype, "destroy");
    openMetadata(section, headerBytes, dataKey);
    expect(destroyed).toHaveBeenCalledTimes(1);
    const changed = Buffer.from(section);
    changed[100]! ^= 1;
    expect(() => openMetadata(changed, headerBytes, dataKey)).toThrow();
    expect(destroyed).toHaveBeenCalledTimes(2);
    destroyed.mockRestore();
  });

  it.each([0, 106, 107, 361, 363, 74 + 32 + 65_536 + 256, 0xffffffff])(
    "is not looked for where the header says it has %i bytes",
    async (metadataLength) => {
      const encrypted = await encrypt(randomBytes(10), header({ metadataLength }));
      await expect(readMetadata(encrypted, request)).rejects.toMatchObject({ code: "ERR_FORMAT_INVALID" });
    },
  );

  it("is never mistaken for a payload, nor a payload for it, under the same key", async () => {
    const { encrypted, headerBytes, section } = await encryptWithMetadata(randomBytes(256), { a: 1 });
    expect(() => openMetadata(encrypted.subarray(headerBytes.length + section.length), headerBytes, dataKey)).toThrow(
      expect.objectContaining(tampered),
    );
    // Even where the parameters are those of metadata, the associated data differs.
    const same = header({ segmentLength: 65_568, metadataLength: section.length });
    const payload = encryptAll(parameters, dataKey, same, Buffer.concat([Buffer.from("{}"), Buffer.alloc(254, " ")]));
    expect(() => openMetadata(payload, same, dataKey)).toThrow(expect.objectContaining(tampered));
    const bare = header({ segmentLength: 65_568 });
    const asPayload = encryptAll(parameters, dataKey, Buffer.concat([bare, label]), randomBytes(100));
    await expect(decryptBody(Buffer.concat([bare, asPayload]), { open })).rejects.toMatchObject(tampered);
  });
});

describe("readMetadata", () => {
  it("opens nothing of the payload, and cancels a stream", async () => {
    const { encrypted, start } = await encryptWithMetadata(randomBytes(20 * capacity), { a: 1 });
    const cut = encrypted.subarray(0, start);
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const reading = { ...request, open: async () => lease(state) };
    for (const input of [cut, bytesSource(cut), Readable.from([cut])])
      expect((await readMetadata(input as Uint8Array, reading)).metadata).toEqual({ a: 1 });
    expect(state.released).toBe(3);
    const damaged = Buffer.from(encrypted).fill(0, start);
    expect((await readMetadata(damaged, request)).metadata).toEqual({ a: 1 });
    const readable = Readable.from(chunks(encrypted, 100));
    await readMetadata(readable, request);
    expect(readable.destroyed).toBe(true);
    const reads: number[] = [];
    const source: RandomAccessSource = {
      size: encrypted.length,
      read: async (offset, length) => (reads.push(offset + length), encrypted.subarray(offset, offset + length)),
    };
    await readMetadata(source, request);
    expect(reads).toEqual([4_096]);
  });

  it("takes an object with size and read for a source, unless it is a stream", async () => {
    const { encrypted } = await encryptWithMetadata(randomBytes(20 * capacity), { a: 1 });
    const stream = Object.assign(Readable.from(chunks(encrypted, 500)), { size: 7 });
    expect((await readMetadata(stream, request)).metadata).toEqual({ a: 1 });
    const rule = "must be a Uint8Array, a Readable, a ReadableStream or an async iterable of bytes";
    for (const input of [null, 7, "text", { size: 100 }, { read: () => undefined }])
      await expect(readMetadata(input as never, request)).rejects.toMatchObject({ field: "encrypted", rule });
  });

  it("reads recordings without metadata by every way of opening, and releases keys", async () => {
    const encrypted = await encrypt(
      randomBytes(10),
      header({ publicMetadata: { codec: "opus" }, confirmation: "unconfirmed" }),
    );
    for (const input of [encrypted, bytesSource(encrypted), Readable.from([encrypted])]) {
      const state: LeaseState = { released: 0, renewed: 0, valid: true };
      const opened = await readMetadata(input as Uint8Array, { ...request, open: async () => lease(state) });
      expect(opened).toMatchObject({
        publicMetadata: { codec: "opus" },
        confirmation: "unconfirmed",
        recordingId: "recording-1",
      });
      expect(["metadata" in opened, state.released]).toEqual([false, 1]);
    }
  });

  it("checks the names before it asks for a key, and ends with its signal", async () => {
    const { encrypted } = await encryptWithMetadata(randomBytes(10), { a: 1 });
    const checkNames = () => {
      throw new Error("another recording");
    };
    for (const input of [encrypted, bytesSource(encrypted), Readable.from([encrypted])]) {
      await expect(
        readMetadata(input as Uint8Array, { checkNames, open: () => expect.fail("a key was asked for") }),
      ).rejects.toThrow("another recording");
    }
    for (const hanging of [
      { size: 100, read: () => new Promise<never>(() => undefined) },
      new Readable({ read: () => undefined }),
    ]) {
      const controller = new AbortController();
      const reading = readMetadata(hanging as RandomAccessSource, { ...request, signal: controller.signal });
      controller.abort(new Error("enough"));
      await expect(reading).rejects.toThrow("enough");
      if (hanging instanceof Readable) expect(hanging.destroyed).toBe(true);
    }
  });

  it("reads beyond the first 4 KiB once, and only after the names are checked", async () => {
    const { encrypted, start } = await encryptWithMetadata(randomBytes(20 * capacity), { a: "x".repeat(60_000) });
    const reads: number[] = [];
    const source: RandomAccessSource = {
      size: encrypted.length,
      read: async (offset, length) => (reads.push(offset + length), encrypted.subarray(offset, offset + length)),
    };
    await readMetadata(source, request);
    expect(reads).toEqual([4_096, start]);
    const refuse = () => {
      throw new Error("another recording");
    };
    await expect(readMetadata(source, { ...request, checkNames: refuse })).rejects.toThrow("another recording");
    expect(reads).toEqual([4_096, start, 4_096]);
  });

  it("fails by every way of opening for changed, cut or foreign metadata", async () => {
    const { encrypted, headerBytes, section, payload, start } = await encryptWithMetadata(randomBytes(100), { a: 1 });
    const other = await encryptWithMetadata(randomBytes(100), { a: 1 });
    const changed = Buffer.from(encrypted);
    changed[headerBytes.length + 100]! ^= 1;
    const cases: [Buffer, string][] = [
      [changed, "ERR_RECORDING_TAMPERED"],
      [Buffer.concat([headerBytes, other.section, encrypted.subarray(payload)]), "ERR_RECORDING_TAMPERED"],
      [Buffer.concat([headerBytes, section, other.encrypted.subarray(other.payload)]), "ERR_RECORDING_TAMPERED"],
      ...[headerBytes.length, headerBytes.length + 1, headerBytes.length + 74, payload - 1, payload, start - 1].map(
        (cut): [Buffer, string] => [encrypted.subarray(0, cut), "ERR_RECORDING_TRUNCATED"],
      ),
    ];
    for (const [bytes, code] of cases) {
      for (const input of [bytes, bytesSource(bytes), Readable.from([bytes])])
        await expect(readMetadata(input as Uint8Array, request)).rejects.toMatchObject({ code });
      const state: LeaseState = { released: 0, renewed: 0, valid: true };
      await expect(
        SegmentReader.open(bytesSource(bytes), {
          ...request,
          open: async () => ({ lease: lease(state), keyPairId: "" }),
        }),
      ).rejects.toMatchObject({ code });
      expect(state.released).toBe(code === "ERR_RECORDING_TAMPERED" ? 1 : 0);
    }
  });

  it("wipes the data key, and the text once it is sealed", async () => {
    const metadata = encodeMetadata({ secret: "+49 30 1234567" });
    const headerBytes = header({ metadataLength: metadataSectionLength(metadata) });
    new RecordingEncryptor({ header: headerBytes, dataKey: Buffer.from(dataKey), segmentLength, metadata }).destroy();
    expect(metadata.equals(Buffer.alloc(256))).toBe(true);
    const unused = encodeMetadata({ secret: "+49 30 1234567" });
    await encryptBody(7 as never, {
      header: headerBytes,
      dataKey: Buffer.from(dataKey),
      segmentLength,
      metadata: unused,
    }).catch(() => undefined);
    expect(unused.equals(Buffer.alloc(256))).toBe(true);
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const { encrypted } = await encryptWithMetadata(randomBytes(10), { a: 1 });
    await readMetadata(encrypted, { ...request, open: async () => lease(state) });
    expect(state.handedOut?.every((key) => key.every((byte) => byte === 0))).toBe(true);
  });
});
