import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { afterEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreError } from "../../src/errors.js";
import { encryptBody } from "../../src/recording/bodies.js";
import { salvageBody } from "../../src/recording/salvage.js";
import {
  capacity,
  chunks,
  collect,
  dataKey,
  encrypt,
  encryptWithMetadata,
  header,
  lease,
  segmentLength,
} from "./support.js";

const plaintext = randomBytes(3 * capacity + 500);
const headerBytes = header();
const start = headerBytes.length + 74;
const encrypted = await encrypt(plaintext, headerBytes);
const damaged = Buffer.from(encrypted);
damaged[start + 2 * segmentLength + 99]! ^= 1;

const whole = await encryptWithMetadata(plaintext, { from: "+49 30 1234567" });
const lostMetadata = Buffer.from(whole.encrypted);
lostMetadata[whole.headerBytes.length + 90]! ^= 1;
const cut = "ERR_RECORDING_TRUNCATED";
const changed = "ERR_RECORDING_TAMPERED";

/** What is left of a recording, how much of it must come back, and what decryption would have said. */
const remains: [what: string, bytes: Buffer, size: number, damage: string | undefined][] = [
  ["a whole one", encrypted, plaintext.length, undefined],
  ["nothing but the headers", encrypted.subarray(0, start), 0, cut],
  ["half a segment", encrypted.subarray(0, start + segmentLength / 2), 0, cut],
  ["a segment", encrypted.subarray(0, start + segmentLength), capacity, cut],
  ["two segments and a few bytes", encrypted.subarray(0, start + 2 * segmentLength + 3), 2 * capacity, cut],
  ["all but the last byte", encrypted.subarray(0, -1), 3 * capacity, cut],
  ["a changed third segment", damaged, 2 * capacity, changed],
  ["a whole one in a preallocated file", Buffer.concat([encrypted, Buffer.alloc(10_000)]), plaintext.length, changed],
  [
    "three segments in a preallocated file",
    Buffer.concat([encrypted.subarray(0, start + 3 * segmentLength), Buffer.alloc(10_000)]),
    3 * capacity,
    changed,
  ],
  ["one with metadata, cut short", whole.encrypted.subarray(0, whole.start + segmentLength + 5), capacity, cut],
  ["a whole one with changed metadata", lostMetadata, plaintext.length, changed],
];

describe("salvage", () => {
  it.each(remains)("of %s", async (_what, bytes, size, damage) => {
    for (const input of [
      bytes,
      Readable.from(chunks(bytes, 1_000)),
      ReadableStream.from(chunks(bytes, 5_000)),
      Readable.from([bytes]),
    ]) {
      const state = { released: 0, renewed: 0, valid: true };
      const salvaged = await salvageBody(input, { open: async () => lease(state) });
      expect((await collect(salvaged.body)).equals(plaintext.subarray(0, size))).toBe(true);
      const totals = "done" in salvaged ? await salvaged.done : salvaged;
      expect(totals).toMatchObject({ plaintextSize: size, complete: damage === undefined });
      expect(totals.damage?.code).toBe(damage);
      expect("metadata" in salvaged.header).toBe(bytes.includes(whole.section));
      expect(state.released).toBe(1);
    }
  });

  it("stops the source at the damage", async () => {
    let stopped = false;
    async function* source() {
      try {
        yield damaged;
        await new Promise(() => undefined);
      } finally {
        stopped = true;
      }
    }
    const { body } = await salvageBody(source(), { open: async () => lease() });
    expect((await collect(body)).length).toBe(2 * capacity);
    expect(stopped).toBe(true);
  });

  it("gives keys back when they may no longer be used, and refuses what is no recording", async () => {
    const state = { released: 0, renewed: 0, valid: false, renew: () => Promise.reject(new Error("refused")) };
    await expect(salvageBody(encrypted, { open: async () => lease(state) })).rejects.toThrow("refused");
    expect(state.released).toBe(1);
    await expect(salvageBody({} as never, { open: async () => lease() })).rejects.toMatchObject({
      field: "encrypted",
      rule: expect.stringMatching(/^must be a Uint8Array, /),
    });
  });

  it("is no way around keys, or failures of the source", async () => {
    const refusal = new RecordingKeyStoreError("ERR_KMS_REFUSED", "no");
    await expect(salvageBody(encrypted, { open: () => Promise.reject(refusal) })).rejects.toBe(refusal);
    await expect(
      salvageBody(Buffer.concat([header({ asset: "screen" }), encrypted.subarray(headerBytes.length)]), {
        open: async () => lease(),
      }),
    ).rejects.toMatchObject({ code: "ERR_RECORDING_TAMPERED" });
    const failing = async function* () {
      yield encrypted.subarray(0, start + segmentLength + 1);
      throw new Error("disk gone");
    };
    const salvaged = await salvageBody(failing(), { open: async () => lease() });
    await expect(collect(salvaged.body)).rejects.toThrow("disk gone");
    await expect("done" in salvaged && salvaged.done).rejects.toThrow("disk gone");
  });
});

describe("salvage of bytes", () => {
  afterEach(() => vi.restoreAllMocks());
  const megabytes = 6;

  /** Salvages, as if each step took 10 ms, and calls `turn` in each iteration of the event loop. */
  async function salvaging(turn: (count: number) => void, signal?: AbortSignal) {
    const long = await encrypt(Buffer.alloc(megabytes * 1_048_576, 7));
    await new Promise((resolve) => setImmediate(resolve)); // lets what encryption began end
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (now += 10));
    let turns = 0;
    let over = false;
    const count = () => {
      turn((turns += 1));
      if (!over) setImmediate(count);
    };
    setImmediate(count);
    const request = { open: async () => lease(), ...(signal ? { signal } : {}) };
    const salvaged = await salvageBody(long, request).finally(() => (over = true));
    const whole = Buffer.alloc(megabytes * 1_048_576, 7).equals(salvaged.body as Buffer);
    return { whole, turns };
  }

  it("leaves the event loop its turns, while it decrypts and while it joins", async () => {
    const { whole, turns } = await salvaging(() => undefined);
    expect(whole).toBe(true);
    expect(turns).toBeGreaterThanOrEqual(megabytes);
  });

  it.each([2, megabytes])("ends with its signal in turn %i", async (last) => {
    const controller = new AbortController();
    const reason = new Error("no more");
    const salvaged = salvaging((turn) => {
      if (turn === last) controller.abort(reason);
    }, controller.signal);
    await expect(salvaged).rejects.toBe(reason);
  });

  it("leaves no plaintext behind when its signal aborts while it joins", async () => {
    const segmentLength = 65_568;
    const size = 3 * 1_048_576;
    const { body } = await encryptBody(Buffer.alloc(size, 7), {
      header: header({ segmentLength }),
      dataKey: Buffer.from(dataKey),
      segmentLength,
    });
    const controller = new AbortController();
    const reason = new Error("no more");
    const { copy } = Buffer.prototype as Buffer;
    let joined: Uint8Array | undefined;
    vi.spyOn(Buffer.prototype, "copy").mockImplementation(function (this: Buffer, ...args: unknown[]) {
      const [target] = args as [Uint8Array];
      if (target.byteLength === size) {
        joined = target;
        controller.abort(reason);
      }
      return copy.apply(this, args as Parameters<Buffer["copy"]>);
    });
    const salvaged = salvageBody(body as Uint8Array, { open: async () => lease(), signal: controller.signal });
    await expect(salvaged).rejects.toBe(reason);
    expect(joined?.every((byte) => byte === 0)).toBe(true);
  });
});
