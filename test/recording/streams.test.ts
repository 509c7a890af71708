import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { decryptBody, encryptBody } from "../../src/recording/bodies.js";
import { capacity, chunks, collect, dataKey, encrypt, header, lease, segmentLength } from "./support.js";

const request = (signal?: AbortSignal) => ({ header: header(), dataKey: Buffer.from(dataKey), segmentLength, ...(signal ? { signal } : {}) });

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
    const source = kind === "Readable" ? Readable.from(endless(state), { objectMode: false, highWaterMark: 0 }) : ReadableStream.from(endless(state), );
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
    const hanging = kind === "Readable" ? new Readable({ read: () => undefined }) : { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
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
      const { body } = await encryptBody(source, request());
      await expect(collect(body as Readable)).rejects.toThrow("disk gone");
    }
    await sleep(5);
  });

  it.each([["text"], [{}], [7], [null]])("refuse chunks that are not bytes: %j", async (chunk) => {
    const source = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: chunk }) }) } as unknown as AsyncIterable<Uint8Array>;
    const { body } = await encryptBody(source, request());
    await expect(collect(body as AsyncIterable<Uint8Array>)).rejects.toMatchObject({ code: "ERR_INVALID_INPUT", field: "recording" });
  });

  it.each([["text"], [7], [null], [{}]])("refuse input that is no recording: %j", async (input) => {
    const { dataKey: key, ...rest } = request();
    await expect(encryptBody(input as never, { ...rest, dataKey: key })).rejects.toMatchObject({ code: "ERR_INVALID_INPUT" });
    expect(key.equals(Buffer.alloc(32))).toBe(true);
  });

  it("wipe keys in every outcome", async () => {
    const encrypted = await encrypt(randomBytes(3 * capacity));
    const outcomes: [string, (state: { released: number; renewed: number; valid: boolean }) => Promise<unknown>][] = [
      ["end", async (state) => collect((await decryptBody(Readable.from(chunks(encrypted, 1_000)), { open: async () => lease(state) })).body)],
      ["bytes", async (state) => decryptBody(encrypted, { open: async () => lease(state) })],
      ["cut", async (state) => collect((await decryptBody(Readable.from(chunks(encrypted.subarray(0, -1), 1_000)), { open: async () => lease(state) })).body)],
      ["destroyed", async (state) => (await decryptBody(Readable.from(chunks(encrypted, 1_000)), { open: async () => lease(state) })).body.destroy()],
      ["cancelled", async (state) => (await decryptBody(ReadableStream.from(chunks(encrypted, 1_000)), { open: async () => lease(state) })).body.cancel()],
      ["tampered header", async (state) => decryptBody(Buffer.concat([header({ asset: "screen" }), encrypted.subarray(header().length)]), { open: async () => lease(state) })],
    ];
    for (const [what, run] of outcomes) {
      const state = { released: 0, renewed: 0, valid: true };
      await run(state).catch(() => undefined);
      await sleep(5);
      expect(state.released, what).toBe(1);
    }
  });

  it("ask custody again once a lease has run out, and end when it refuses", async () => {
    const encrypted = await encrypt(randomBytes(5 * capacity));
    const state = { released: 0, renewed: 0, valid: true };
    const held = lease(state);
    const { body } = await decryptBody(Readable.from(chunks(encrypted, 1_000), { highWaterMark: 1 }), { open: async () => held });
    const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await iterator.next();
    state.valid = false;
    held.renew = () => Promise.reject(new Error("refused"));
    await expect(
      (async () => {
        while (!(await iterator.next()).done);
      })(),
    ).rejects.toThrow("refused");
    expect(state.released).toBe(1);
  });
});
