import { createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { FloeDecryptor, FloeEncryptor, FloeSegments } from "../../src/format/floe.js";
import { isInnerSegment, segmentParts } from "../../src/format/segment-parts.js";

const key = randomBytes(32);
const aad = Buffer.from("associated data");
const segmentLength = 64;
const capacity = 32;
const parameters = { segmentLength };
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
const pair = () => {
  const encryptor = new FloeEncryptor(key, aad, parameters);
  return { encryptor, decryptor: new FloeDecryptor(key, aad, encryptor.header, parameters) };
};
const tampered = (message: string) => expect.objectContaining({ code: "ERR_RECORDING_TAMPERED", message }) as Error;

/** A segment as docs/FORMAT.md has it. */
function opened(header: Buffer, segment: Buffer, position: number, last: boolean): Buffer {
  const derive = (from: Buffer, purpose: Buffer, length: number) =>
    createHmac("sha384", from)
      .update(header.subarray(0, 42))
      .update(purpose)
      .update(aad)
      .update(Buffer.from([1]))
      .digest()
      .subarray(0, length);
  const messageKey = derive(key, Buffer.from("MESSAGE_KEY:"), 48);
  const segmentKey = derive(messageKey, Buffer.concat([Buffer.from("DEK:"), u64(position - (position % 2 ** 20))]), 32);
  const decipher = createDecipheriv("aes-256-gcm", segmentKey, segment.subarray(4, 16));
  decipher.setAAD(Buffer.concat([u64(position), Buffer.from([last ? 1 : 0])]));
  decipher.setAuthTag(segment.subarray(-16));
  return Buffer.concat([decipher.update(segment.subarray(16, -16)), decipher.final()]);
}

describe("segments of FLOE", () => {
  const last = 2 ** 40 - 1;
  it.each([
    0,
    1,
    2 ** 20 - 1,
    2 ** 20,
    2 ** 20 + 1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 32 + 2 ** 20 + 3,
    last - 1,
    last,
  ])("at position %i are as the format says", (position) => {
    const { encryptor, decryptor } = pair();
    for (const isLast of position === last ? [true] : [false, true]) {
      const plaintext = randomBytes(capacity);
      const segment = Buffer.concat(
        encryptor.segments.encrypt([plaintext.subarray(0, 5), plaintext.subarray(5)], position, isLast),
      );
      expect(segment.readUInt32BE(0)).toBe(isLast ? segmentLength : 0xffffffff);
      expect(opened(encryptor.header, segment, position, isLast).equals(plaintext)).toBe(true);
      expect(Buffer.concat(decryptor.segment(segmentParts(segment), position, isLast)).equals(plaintext)).toBe(true);
    }
  });

  it("are no more than 2^40, the last one among them", () => {
    const { encryptor, decryptor } = pair();
    const full = [Buffer.alloc(capacity)];
    expect(() => encryptor.segments.encrypt(full, last, false)).toThrow(
      new RangeError("FLOE: more than 2^40 segments"),
    );
    const segment = segmentParts(Buffer.concat(encryptor.segments.encrypt(full, 0, true)));
    expect(() => decryptor.segment(segment, last + 1, true)).toThrow(
      new RangeError("FLOE: no keys any more, or more than 2^40 segments"),
    );
    expect(() => decryptor.segment(segment, last, true)).toThrow(tampered(`segment ${last} was changed`));
  });

  it("are full, but for the last", () => {
    const { encryptor } = pair();
    const wrong = new RangeError("FLOE: segment after the last one, or of the wrong length");
    for (const [size, isLast] of [
      [capacity - 1, false],
      [capacity + 1, false],
      [0, false],
      [capacity + 1, true],
    ] as const)
      expect(() => encryptor.segment([Buffer.alloc(size)], isLast)).toThrow(wrong);
    for (const [size, isLast] of [
      [capacity, false],
      [capacity, true],
    ] as const)
      expect(Buffer.concat(pair().encryptor.segment([Buffer.alloc(size)], isLast)).length).toBe(segmentLength);
    expect(Buffer.concat(encryptor.segment([], true)).length).toBe(32);
    expect(() => encryptor.segment([], true)).toThrow(wrong);
  });

  it("have an IV each", () => {
    const { encryptor } = pair();
    const ivs = Array.from({ length: 200 }, (_, position) =>
      Buffer.concat(encryptor.segments.encrypt([Buffer.alloc(capacity)], position, false)).toString("hex", 4, 16),
    );
    expect(new Set(ivs).size).toBe(200);
    expect(ivs.every((iv) => iv.length === 24)).toBe(true);
  });

  it("are taken only whole, in their place, and with a tag of 16 bytes", () => {
    const { encryptor, decryptor } = pair();
    const inner = segmentParts(Buffer.concat(encryptor.segment([Buffer.alloc(capacity)], false)));
    const end = segmentParts(Buffer.concat(encryptor.segment([Buffer.alloc(capacity - 1)], true)));
    const wrong = "segment 1 has the wrong length";
    const refused: [parts: typeof inner, last: boolean, message: string][] = [
      [inner, true, wrong],
      [end, false, wrong],
      [{ ...inner, lengthField: segmentLength }, false, wrong],
      [{ ...inner, ciphertext: [...inner.ciphertext, Buffer.alloc(1)] }, false, wrong],
      [{ ...inner, ciphertext: [] }, false, wrong],
      [{ ...end, ciphertext: [...end.ciphertext, Buffer.alloc(2)], lengthField: segmentLength + 1 }, true, wrong],
      [{ ...end, lengthField: segmentLength }, true, wrong],
      [{ ...inner, iv: randomBytes(12) }, false, "segment 1 was changed"],
      [inner, false, "segment 1 was changed"],
    ];
    for (const [parts, isLast, message] of refused)
      expect(() => decryptor.segment(parts, 1, isLast)).toThrow(tampered(message));
    expect(() => decryptor.segment({ ...inner, tag: inner.tag.subarray(0, 4) }, 0, false)).toThrow(
      expect.objectContaining({ code: "ERR_CRYPTO_INVALID_AUTH_TAG" }) as Error,
    );
    expect(decryptor.segment(inner, 0, false)).toEqual([Buffer.alloc(capacity)]);
    expect(decryptor.segment(end, 1, true)).toEqual([Buffer.alloc(capacity - 1)]);
  });

  it("decrypt into as many pieces as their ciphertext, wiped if they do not verify", () => {
    const { encryptor, decryptor } = pair();
    const parts = segmentParts(Buffer.concat(encryptor.segment([Buffer.alloc(capacity, 7)], true)));
    const [ciphertext] = parts.ciphertext;
    const cut = {
      ...parts,
      ciphertext: [ciphertext!.subarray(0, 10), ciphertext!.subarray(10, 11), ciphertext!.subarray(11)],
    };
    expect(decryptor.segment(cut, 0, true).map(({ length }) => length)).toEqual([10, 1, 21]);
    const update = vi.spyOn(
      Object.getPrototypeOf(createDecipheriv("aes-256-gcm", key, Buffer.alloc(12))) as { update(data: Buffer): Buffer },
      "update",
    );
    expect(() => decryptor.segment({ ...cut, tag: Buffer.alloc(16) }, 0, true)).toThrow(
      tampered("segment 0 was changed"),
    );
    const outputs = update.mock.results.map(({ value }) => value as Buffer);
    update.mockRestore();
    expect(outputs.map(({ length }) => length)).toEqual([10, 1, 21]);
    expect(Buffer.concat(outputs).equals(Buffer.alloc(capacity))).toBe(true);
  });

  it("know whether they are the last by their first four bytes", () =>
    expect([0xffffffff, 0xfffffffe, 64, 0, undefined].map(isInnerSegment)).toEqual([true, false, false, false, false]));
});

describe("keys of FLOE", () => {
  it("are copied for other threads, each of which has its own", () => {
    const { encryptor, decryptor } = pair();
    const messageKey = Buffer.alloc(48);
    encryptor.segments.copyMessageKey(messageKey);
    const copies = [messageKey, Buffer.alloc(48)];
    decryptor.segments.copyMessageKey(copies[1]!);
    expect(copies[0]!.equals(copies[1]!)).toBe(true);
    const { message } = encryptor.segments;
    expect(message).toEqual({ aad, header: encryptor.header, parameters });
    const other = new FloeSegments(messageKey, message);
    messageKey.fill(0);
    encryptor.destroy();
    const segment = Buffer.concat(other.encrypt([Buffer.from("hello")], 7, true));
    expect(Buffer.concat(decryptor.segment(segmentParts(segment), 7, true)).toString()).toBe("hello");
  });

  it("are wiped after the last segment, and when they are destroyed", () => {
    const gone = new RangeError("FLOE: no keys any more");
    const ended = pair();
    const parts = segmentParts(Buffer.concat(ended.encryptor.segment([], true)));
    ended.decryptor.segment(parts, 0, true);
    expect(() => ended.encryptor.segments.copyMessageKey(Buffer.alloc(48))).toThrow(gone);
    ended.decryptor.destroy();
    expect(() => ended.decryptor.segments.copyMessageKey(Buffer.alloc(48))).toThrow(gone);
    expect(() => ended.decryptor.segment(parts, 0, true)).toThrow(/no keys any more/);
    expect(() => ended.encryptor.segments.encrypt([], 1, true)).toThrow(/after the last one/);
  });

  it("fit one header, one text of associated data and one segment length", () => {
    const { encryptor } = pair();
    const changed = (at: number) => {
      const copy = Buffer.from(encryptor.header);
      copy[at]! ^= 1;
      return copy;
    };
    const cases: [header: Uint8Array, parameters: { segmentLength: number }, aad?: Buffer][] = [
      ...Array.from({ length: 74 }, (_, at): [Buffer, typeof parameters] => [changed(at), parameters]),
      [Buffer.concat([encryptor.header, Buffer.alloc(1)]), parameters],
      [encryptor.header.subarray(0, 73), parameters],
      [Buffer.alloc(0), parameters],
      [encryptor.header, { segmentLength: segmentLength + 1 }],
      [encryptor.header, parameters, Buffer.from("associated date")],
    ];
    for (const [header, given, other] of cases)
      expect(() => new FloeDecryptor(key, other ?? aad, header, given)).toThrow(
        tampered("the recording's header was changed, or belongs to another payload"),
      );
    expect(() => new FloeDecryptor(randomBytes(32), aad, encryptor.header, parameters)).toThrow(
      tampered("the recording's header was changed, or belongs to another payload"),
    );
  });
});
