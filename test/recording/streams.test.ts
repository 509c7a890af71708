import { randomBytes } from "node:crypto";
import { getEventListeners } from "node:events";
import { Duplex, Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../src/errors.js";
import { decryptBody, encryptBody } from "../../src/recording/bodies.js";
import { FloeDecryptor } from "../../src/format/floe.js";
import { encryptAll } from "../format/floe-oracle.js";
import {
  atRest,
  capacity,
  chunks,
  collect,
  dataKey,
  decrypt,
  encrypt,
  header,
  lease,
  type LeaseState,
  segmentLength,
} from "./support.js";

const request = (signal?: AbortSignal) => ({
  header: header(),
  dataKey: Buffer.from(dataKey),
  segmentLength,
  ...(signal ? { signal } : {}),
});

async function* endless(state: { pulled: number; stopped: boolean }): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      state.pulled += 1;
      yield randomBytes(capacity);
    }
  } finally {
    state.stopped = true;
  }
}

async function* hangingAfter(bytes: Buffer) {
  yield bytes.subarray(0, bytes.length - 4 * segmentLength);
  await new Promise(() => undefined);
}

describe("streams", () => {
  it("say at the end how much went in and came out", async () => {
    const { body, done } = await encryptBody(Readable.from(chunks(randomBytes(10_000), 999)), request());
    const encrypted = await collect(body);
    expect(await done).toEqual({ plaintextSize: 10_000, encryptedSize: encrypted.length });
    const opened = await decryptBody(Readable.from(chunks(encrypted, 777)), { open: async () => lease() });
    await collect(opened.body);
    expect(await opened.done).toEqual({ plaintextSize: 10_000, encryptedSize: encrypted.length });
  });

  it.each(["Readable", "ReadableStream"])("hold a source back while nobody reads: %s", async (kind) => {
    const state = { pulled: 0, stopped: false };
    const source =
      kind === "Readable"
        ? Readable.from(endless(state), { objectMode: false, highWaterMark: 0 })
        : ReadableStream.from(endless(state));
    const { body } = await encryptBody(source as Readable, request());
    const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    await sleep(30);
    expect(state.pulled).toBeLessThan(40);
    await iterator.return?.();
    await sleep(10);
    expect(state.stopped).toBe(true);
  });

  it("come out whole through slow and stuttering readers and writers", async () => {
    const plaintext = randomBytes(20 * capacity + 17);
    async function* stutter(bytes: Uint8Array) {
      for (const chunk of chunks(bytes, 3_001)) {
        if (Math.random() < 0.3) await sleep(1);
        yield chunk;
      }
    }
    const { body } = await encryptBody(Readable.from(stutter(plaintext)), request());
    const { body: opened } = await decryptBody(body, { open: async () => lease() });
    const parts: Buffer[] = [];
    for await (const part of opened) {
      if (Math.random() < 0.3) await sleep(1);
      parts.push(part as Buffer);
    }
    expect(Buffer.concat(parts).equals(plaintext)).toBe(true);
  });

  it.each(["Readable", "iterable"])("end at once when aborted, also while the source hangs: %s", async (kind) => {
    const hanging =
      kind === "Readable"
        ? new Readable({ read: () => undefined })
        : { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    const controller = new AbortController();
    const { body, done } = await encryptBody(hanging as Readable, request(controller.signal));
    const reading = collect(body);
    setTimeout(() => controller.abort(new Error("enough")), 10);
    await expect(reading).rejects.toThrow("enough");
    await expect(done).rejects.toThrow("enough");
    if (hanging instanceof Readable) expect(hanging.destroyed).toBe(true);
  });

  it("pass on the source's error, and never leave an unhandled rejection", async () => {
    const failing = async function* () {
      yield randomBytes(10);
      await sleep(1);
      throw new Error("disk gone");
    };
    for (const source of [Readable.from(failing()), failing()]) {
      const { body, done } = await encryptBody(source, request());
      await expect(collect(body)).rejects.toMatchObject({ message: "disk gone" });
      await expect(done).rejects.toMatchObject({ message: "disk gone" });
    }
    await sleep(5);
  });

  it.each([["text"], [{}], [7], [null]])("refuse chunks that are not bytes: %j", async (chunk) => {
    const source = {
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: chunk }) }),
    } as unknown as AsyncIterable<Uint8Array>;
    const { body } = await encryptBody(source, request());
    await expect(collect(body as AsyncIterable<Uint8Array>)).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "recording",
    });
  });

  it.each([["text"], [7], [null], [{}]])("refuse input that is no recording: %j", async (input) => {
    const { dataKey: key, ...rest } = request();
    await expect(encryptBody(input as never, { ...rest, dataKey: key })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "recording",
    });
    await expect(decryptBody(input as never, { open: async () => lease() })).rejects.toMatchObject({
      code: "ERR_INVALID_INPUT",
      field: "encrypted",
    });
    expect(key.equals(Buffer.alloc(32))).toBe(true);
  });

  it("wipe keys in every outcome", async () => {
    const encrypted = await encrypt(randomBytes(3 * capacity));
    const outcomes: [string, (state: LeaseState) => Promise<unknown>][] = [
      [
        "end",
        async (state) =>
          collect(
            (await decryptBody(Readable.from(chunks(encrypted, 1_000)), { open: async () => lease(state) })).body,
          ),
      ],
      ["bytes", async (state) => decryptBody(encrypted, { open: async () => lease(state) })],
      [
        "cut",
        async (state) =>
          collect(
            (
              await decryptBody(Readable.from(chunks(encrypted.subarray(0, -1), 1_000)), {
                open: async () => lease(state),
              })
            ).body,
          ),
      ],
      [
        "destroyed",
        async (state) =>
          (
            await decryptBody(Readable.from(chunks(encrypted, 1_000)), { open: async () => lease(state) })
          ).body.destroy(),
      ],
      [
        "cancelled",
        async (state) =>
          (
            await decryptBody(ReadableStream.from(chunks(encrypted, 1_000)), { open: async () => lease(state) })
          ).body.cancel(),
      ],
      [
        "tampered header",
        async (state) =>
          decryptBody(Buffer.concat([header({ asset: "screen" }), encrypted.subarray(header().length)]), {
            open: async () => lease(state),
          }),
      ],
    ];
    for (const [what, run] of outcomes) {
      const state: LeaseState = { released: 0, renewed: 0, valid: true };
      await run(state).catch(() => undefined);
      await sleep(5);
      expect(state.released, what).toBe(1);
    }
  });

  it("ask custody again once a lease has run out, and end when it refuses", async () => {
    const encrypted = await encrypt(randomBytes(5 * capacity));
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const held = lease(state);
    const { body } = await decryptBody(Readable.from(chunks(encrypted, 1_000), { highWaterMark: 1 }), {
      open: async () => held,
    });
    const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    state.valid = false;
    state.renew = () => Promise.reject(new Error("refused"));
    await expect(
      (async () => {
        while (!(await iterator.next()).done);
      })(),
    ).rejects.toThrow("refused");
    expect(state.released).toBe(1);
  });

  it("ask custody before a segment is opened, not before it is waited for", async () => {
    const encrypted = await encrypt(randomBytes(3 * capacity));
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const start = encrypted.length - 3 * segmentLength;
    async function* live() {
      yield encrypted.subarray(0, start + segmentLength);
      await sleep(5);
      state.valid = false; // ran out while the source was silent
      yield encrypted.subarray(start + segmentLength);
    }
    const held = lease(state);
    state.renew = async () => void (state.valid = true);
    expect((await collect((await decryptBody(live(), { open: async () => held })).body)).length).toBe(3 * capacity);
    expect(state.renewed).toBe(1);
  });

  it.each([
    ["a Readable", (bytes: Buffer) => Readable.from(chunks(bytes, 1_000))],
    ["a web stream", (bytes: Buffer) => ReadableStream.from(chunks(bytes, 1_000))],
    ["a source that hangs", (bytes: Buffer) => hangingAfter(bytes)],
  ])("end at once when keys are forgotten, also if nobody reads: %s", async (_, source) => {
    const encrypted = await encrypt(randomBytes(9 * capacity));
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const { body, done } = await decryptBody(source(encrypted) as Readable, { open: async () => lease(state) });
    body.on?.("error", () => undefined);
    state.end?.(new RecordingKeyStoreError("ERR_KEYS_FORGOTTEN", "forgotten"));
    await expect(done).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
    expect(state.released).toBe(1);
    await expect(collect(body)).rejects.toMatchObject({ code: "ERR_KEYS_FORGOTTEN" });
  });

  it("hold no keys once their term has run out, and go on with those of the next", async () => {
    const destroyed = vi.spyOn(FloeDecryptor.prototype, "destroy");
    const encrypted = await encrypt(randomBytes(9 * capacity));
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    state.renew = async () => void (state.valid = true);
    const { body } = await decryptBody(Readable.from(chunks(encrypted, 1_000), { highWaterMark: 1 }), {
      open: async () => lease(state),
    });
    const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    let size = ((await iterator.next()).value as Uint8Array).length;
    destroyed.mockClear();
    state.valid = false;
    state.end?.();
    expect(destroyed).toHaveBeenCalledTimes(1);
    destroyed.mockRestore();
    for (let step = await iterator.next(); !step.done; step = await iterator.next()) size += step.value.length;
    expect([size, state.renewed, state.released]).toEqual([9 * capacity, 1, 1]);
    expect(state.handedOut!.every((dataKey) => dataKey.every((byte) => byte === 0))).toBe(true);
  });

  it("use the keys of a term once even if having them took longer than the term", async () => {
    const encrypted = await encrypt(randomBytes(3 * capacity));
    const state: LeaseState = { released: 0, renewed: 0, valid: false };
    expect(
      (
        await collect(
          (await decryptBody(Readable.from(chunks(encrypted, 1_000)), { open: async () => lease(state) })).body,
        )
      ).length,
    ).toBe(3 * capacity);
    expect(state.renewed).toBeGreaterThan(1);
  });

  it("report a changed segment at once, also while the source hangs behind it", async () => {
    const encrypted = await encrypt(randomBytes(5 * capacity));
    encrypted[encrypted.length - 4 * segmentLength + 100]! ^= 1; // in the second of five
    async function* hanging() {
      yield encrypted.subarray(0, -1);
      await new Promise(() => undefined);
    }
    const iterator = (await decryptBody(hanging(), { open: async () => lease() })).body[Symbol.asyncIterator]();
    expect(((await iterator.next()).value as Uint8Array).length).toBe(capacity);
    await expect(iterator.next()).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
  });

  it("are done when the reader has everything, not when it has been made", async () => {
    const { body, done } = await encryptBody(Readable.from([randomBytes(100)]), request());
    body.read(0);
    await sleep(5);
    body.destroy();
    await expect(done).rejects.toThrow("destroyed");
  });

  it("refuse a source that cannot give the recording any more, and wipe the key", async () => {
    const consumed = Readable.from([randomBytes(10)]);
    await collect(consumed);
    const locked = ReadableStream.from([randomBytes(10)]);
    locked.getReader();
    for (const source of [consumed, locked]) {
      const asked = request();
      await expect(encryptBody(source as Readable, asked)).rejects.toMatchObject({
        code: "ERR_INVALID_INPUT",
        field: "recording",
      });
      expect(asked.dataKey.equals(Buffer.alloc(32))).toBe(true);
      await expect(decryptBody(source as Readable, { open: async () => lease() })).rejects.toMatchObject({
        code: "ERR_INVALID_INPUT",
        field: "encrypted",
      });
    }
    const destroyed = Readable.from([randomBytes(10)]);
    destroyed.destroy();
    await expect(collect((await encryptBody(destroyed, request())).body)).rejects.toMatchObject({
      code: "ERR_STREAM_PREMATURE_CLOSE",
    });
  });

  it("keep the source's error for the reader, when nobody reads yet", async () => {
    const source = new Readable({ read: () => undefined });
    const { body, done } = await encryptBody(source, request());
    source.destroy(new Error("disk gone"));
    await sleep(5);
    await expect(collect(body)).rejects.toThrow("disk gone");
    await expect(done).rejects.toThrow("disk gone");
  });

  it("reject at once with a signal that was aborted before, or while the key was fetched", async () => {
    const aborted = AbortSignal.abort(new Error("enough"));
    const asked = request(aborted);
    await expect(encryptBody(randomBytes(10), asked)).rejects.toThrow("enough");
    expect(asked.dataKey.equals(Buffer.alloc(32))).toBe(true);
    const controller = new AbortController();
    const state: LeaseState = { released: 0, renewed: 0, valid: true };
    const open = async () => {
      controller.abort(new Error("enough"));
      return lease(state);
    };
    const encrypted = await encrypt(randomBytes(10));
    for (const input of [encrypted, Readable.from([encrypted])])
      await expect(decryptBody(input as Readable, { open, signal: controller.signal })).rejects.toThrow("enough");
    expect(state.released).toBe(1); // the stream had been cut off before a key was asked for
  });

  it("leave nothing behind on a signal that lives longer", async () => {
    const { signal } = new AbortController();
    const left = () => getEventListeners(signal, "abort").length;
    const plaintext = randomBytes(3 * capacity);
    const { body } = await encryptBody(Readable.from([plaintext]), request(signal));
    expect(left()).toBe(1);
    const encrypted = await collect(body);
    expect(left()).toBe(0);
    const opening = decryptBody(ReadableStream.from([encrypted]), {
      open: async () => {
        expect(left()).toBe(1);
        return lease();
      },
      signal,
    });
    const opened = await opening;
    expect(left()).toBe(1);
    await collect(opened.body);
    expect(left()).toBe(0);
    const cancelled = await encryptBody(ReadableStream.from([plaintext]), request(signal));
    await cancelled.body.cancel();
    await expect(
      decryptBody(Readable.from([Buffer.from("RIFF")]), { open: async () => lease(), signal }),
    ).rejects.toMatchObject({ code: "ERR_FORMAT_INVALID" });
    expect(left()).toBe(0);
  });

  it.each(["encryption", "decryption"])(
    "leave the other half of a socket alone when the recording is whole: %s",
    async (way) => {
      const sent = way === "encryption" ? randomBytes(100) : await encrypt(randomBytes(100));
      const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, callback) => callback() });
      socket.push(sent);
      socket.push(null);
      const { body, done } =
        way === "encryption"
          ? await encryptBody(socket, request())
          : await decryptBody(socket, { open: async () => lease() });
      await collect(body);
      await done;
      await sleep(1); // the body closes itself after its end
      expect([socket.readableEnded, socket.destroyed]).toEqual([true, false]);
    },
  );

  it("that are web streams pull nothing before somebody reads, and hand over no empty chunk", async () => {
    const state = { pulled: 0, stopped: false };
    const source = { [Symbol.asyncIterator]: () => endless(state) };
    await encryptBody(source, request());
    await atRest();
    expect(state.pulled).toBe(0);
    const headerBytes = header();
    const withEmptyLast = encryptAll(
      { ENC_SEG_LEN: segmentLength, AEAD_ROTATION_MASK: 20, RND: (length) => randomBytes(length) },
      dataKey,
      headerBytes,
      randomBytes(2 * capacity),
      true,
    );
    const { body } = await decryptBody(ReadableStream.from([Buffer.concat([headerBytes, withEmptyLast])]), {
      open: async () => lease(),
    });
    const sizes: number[] = [];
    for await (const { length } of body) sizes.push(length);
    expect(sizes).toEqual([capacity, capacity]);
  });

  it("say why they ended: the reason that was given, or an AbortError", async () => {
    const ends: [Promise<unknown>, unknown][] = [];
    const source = () => new Readable({ read: () => undefined });
    const web = () => new ReadableStream<Uint8Array>();
    const destroyed = await encryptBody(source(), request());
    destroyed.body.destroy();
    ends.push([destroyed.done, { name: "AbortError", message: "the stream was destroyed" }]);
    const failed = await encryptBody(source(), request());
    failed.body.on("error", () => undefined).destroy(new Error("no more"));
    ends.push([failed.done, { message: "no more" }]);
    const cancelled = await encryptBody(web(), request());
    await cancelled.body.cancel();
    ends.push([cancelled.done, { name: "AbortError", message: "the stream was cancelled" }]);
    const withReason = await encryptBody(web(), request());
    await withReason.body.cancel("no more");
    for (const [done, reason] of ends) await expect(done).rejects.toMatchObject(reason as object);
    await expect(withReason.done).rejects.toBe("no more");
  });

  it("give nothing any more once they are aborted, whether or not somebody reads", async () => {
    const controller = new AbortController();
    const aborted = { message: "enough" };
    const node = await encryptBody(new Readable({ read: () => undefined }), request(controller.signal));
    const web = await encryptBody(ReadableStream.from([randomBytes(10 * capacity)]), request(controller.signal));
    const reading = web.body.getReader();
    expect((await reading.read()).done).toBe(false);
    node.body.on("error", () => undefined);
    controller.abort(new Error("enough"));
    expect([node.body.destroyed, node.body.errored?.message]).toEqual([true, "enough"]);
    await expect(reading.read()).rejects.toMatchObject(aborted); // though more has been encrypted
    for (const done of [node.done, web.done]) await expect(done).rejects.toMatchObject(aborted);
  });

  it("end with a reason that is no error, too; Node's streams take it for a message", async () => {
    const controller = new AbortController();
    const node = await encryptBody(new Readable({ read: () => undefined }), request(controller.signal));
    const web = await encryptBody(new ReadableStream<Uint8Array>(), request(controller.signal));
    const reading = [collect(node.body), collect(web.body), node.done, web.done].map((promise) =>
      promise.catch((reason: unknown) => reason),
    );
    controller.abort("enough");
    expect(await Promise.all(reading)).toEqual([new Error("enough"), "enough", "enough", "enough"]);
  });

  it("take bytes in shared memory, chunks of every length, and one very long chunk", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(3 * capacity + 5));
    shared.set(randomBytes(shared.length));
    expect((await decrypt(await encrypt(shared))).equals(Buffer.from(shared))).toBe(true);
    const long = randomBytes(5_000_000);
    async function* mixed() {
      yield new Uint8Array(0);
      yield long;
      yield long.subarray(0, 1);
      yield new Uint8Array(0);
    }
    const encrypted = await collect((await encryptBody(mixed(), request())).body);
    expect((await decrypt(encrypted)).equals(Buffer.concat([long, long.subarray(0, 1)]))).toBe(true);
  });

  it("hold one segment of a live recording back, and no more", async () => {
    const state = { given: 0 };
    async function* live() {
      for (;;) {
        state.given += 1_000;
        yield randomBytes(1_000);
      }
    }
    const { body } = await encryptBody(live(), request());
    let size = -header().length - 74;
    for await (const piece of body) {
      size += piece.length;
      expect(state.given - size).toBeLessThanOrEqual(capacity + 1_000);
      if (size > 20 * segmentLength) break;
    }
  });
});

it.each([
  ["nothing", "", "ERR_RECORDING_TRUNCATED"],
  ["the beginning of a recording", "RKS", "ERR_RECORDING_TRUNCATED"],
  ["a short text", "no", "ERR_FORMAT_INVALID"],
  ["a WAV file", "RIFF....WAVEfmt ", "ERR_FORMAT_INVALID"],
])("%s is no recording, and is told so", async (_what, bytes, code) => {
  await expect(decrypt(Buffer.from(bytes))).rejects.toMatchObject({ code });
  await expect(decrypt(Readable.from([Buffer.from(bytes)]))).rejects.toMatchObject({ code });
});
