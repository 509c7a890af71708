import { Duplex, Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { describe, expect, it } from "vitest";
import { ByteSource, takeInput, type RecordingStream } from "../../src/recording/stream-source.js";
import { decryptBody, encryptBody, type OtherStream } from "../../src/recording/bodies.js";
import { collect, dataKey, header, lease, segmentLength } from "./support.js";
import { ByteReader } from "../../src/recording/byte-reader.js";
import { transferred } from "../support/transferred.js";

const bytes = (...values: number[]) => Buffer.from(values);

/** An iterable that writes down what is done with it. */
function watched(chunks: readonly unknown[]) {
  const did: string[] = [];
  const left = [...chunks];
  const iterable = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        did.push("next");
        return left.length > 0 ? { done: false, value: left.shift() } : { done: true, value: undefined };
      },
      return: async () => {
        did.push("return");
        return { done: true, value: undefined };
      },
    }),
  } as unknown as AsyncIterable<Uint8Array>;
  return { iterable, did };
}

describe("a source of bytes", () => {
  it("refuses bytes whose buffer was transferred, as a chunk and as the whole", async () => {
    const { iterable } = watched([bytes(1), transferred(9)]);
    const source = new ByteSource(iterable, "recording");
    expect(await source.next()).toEqual(bytes(1));
    await expect(source.next()).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "recording" });
    expect(() => takeInput(transferred(9), "recording")).toThrow(/^recording: must be a Uint8Array/);
  });

  const given = [bytes(1, 2), bytes(), bytes(3), bytes(), bytes()];
  it.each<[string, () => RecordingStream, boolean]>([
    ["Readable", () => Readable.from(given), true],
    ["ReadableStream", () => ReadableStream.from(given), false],
    ["async iterable", () => watched(given).iterable, false],
  ])("gives what is not empty, then the end: %s", async (_what, make, owned) => {
    const source = new ByteSource(make(), "recording");
    expect(source.isReadable).toBe(owned);
    expect([await source.next(), await source.next(), await source.next(), await source.next()]).toEqual([
      bytes(1, 2),
      bytes(3),
      undefined,
      undefined,
    ]);
  });

  it("is cancelled once, for the first reason, and gives nothing any more", async () => {
    const { iterable, did } = watched(given);
    const source = new ByteSource(iterable, "recording");
    await source.next();
    source.cancel(new Error("enough"));
    source.cancel(new Error("still enough"));
    await expect(source.next()).rejects.toMatchObject({ message: "enough" });
    expect(did).toEqual(["next", "return"]);
  });

  it.each([
    ["without return", undefined],
    ["whose return fails", () => Promise.reject(new Error("stuck"))],
    [
      "whose return throws",
      () => {
        throw new Error("stuck");
      },
    ],
  ])("is cancelled while it waits, also an iterable %s", async (_what, end) => {
    const iterator = { next: () => new Promise<never>(() => undefined), ...(end ? { return: end } : {}) };
    const source = new ByteSource({ [Symbol.asyncIterator]: () => iterator }, "recording");
    const waiting = source.next();
    source.cancel(new Error("enough"));
    await expect(waiting).rejects.toMatchObject({ message: "enough" });
  });

  it("tells a web stream why it is cancelled, and does not mind when that fails", async () => {
    let told: unknown;
    const failing = new ReadableStream<Uint8Array>({
      cancel: (reason) => {
        told = reason;
        throw new Error("stuck");
      },
    });
    new ByteSource(failing, "recording").cancel("enough");
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toBe("enough");
  });

  it("is refused where it can't give all of it, with what is wrong", async () => {
    const refusal = (source: RecordingStream) => {
      try {
        return new ByteSource(source, "recording");
      } catch (error) {
        return error;
      }
    };
    const consumed = Readable.from([bytes(1)]);
    await collect(consumed);
    expect(refusal(consumed)).toMatchObject({
      field: "recording",
      rule: "must be a stream that has not been read to its end",
    });
    const locked = ReadableStream.from([bytes(1)]);
    locked.getReader();
    expect(refusal(locked)).toMatchObject({ field: "recording", rule: "must not be locked by another reader" });
    await expect(new ByteSource(watched(["text"]).iterable, "recording").next()).rejects.toMatchObject({
      field: "recording",
      rule: "must be a stream of Uint8Array chunks, not of strings",
    });
  });
});

it.each([
  [new Uint8Array(1), false],
  [Buffer.alloc(0), false],
  [Readable.from([]), true],
  [new Duplex(), true],
  [ReadableStream.from([]), true],
  [{ getReader: () => undefined }, true],
  [watched([]).iterable, true],
])("bytes are told from streams: %#", (input, stream) =>
  expect(takeInput(input, "recording") instanceof ByteSource).toBe(stream),
);

