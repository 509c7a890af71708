import { constants } from "node:buffer";
import { randomBytes } from "node:crypto";
import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecordingKeyStoreError } from "../../../src/errors.js";
import { encryptBody } from "../../../src/recording/bodies.js";
import { FloeEncryptor } from "../../../src/format/floe.js";
import { bytesSource, type RandomAccessSource } from "../../../src/recording/random-access-source.js";
import { SegmentReader, type OpenRequest } from "../../../src/recording/reader/segment-reader.js";
import { encryptAll } from "../../format/floe-oracle.js";
import { effort } from "../../support/effort.js";
import {
  atRest,
  capacity,
  collect,
  dataKey,
  encrypt,
  encryptWithMetadata,
  header,
  lease,
  type LeaseState,
  segmentLength,
} from "../support.js";

const headerBytes = header();
const start = headerBytes.length + 74;

/** A source that writes down what it was asked for. */
function watched(bytes: Uint8Array): RandomAccessSource & { reads: { offset: number; length: number }[] } {
  const reads: { offset: number; length: number }[] = [];
  const source = bytesSource(bytes);
  return {
    size: source.size,
    reads,
    read: (offset, length, signal) => {
      reads.push({ offset, length });
      return source.read(offset, length, signal);
    },
  };
}
const request = (held = lease()): OpenRequest => ({
  checkNames: () => undefined,
  open: async () => ({ lease: held, keyPairId: "pair-1" }),
});
const open = (bytes: Uint8Array | RandomAccessSource, held = lease()) =>
  SegmentReader.open(bytes instanceof Uint8Array ? bytesSource(bytes) : bytes, request(held));

