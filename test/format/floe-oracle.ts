/*
 * FLOE, transcribed from its specification (c2sp.org/FLOE) function by function, plain and slow. An oracle for tests.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";

type Bytes = Uint8Array;
export interface Parameters {
  ENC_SEG_LEN: number;
  AEAD_ROTATION_MASK: number;
  RND: (length: number) => Bytes;
}

const FLOE_IV_LEN = 32;
const AEAD_IV_LEN = 12;
const AEAD_TAG_LEN = 16;
const AEAD_KEY_LEN = 32;
const KDF_KEY_LEN = 48;

function I2BE(value: number | bigint, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = BigInt(value);
  for (let index = length - 1; index >= 0; index -= 1) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

function BE2I(bytes: Bytes): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** HKDF-Expand of RFC 5869, section 2.3, with SHA-384. */
function KDF(prk: Bytes, info: Bytes, length: number): Buffer {
  let output = Buffer.alloc(0);
  let block = Buffer.alloc(0);
  for (let counter = 1; output.length < length; counter += 1) {
    block = createHmac("sha384", prk)
      .update(Buffer.concat([block, info, Buffer.from([counter])]))
      .digest();
    output = Buffer.concat([output, block]);
  }
  return output.subarray(0, length);
}

function PARAM_ENCODE(parameters: Parameters): Buffer {
  return Buffer.concat([I2BE(0, 1), I2BE(0, 1), I2BE(parameters.ENC_SEG_LEN, 4), I2BE(FLOE_IV_LEN, 4)]);
}

function FLOE_KDF(parameters: Parameters, key: Bytes, iv: Bytes, aad: Bytes, purpose: Bytes, length: number): Buffer {
  return KDF(key, Buffer.concat([PARAM_ENCODE(parameters), iv, purpose, aad]), length);
}

interface State {
  MessageKey: Bytes;
  iv: Bytes;
  aad: Bytes;
}

function DERIVE_KEY(parameters: Parameters, { MessageKey, iv, aad }: State, position: number): Buffer {
  const masked = (BigInt(position) >> BigInt(parameters.AEAD_ROTATION_MASK)) << BigInt(parameters.AEAD_ROTATION_MASK);
  return FLOE_KDF(parameters, MessageKey, iv, aad, Buffer.concat([Buffer.from("DEK:"), I2BE(masked, 8)]), AEAD_KEY_LEN);
}

function startEncryption(parameters: Parameters, key: Bytes, aad: Bytes): { State: State; Header: Buffer } {
  const iv = parameters.RND(FLOE_IV_LEN);
  const HeaderTag = FLOE_KDF(parameters, key, iv, aad, Buffer.from("HEADER_TAG:"), 32);
  const MessageKey = FLOE_KDF(parameters, key, iv, aad, Buffer.from("MESSAGE_KEY:"), KDF_KEY_LEN);
  return { State: { MessageKey, iv, aad }, Header: Buffer.concat([PARAM_ENCODE(parameters), iv, HeaderTag]) };
}

function startDecryption(parameters: Parameters, key: Bytes, aad: Bytes, header: Buffer): State {
  const iv = header.subarray(10, 42);
  if (!header.subarray(0, 10).equals(PARAM_ENCODE(parameters))) throw new Error("Invalid Header");
  if (!FLOE_KDF(parameters, key, iv, aad, Buffer.from("HEADER_TAG:"), 32).equals(header.subarray(42)))
    throw new Error("Invalid Header Tag");
  return { MessageKey: FLOE_KDF(parameters, key, iv, aad, Buffer.from("MESSAGE_KEY:"), KDF_KEY_LEN), iv, aad };
}

function encryptSegment(
  parameters: Parameters,
  state: State,
  plaintext: Bytes,
  position: number,
  is_final: boolean,
): Buffer {
  const aead_iv = parameters.RND(AEAD_IV_LEN);
  const cipher = createCipheriv("aes-256-gcm", DERIVE_KEY(parameters, state, position), aead_iv, {
    authTagLength: AEAD_TAG_LEN,
  });
  cipher.setAAD(Buffer.concat([I2BE(position, 8), Buffer.from([is_final ? 1 : 0])]));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const length = is_final ? 4 + AEAD_IV_LEN + ciphertext.length + AEAD_TAG_LEN : 0xffffffff;
  return Buffer.concat([I2BE(length, 4), aead_iv, ciphertext, cipher.getAuthTag()]);
}

function decryptSegment(
  parameters: Parameters,
  state: State,
  segment: Buffer,
  position: number,
  is_final: boolean,
): Buffer {
  if (is_final ? BE2I(segment.subarray(0, 4)) !== segment.length : segment.length !== parameters.ENC_SEG_LEN)
    throw new Error("Invalid segment");
  const decipher = createDecipheriv("aes-256-gcm", DERIVE_KEY(parameters, state, position), segment.subarray(4, 16), {
    authTagLength: AEAD_TAG_LEN,
  });
  decipher.setAAD(Buffer.concat([I2BE(position, 8), Buffer.from([is_final ? 1 : 0])]));
  decipher.setAuthTag(segment.subarray(-AEAD_TAG_LEN));
  return Buffer.concat([decipher.update(segment.subarray(16, -AEAD_TAG_LEN)), decipher.final()]);
}

/** Encrypts a whole message. Writes an empty last segment for an empty message, or if `emptyLast` is set. */
export function encryptAll(
  parameters: Parameters,
  key: Bytes,
  aad: Bytes,
  plaintext: Bytes,
  emptyLast = false,
): Buffer {
  const { State, Header } = startEncryption(parameters, key, aad);
  const capacity = parameters.ENC_SEG_LEN - 32;
  const parts = [Header];
  let position = 0;
  let offset = 0;
  for (; emptyLast ? plaintext.length - offset >= capacity : plaintext.length - offset > capacity; offset += capacity) {
    parts.push(encryptSegment(parameters, State, plaintext.subarray(offset, offset + capacity), position, false));
    position += 1;
  }
  parts.push(encryptSegment(parameters, State, plaintext.subarray(offset), position, true));
  return Buffer.concat(parts);
}

export function decryptAll(parameters: Parameters, key: Bytes, aad: Bytes, ciphertext: Buffer): Buffer {
  const state = startDecryption(parameters, key, aad, ciphertext.subarray(0, 74));
  const parts: Buffer[] = [];
  for (let offset = 74, position = 0; ; position += 1) {
    const field = ciphertext.readUInt32BE(offset);
    const is_final = field !== 0xffffffff;
    const end = offset + (is_final ? field : parameters.ENC_SEG_LEN);
    parts.push(decryptSegment(parameters, state, ciphertext.subarray(offset, end), position, is_final));
    offset = end;
    if (!is_final) continue;
    if (offset !== ciphertext.length) throw new Error("trailing bytes");
    return Buffer.concat(parts);
  }
}