it.each([
  [null],
  [undefined],
  [7],
  ["text"],
  [{}],
  [[1]],
  [new ArrayBuffer(1)],
  [new Uint16Array(1)],
  [() => undefined],
])("what is neither bytes nor a stream is refused: %#", (input) => {
  expect(() => takeInput(input, "recording")).toThrow(
    expect.objectContaining({
      field: "recording",
      rule: "must be a Uint8Array, a Readable, a ReadableStream or an async iterable of bytes",
    }) as Error,
  );
});

describe("a reader of bytes", () => {
  const readerOf = (...chunks: Buffer[]) => {
    let asked = 0;
    return { asked: () => asked, reader: new ByteReader(async () => ((asked += 1), chunks.shift()), true) };
  };

  it("asks for no more than it needs, and for nothing behind the end", async () => {
    const { reader, asked } = readerOf(bytes(1, 2, 3), bytes(4), bytes(5));
    expect([await reader.fill(2), asked(), reader.atHand]).toEqual([2, 1, 3]);
    expect([await reader.fill(3), asked(), reader.atHand]).toEqual([3, 1, 3]);
    expect([await reader.read(4), asked(), reader.atHand]).toEqual([bytes(1, 2, 3, 4), 2, 0]);
    expect([await reader.fill(2), asked()]).toEqual([1, 4]);
    expect([await reader.read(2), await reader.read(2), await reader.fill(1), asked()]).toEqual([
      bytes(5),
      bytes(),
      0,
      4,
    ]);
  });

  it("gives what is at hand without a wait", async () => {
    const { reader } = readerOf(bytes(9, 1, 2), bytes(3, 4, 5, 6));
    await reader.fill(7);
    reader.skip(1);
    expect(reader.peekUInt32()).toBe(0x01_02_03_04);
    expect([reader.take(2), Buffer.concat(reader.takePieces(3)), reader.atHand, reader.peekUInt32()]).toEqual([
      bytes(1, 2),
      bytes(3, 4, 5),
      1,
      undefined,
    ]);
  });
});

/** A Readable of another copy of Node's streams, such as npm's `readable-stream`: no `instanceof` knows it. */
function foreign(stream: Readable, hidden: readonly PropertyKey[] = []): Readable {
  return new Proxy(stream, {
    getPrototypeOf: () => Object.prototype,
    get: (target, name) => (hidden.includes(name) ? undefined : (Reflect.get(target, name, target) as unknown)),
  });
}

describe("a Readable of another copy of Node's streams", () => {
  it("goes in as what it is, and comes out as a Readable with pipe", async () => {
    const given = foreign(Readable.from([bytes(1, 2), bytes(3)]));
    expect(given instanceof Readable).toBe(false);
    const request = { header: header(), dataKey: Buffer.from(dataKey), segmentLength };
    const { body, done } = await encryptBody(given, request);
    expect(body).toBeInstanceOf(Readable);
    const encrypted = await collect(body);
    expect((await done).plaintextSize).toBe(3);
    const opened = await decryptBody(foreign(Readable.from([encrypted])), { open: async () => lease() });
    expect(opened.body).toBeInstanceOf(Readable);
    expect([...(await collect(opened.body))]).toEqual([1, 2, 3]);
  });

  it("is refused once it was read to its end, also where it does not know readableEnded", async () => {
    const used = Readable.from([bytes(1)]);
    await collect(used);
    for (const hidden of [[], ["readableEnded"]])
      expect(() => takeInput(foreign(used, hidden), "recording")).toThrow("read to its end");
  });
});

describe("an endless stream of chunks that come at once", () => {
  /** So many that a test which is never let go ends all the same. */
  const endless = 3_000_000;

  async function* coming(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < endless; count += 1) yield chunk;
    throw new Error("nobody was let in");
  }
  const kinds: [string, (chunk: Uint8Array) => RecordingStream][] = [
    ["async iterable", coming],
    ["Readable", (chunk) => Readable.from(coming(chunk))],
    ["ReadableStream", (chunk) => ReadableStream.from(coming(chunk))],
  ];
  /** Aborts as soon as the event loop lets a timer run. */
  const aborting = () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 0);
    return { signal: controller.signal, reason };
  };

  it.each(kinds)("ends with the signal though all are empty: encryption of a %s", async (_, make) => {
    const { signal, reason } = aborting();
    const request = { header: header(), dataKey: Buffer.from(dataKey), segmentLength, signal };
    const { body } = await encryptBody(make(bytes()) as OtherStream, request);
    await expect(collect(body)).rejects.toBe(reason);
  });

  it.each(kinds)("ends with the signal though all are empty: decryption of a %s", async (_, make) => {
    const { signal, reason } = aborting();
    const opening = decryptBody(make(bytes()) as OtherStream, { open: async () => lease(), signal });
    await expect(opening).rejects.toBe(reason);
  });

  it("ends with the signal while a long segment fills byte by byte", async () => {
    const { signal, reason } = aborting();
    const source = new ByteSource(coming(bytes(1)), "recording");
    signal.addEventListener("abort", () => source.cancel(signal.reason));
    await expect(new ByteReader(() => source.next(), false).fill(endless)).rejects.toBe(reason);
  });
});