describe("a recording open for random access", () => {
  it("reads like the plaintext itself, whatever the size and the form of its end", async () => {
    const sizes = fc.oneof(
      fc.constantFrom(0, 1, capacity - 1, capacity, capacity + 1, 2 * capacity, 5 * capacity),
      fc.integer({ min: 0, max: 6 * capacity }),
    );
    const ranges = fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 3 * capacity })),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), ranges, async (size, emptyLast, reads) => {
        const plaintext = randomBytes(size);
        const parameters = {
          ENC_SEG_LEN: segmentLength,
          AEAD_ROTATION_MASK: 20,
          RND: (length: number) => randomBytes(length),
        };
        const reader = await open(
          Buffer.concat([headerBytes, encryptAll(parameters, dataKey, headerBytes, plaintext, emptyLast)]),
        );
        expect(reader.size).toBe(size);
        for (const [where, length] of reads) {
          const offset = Math.floor(where * size);
          expect((await reader.read(offset, length)).equals(plaintext.subarray(offset, offset + length))).toBe(true);
          const end = Math.min(size, offset + length);
          expect((await collect(reader.stream({ start: offset, end }))).equals(plaintext.subarray(offset, end))).toBe(
            true,
          );
        }
        await reader.close();
      }),
      { numRuns: effort(100, 20) },
    );
  });

  it("fetches header and last segment once, and two segments at most for a segment's worth of bytes", async () => {
    const plaintext = randomBytes(50 * capacity + 9);
    const source = watched(await encrypt(plaintext, headerBytes));
    const reader = await open(source);
    expect(source.reads).toEqual([
      { offset: 0, length: 4_096 },
      { offset: start + 50 * segmentLength, length: 9 + 32 },
    ]);
    for (let round = 0; round < 200; round += 1) {
      source.reads.length = 0;
      const offset = Math.floor(Math.random() * (plaintext.length - capacity));
      expect((await reader.read(offset, capacity)).equals(plaintext.subarray(offset, offset + capacity))).toBe(true);
      expect(source.reads.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(2 * segmentLength);
    }
    await reader.read(10, 20);
    source.reads.length = 0;
    await reader.read(15, 100);
    expect(source.reads).toEqual([]); // it came from the cache
  });

  it("fetches long ranges in steps of up to a MiB, a stream's growing to that, one ahead", async () => {
    const plaintext = randomBytes(5 * 1_048_576);
    const source = watched(await encrypt(plaintext, headerBytes));
    const reader = await open(source);
    source.reads.length = 0;
    expect((await reader.read(0, plaintext.length)).equals(plaintext)).toBe(true);
    expect(source.reads.every(({ length }) => length <= 1_048_576)).toBe(true);
    source.reads.length = 0;
    const iterator = reader.stream()[Symbol.asyncIterator]();
    await iterator.next();
    await atRest(); // the step ahead may have to wait for its turn
    expect(source.reads.map(({ length }) => length)).toEqual([32 * segmentLength, 64 * segmentLength]);
    await iterator.return?.();
    expect(source.reads.length).toBe(2);
    source.reads.length = 0;
    expect((await collect(reader.stream())).equals(plaintext)).toBe(true);
    expect(source.reads.slice(0, 5).map(({ length }) => length / segmentLength)).toEqual([32, 64, 128, 256, 256]);
  });

  it("believes no size but that of a verified last segment", async () => {
    const encrypted = await encrypt(randomBytes(3 * capacity + 7), headerBytes);
    const cut = (length: number) => encrypted.subarray(0, length);
    for (const [bytes, code] of [
      [cut(0), "ERR_RECORDING_TRUNCATED"],
      [cut(11), "ERR_RECORDING_TRUNCATED"],
      [cut(start - 1), "ERR_RECORDING_TRUNCATED"],
      [cut(start), "ERR_RECORDING_TRUNCATED"],
      [cut(start + segmentLength), "ERR_RECORDING_TRUNCATED"],
      [cut(start + segmentLength + 31), "ERR_RECORDING_TRUNCATED"],
      [cut(start + segmentLength + 32), "ERR_RECORDING_TRUNCATED"],
      [cut(encrypted.length - 1), "ERR_RECORDING_TRUNCATED"],
      [Buffer.concat([encrypted, Buffer.from([0])]), "ERR_RECORDING_TAMPERED"],
      [
        Buffer.concat([cut(start + segmentLength), encrypted.subarray(start + 3 * segmentLength)]),
        "ERR_RECORDING_TAMPERED",
      ],
      [Buffer.from("RIFF and so on"), "ERR_FORMAT_INVALID"],
    ] as const) {
      await expect(open(bytes)).rejects.toMatchObject({ code });
    }
  });

  it("releases what was verified before a changed segment from a stream, and nothing from a read", async () => {
    const plaintext = randomBytes(5 * capacity);
    const encrypted = await encrypt(plaintext, headerBytes);
    encrypted[start + 2 * segmentLength + 50]! ^= 1;
    const reader = await open(encrypted);
    await expect(reader.read(capacity, 2 * capacity)).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
    for (const from of [0, 10, capacity, 2 * capacity - 1, 2 * capacity]) {
      const parts: Uint8Array[] = [];
      const reading = (async () => {
        for await (const part of reader.stream({ start: from })) parts.push(part);
      })();
      await expect(reading).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
      expect(Buffer.concat(parts).equals(plaintext.subarray(from, 2 * capacity))).toBe(true);
    }
    expect((await reader.read(0, capacity)).length).toBe(capacity);
    expect((await reader.read(3 * capacity, capacity)).length).toBe(capacity);
  });

  it("refuses what lies outside, and a source that does not keep its word", async () => {
    const encrypted = await encrypt(randomBytes(100), headerBytes);
    const reader = await open(encrypted);
    const outside = [
      [-1, 1],
      [101, 0],
      [0.5, 1],
      [0, -1],
      [0, NaN],
    ] as const;
    for (const [offset, length] of outside)
      await expect(reader.read(offset, length)).rejects.toMatchObject({ code: "ERR_INVALID_INPUT" });
    expect(() => reader.stream({ start: 5, end: 4 })).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT" }));
    expect(() => reader.stream({ end: 101 })).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT" }));
    expect((await reader.read(100, 10)).length).toBe(0);
    await expect(open({ size: 1.5, read: async () => encrypted })).rejects.toMatchObject({ code: "ERR_INVALID_INPUT" });
    await expect(open({ size: encrypted.length, read: async () => "text" as never })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
    });
    await expect(open({ size: encrypted.length, read: async () => Buffer.alloc(9_999) })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
    });
    const { read } = bytesSource(encrypted);
    await expect(open({ size: encrypted.length + 10, read })).rejects.toMatchObject({
      code: "ERR_RECORDING_TRUNCATED",
    });
  });

  it.each<[string, unknown, object]>([
    ["null", null, { field: "source", rule: "must have size and read(offset, length, signal)" }],
    ["a text", "recording", { field: "source", rule: "must have size and read(offset, length, signal)" }],
    ["without read", { size: 100 }, { field: "source", rule: "must have size and read(offset, length, signal)" }],
    [
      "of a negative size",
      { size: -1, read: async () => Buffer.alloc(1) },
      { field: "source.size", rule: "must be a whole number of bytes" },
    ],
    [
      "of half a byte",
      { size: 0.5, read: async () => Buffer.alloc(1) },
      { field: "source.size", rule: "must be a whole number of bytes" },
    ],
    [
      "that gives text",
      { size: 100, read: async () => "text" },
      { field: "source.read", rule: "must give a Uint8Array" },
    ],
    [
      "that gives too much",
      { size: 100, read: async () => Buffer.alloc(101) },
      { field: "source.read", rule: "must give the 100 bytes it was asked for" },
    ],
    [
      "that gives too little",
      { size: 100, read: async () => Buffer.alloc(99) },
      { code: "ERR_RECORDING_TRUNCATED", message: "the recording is shorter than its source said" },
    ],
    [
      "of nothing",
      { size: 0, read: async () => Buffer.alloc(0) },
      { code: "ERR_RECORDING_TRUNCATED", message: "the recording ends before its last segment" },
    ],
    [
      "that throws",
      {
        size: 100,
        read: () => {
          throw new Error("gone");
        },
      },
      { message: "gone" },
    ],
  ])("says what is wrong with a source %s", async (_what, source, error) => {
    await expect(open(source as RandomAccessSource)).rejects.toMatchObject(error);
  });

  it("takes bytes of any kind for a source, and nothing else", async () => {
    const encrypted = await encrypt(Buffer.from("audio"), headerBytes);
    const within = new Uint8Array(encrypted.length + 20);
    within.set(encrypted, 10);
    expect((await (await open(bytesSource(within.subarray(10, -10)))).read(0, 5)).toString()).toBe("audio");
    for (const other of [null, "text", new ArrayBuffer(8), [1]])
      expect(() => bytesSource(other as never)).toThrow(
        expect.objectContaining({ field: "bytes", rule: "must be a Uint8Array" }) as Error,
      );
  });

  it("asks a source for nothing when it is aborted before, and leaves one that hangs", async () => {
    const source = watched(await encrypt(randomBytes(100), headerBytes));
    await expect(
      SegmentReader.open(source, { ...request(), signal: AbortSignal.abort(new Error("enough")) }),
    ).rejects.toThrow("enough");
    expect(source.reads).toEqual([]);
    const controller = new AbortController();
    const opening = SegmentReader.open(
      { size: 100, read: () => new Promise(() => undefined) },
      { ...request(), signal: controller.signal },
    );
    controller.abort(new Error("enough"));
    await expect(opening).rejects.toThrow("enough");
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  it("holds neither keys nor plaintext once its term has run out, and is closed when keys are forgotten", async () => {
    const source = watched(await encrypt(randomBytes(3 * capacity), headerBytes));
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const reader = await open(source, lease(state));
    await reader.read(0, 10);
    source.reads.length = 0;
    state.end?.(); // nobody asks; the term ends all the same
    await reader.read(0, 10);
    expect([source.reads.length, state.renewed]).toEqual([1, 1]);
    state.end?.(new RecordingKeyStoreError("ERR_KEYS_FORGOTTEN", "forgotten"));
    await expect(reader.read(0, 10)).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    await expect(collect(reader.stream())).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    expect(state.released).toBe(1);
  });

  it("drops what a stream decrypted ahead when its term runs out, and fetches it again", async () => {
    const plaintext = randomBytes(200 * capacity);
    const source = watched(await encrypt(plaintext, headerBytes));
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const streaming = (await open(source, lease(state))).stream()[Symbol.asyncIterator]();
    const parts = [(await streaming.next()).value as Uint8Array];
    await atRest();
    state.end?.();
    for (let next = await streaming.next(); !next.done; next = await streaming.next()) parts.push(next.value);
    expect(Buffer.concat(parts).equals(plaintext)).toBe(true);
    expect(source.reads.map(({ offset }) => (offset - start) / segmentLength).slice(2, 5)).toEqual([0, 32, 32]);
    expect(state.renewed).toBe(1);
  });

  it("asks custody again once its lease has run out, and keeps no plaintext beyond", async () => {
    const source = watched(await encrypt(randomBytes(3 * capacity), headerBytes));
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const held = lease(state);
    const reader = await open(source, held);
    await reader.read(0, 10);
    state.valid = false;
    state.renew = async () => void (state.valid = true);
    source.reads.length = 0;
    await reader.read(0, 10);
    expect([state.renewed, source.reads.length]).toEqual([1, 1]);
    state.valid = false;
    state.renew = () => Promise.reject(new Error("refused"));
    await expect(reader.read(0, 10)).rejects.toThrow("refused");
    await expect(collect(reader.stream())).rejects.toThrow("refused");
    await reader.close();
    await reader.close();
    expect(state.released).toBe(1);
    await expect(reader.read(0, 10)).rejects.toMatchObject({ code: "ERR_CLOSED" });
  });

  it("gives keys back when opening fails", async () => {
    const encrypted = await encrypt(randomBytes(3 * capacity), headerBytes);
    encrypted[encrypted.length - 1]! ^= 1;
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    await expect(open(encrypted, lease(state))).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
    expect(state.released).toBe(1);
  });

  it("gives chunks that later reads do not share", async () => {
    const plaintext = randomBytes(4 * capacity);
    const reader = await open(await encrypt(plaintext, headerBytes));
    for (const start of [0, 100])
      for await (const part of reader.stream({ start, end: 3 * capacity + 5 })) part.fill(0);
    (await reader.read(50, 2 * capacity)).fill(0);
    expect((await reader.read(0, plaintext.length)).equals(plaintext)).toBe(true);
  });

  it("checks names before it reads more than the header, and before a key is asked for", async () => {
    const source = watched((await encrypt(randomBytes(3 * capacity), headerBytes)).subarray(0, -1));
    const another = new Error("another recording");
    const opening = SegmentReader.open(source, {
      checkNames: () => {
        throw another;
      },
      open: () => Promise.reject(new Error("a key was asked for")),
    });
    await expect(opening).rejects.toBe(another);
    expect(source.reads).toEqual([{ offset: 0, length: 4_096 }]);
  });

  it("fails what is under way with its end, and waits for that", async () => {
    const source = bytesSource(await encrypt(randomBytes(300 * capacity), headerBytes));
    let hanging = false;
    const reader = await open({
      size: source.size,
      read: (...args) => (hanging ? new Promise(() => undefined) : source.read(...args)),
    });
    const begun = reader.stream().getReader();
    await begun.read();
    hanging = true;
    const waiting = [reader.read(10 * capacity, 10), collect(reader.stream()), collect(reader.stream({ start: 5 }))];
    const settled = Promise.allSettled(waiting);
    const idle = reader.stream();
    await reader.close();
    for (const result of await settled)
      expect(result).toMatchObject({ status: "rejected", reason: { code: "ERR_CLOSED" } });
    await expect(begun.read()).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(collect(idle)).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await expect(collect(reader.stream())).rejects.toMatchObject({ code: "ERR_CLOSED" });
    expect(() => reader.stream({ start: -1 })).toThrow(expect.objectContaining({ code: "ERR_INVALID_INPUT" }));
  });

  it("shows neither metadata nor anything else of the recording to inspect and JSON", async () => {
    const reader = await open(
      await encrypt(Buffer.from("+49 30 1234567"), header({ publicMetadata: { codec: "opus" } })),
    );
    await reader.read(0, 5);
    expect(inspect(reader, { depth: Infinity, showHidden: true })).toBe(
      'RecordingReader { size: 14, keyPairId: "pair-1" }',
    );
    expect(JSON.stringify(reader)).toBe("{}");
  });

  it("ends with its signals, and hands them to the source", async () => {
    const source = bytesSource(await encrypt(randomBytes(3 * capacity), headerBytes));
    const reader = await open(source);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(reader.read(0, 10, { signal })).rejects.toThrow("enough");
    await expect(collect(reader.stream({ signal }))).rejects.toThrow("enough");
    let stopped = false;
    const hanging: RandomAccessSource = {
      size: source.size,
      read: (offset, length, given) => {
        if (offset !== start) return source.read(offset, length, given);
        return new Promise((_, reject) => {
          given?.addEventListener("abort", () => {
            stopped = true;
            reject(new Error("stopped"));
          });
        });
      },
    };
    const streamed = (await open(hanging)).stream().getReader();
    const pending = streamed.read();
    await atRest();
    await streamed.cancel();
    expect(await pending).toMatchObject({ done: true });
    expect(stopped).toBe(true);
  });

  it("says what it is of, and when it is closed", async () => {
    const of = async (more: Parameters<typeof header>[0], metadata?: Record<string, unknown>) =>
      open(
        metadata
          ? (await encryptWithMetadata(Buffer.from("audio"), metadata, more)).encrypted
          : await encrypt(Buffer.from("audio"), header(more)),
      );
    const bare = await of({ confirmation: "unconfirmed" });
    expect([bare.size, bare.keyPairId, bare.confirmation, bare.publicMetadata, bare.metadata]).toEqual([
      5,
      "pair-1",
      "unconfirmed",
      undefined,
      undefined,
    ]);
    const full = await of({ publicMetadata: { codec: "opus" } }, { from: "+49" });
    expect([full.confirmation, full.publicMetadata, full.metadata]).toEqual([
      "confirmed",
      { codec: "opus" },
      { from: "+49" },
    ]);
    let closed = false;
    void full.closed.then(() => (closed = true));
    await atRest();
    expect(closed).toBe(false);
    await full[Symbol.asyncDispose]();
    expect(closed).toBe(true);
    await expect(full.read(0, 1)).rejects.toMatchObject({
      code: "ERR_CLOSED",
      message: "the recording's reader is closed",
    });
  });

  it("says what is wrong with a range or a signal", async () => {
    const reader = await open(await encrypt(randomBytes(100), headerBytes));
    const whole = (field: string, max: number) => ({
      code: "ERR_INVALID_INPUT",
      field,
      rule: `must be a whole number from 0 to ${max}`,
    });
    await expect(reader.read(101, 1)).rejects.toMatchObject(whole("offset", 100));
    await expect(reader.read(0, -1)).rejects.toMatchObject(whole("length", Number.MAX_SAFE_INTEGER));
    await expect(reader.read(0, 1, { signal: "now" as never })).rejects.toMatchObject({
      field: "signal",
      rule: "must be an AbortSignal",
    });
    for (const [range, error] of [
      [{ end: 101 }, whole("end", 100)],
      [{ start: 51, end: 50 }, whole("start", 50)],
      [{ signal: {} as never }, { field: "signal", rule: "must be an AbortSignal" }],
    ] as const) {
      expect(() => reader.stream(range)).toThrow(expect.objectContaining(error) as Error);
    }
    expect(await collect(reader.stream({ start: 100 }))).toHaveLength(0);
    expect((await reader.read(0, Number.MAX_SAFE_INTEGER)).length).toBe(100);
  });

  it("reads around what it has, and keeps only what it has read in part", async () => {
    const plaintext = randomBytes(5 * capacity);
    const source = watched(await encrypt(plaintext, headerBytes));
    const reader = await open(source);
    const fetched = async (offset: number, length: number) => {
      source.reads.length = 0;
      expect((await reader.read(offset, length)).equals(plaintext.subarray(offset, offset + length))).toBe(true);
      return source.reads.map((read) => [(read.offset - start) / segmentLength, read.length / segmentLength]);
    };
    expect(await fetched(4 * capacity, capacity)).toEqual([]); // the last segment, from opening it
    expect(await fetched(2 * capacity + 5, 10)).toEqual([[2, 1]]);
    expect(await fetched(0, 4 * capacity)).toEqual([
      [0, 2],
      [3, 1],
    ]);
    expect(await fetched(0, 2 * capacity)).toEqual([[0, 2]]);
    expect(await fetched(capacity - 1, 2)).toEqual([[0, 2]]);
    expect(await fetched(0, 2 * capacity)).toEqual([]);
    expect(await fetched(capacity, 2 * capacity)).toEqual([]);
    expect(await fetched(3 * capacity, capacity)).toEqual([[3, 1]]);
  });

  it("fetches segments longer than a step one by one", async () => {
    const long = 2 * 1_048_576;
    const plaintext = randomBytes(3 * long);
    const { body } = await encryptBody(plaintext, {
      header: header({ segmentLength: long }),
      dataKey: Buffer.from(dataKey),
      segmentLength: long,
    });
    const source = watched(body);
    const reader = await open(source);
    for (const read of [() => reader.read(0, plaintext.length), () => collect(reader.stream())]) {
      source.reads.length = 0;
      expect((await read()).equals(plaintext)).toBe(true);
      expect(source.reads.map(({ length }) => length)).toEqual([long, long, long]); // and the fourth is at hand
    }
  });

  it("is opened at any length, and not read at once where no buffer is long enough", async () => {
    const floe = new FloeEncryptor(dataKey, headerBytes, { segmentLength });
    const head = Buffer.concat([headerBytes, floe.header, Buffer.alloc(4_096)]);
    const segments = 2 ** 22; // 16 GiB
    const last = Buffer.concat(floe.segments.encrypt([Buffer.from("the end")], segments - 1, true));
    const end = start + (segments - 1) * segmentLength;
    const source: RandomAccessSource = {
      size: end + last.length,
      read: async (offset, length) => (offset < end ? head : last).subarray(0, length),
    };
    const reader = await open(source);
    expect(reader.size).toBe((segments - 1) * capacity + 7);
    expect((await reader.read(reader.size - 7, 10)).toString()).toBe("the end");
    const most = constants.MAX_LENGTH;
    if (most >= reader.size) return; // of later versions of Node
    await expect(reader.read(0, reader.size)).rejects.toMatchObject({
      field: "length",
      rule: `must be at most ${most}; stream more than that`,
    });
    await expect(reader.read(0, most + 1)).rejects.toMatchObject({ field: "length" });
  });

  it("is run by its owner, read by read and stream by stream, until each has ended in whatever way", async () => {
    const encrypted = await encrypt(randomBytes(5 * capacity), headerBytes);
    encrypted[start + 3 * segmentLength + 50]! ^= 1;
    let [running, ran] = [0, 0];
    const run = async <T>(task: () => Promise<T>) => {
      running += 1;
      ran += 1;
      return task().finally(() => (running -= 1));
    };
    const reader = await SegmentReader.open(bytesSource(encrypted), { ...request(), run });
    const { signal } = new AbortController();
    expect(ran).toBe(0);
    await reader.read(0, 10, { signal });
    await expect(reader.read(3 * capacity, 10, { signal })).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
    await collect(reader.stream({ end: 10, signal }));
    await collect(reader.stream({ start: 5, end: 5, signal }));
    await expect(collect(reader.stream({ signal }))).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
    await atRest();
    expect([running, ran, getEventListeners(signal, "abort").length]).toEqual([0, 5, 0]);
    const idle = reader.stream({ signal });
    await atRest();
    expect([running, getEventListeners(signal, "abort").length]).toEqual([1, 1]);
    await idle.cancel();
    await atRest();
    expect([running, getEventListeners(signal, "abort").length]).toEqual([0, 0]);
  });

  it("takes as many reads and streams at once as are wanted, without a warning", async () => {
    const reader = await open(await encrypt(randomBytes(5 * capacity), headerBytes));
    const warnings: Error[] = [];
    const warned = (warning: Error) => void warnings.push(warning);
    process.on("warning", warned);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0 ? reader.read(index, 10) : collect(reader.stream({ start: index })),
      ),
    );
    await atRest();
    process.off("warning", warned);
    expect(warnings).toEqual([]);
  });

  it("waits with a stream until somebody reads, and asks no source for an empty one", async () => {
    const source = watched(await encrypt(randomBytes(5 * capacity), headerBytes));
    const reader = await open(source);
    source.reads.length = 0;
    reader.stream();
    await atRest();
    expect((await collect(reader.stream({ start: 7, end: 7 }))).length).toBe(0);
    expect(source.reads).toEqual([]);
    expect(reader.stream({ start: 7, end: 7 }).locked).toBe(false);
  });

  it("ends a stream with its signal at once, whatever was fetched already", async () => {
    const reader = await open(await encrypt(randomBytes(200 * capacity), headerBytes));
    const controller = new AbortController();
    const streaming = reader.stream({ signal: controller.signal }).getReader();
    expect((await streaming.read()).done).toBe(false);
    controller.abort(new Error("enough"));
    await expect(streaming.read()).rejects.toThrow("enough");
    await expect(reader.read(0, 0, { signal: controller.signal })).rejects.toThrow("enough");
  });

  it("releases nothing that was fetched ahead unless custody still lends the key", async () => {
    const reads = 2;
    for (const [renew, outcome] of [
      [() => Promise.reject(new Error("refused")), "refused"],
      [async () => undefined, "go on"],
    ] as const) {
      const state: LeaseState = { released: 0, renewed: 0, valid: true, renew };
      const streaming = (await open(await encrypt(randomBytes(100 * capacity), headerBytes), lease(state)))
        .stream()
        .getReader();
      for (let read = 0; read < 32; read += 1) await streaming.read(); // all of the first step
      await atRest();
      state.valid = false;
      if (outcome === "refused") await expect(streaming.read()).rejects.toThrow("refused");
      else for (let read = 0; read < reads; read += 1) expect((await streaming.read()).done).toBe(false);
      expect(state.renewed).toBeGreaterThan(0);
    }
  });

  it("tells a source why a stream was cancelled", async () => {
    const { size, read } = bytesSource(await encrypt(randomBytes(3 * capacity), headerBytes));
    const reasons: unknown[] = [];
    const hanging: RandomAccessSource = {
      size,
      read: (offset, length, signal) =>
        offset === start
          ? new Promise(() => signal?.addEventListener("abort", () => reasons.push(signal.reason)))
          : read(offset, length, signal),
    };
    const reader = await open(hanging);
    for (const reason of [undefined, "enough"]) {
      const streaming = reader.stream().getReader();
      void streaming.read();
      await atRest();
      await streaming.cancel(reason);
    }
    expect(reasons).toEqual([
      expect.objectContaining({ name: "AbortError", message: "the stream was cancelled" }),
      "enough",
    ]);
  });
});

describe("a source whose size answers differently each time", () => {
  it("is read once: a recording that was cut short does not pass for whole", async () => {
    const { body } = await encryptBody(randomBytes(3 * 4_064), {
      header: header(),
      dataKey: Buffer.from(dataKey),
      segmentLength,
    });
    const sizes = [body.length - segmentLength, body.length, body.length - segmentLength];
    let reads = 0;
    const source = {
      get size() {
        return sizes[reads++ % sizes.length]!;
      },
      read: async (offset: number, length: number) => body.subarray(offset, offset + length),
    };
    const opening = SegmentReader.open(source, {
      checkNames: () => undefined,
      open: async () => ({ lease: lease(), keyPairId: "k" }),
    });
    await expect(opening).rejects.toMatchObject({ code: "ERR_RECORDING_TRUNCATED" });
    expect(reads).toBe(1);
  });
});
