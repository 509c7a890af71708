import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  randomBytes,
  timingSafeEqual,
  type KeyObject,
} from "node:crypto";
import { copySecret, wipe } from "../util/secrets.js";
import { tampered } from "./damage.js";
import { aeadIvLength, notLast, segmentPrefixLength, tagLength, type SegmentParts } from "./segment-parts.js";
import { floeHeaderLength, segmentOverhead } from "./segments.js";

/*
 * FLOE, Fast Lightweight Online Encryption (c2sp.org/FLOE): AES-256-GCM segments, keys by HKDF-Expand-SHA-384. Without
 * I/O: bytes in, bytes out, one segment at a time.
 *
 * Ciphers and HMACs take native key objects: Node 24 spends some 30 µs on each key that it is given as bytes. OpenSSL
 * cleanses the object's memory when the object is collected.
 */

const aeadId = 0;
const kdfId = 0;
const floeIvLength = 32;
const headerTagLength = 32;
const aeadKeyLength = 32;
export const messageKeyLength = 48;
/** 2^20 segments share one AEAD key. Only known-answer tests use another value. */
const defaultRotationMask = 20;
const maxSegments = 2 ** 40;
/** Without it Node accepts tags of 4 bytes. */
const gcmOptions = { authTagLength: tagLength } as const;
/** Number of random IVs drawn at once. */
const ivsPerDraw = 32;

export interface FloeParameters {
  /** ENC_SEG_LEN, in bytes. */
  readonly segmentLength: number;
  readonly rotationMask?: number;
}

/** PARAM_ENCODE */
function encodeParameters(segmentLength: number): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeUInt8(aeadId, 0);
  bytes.writeUInt8(kdfId, 1);
  bytes.writeUInt32BE(segmentLength, 2);
  bytes.writeUInt32BE(floeIvLength, 6);
  return bytes;
}

/** What every key derivation of a message depends on besides its key. No secret. */
interface Derivation {
  readonly parameters: Buffer;
  readonly iv: Uint8Array;
  readonly aad: Uint8Array;
}

/** What a key is derived for. */
const purposes = {
  messageKey: Buffer.from("MESSAGE_KEY:"),
  headerTag: Buffer.from("HEADER_TAG:"),
  segmentKey: Buffer.from("DEK:"),
} as const;
/** The counter of HKDF's first block. */
const firstBlock = Buffer.of(1);

/**
 * FLOE_KDF: HKDF-Expand(key, params || iv || purpose || aad). No output is longer than one HMAC, so one HMAC it is; its input
 * is joined, since each `update` costs more than the copy.
 */
function derive(
  key: KeyObject,
  { parameters, iv, aad }: Derivation,
  purpose: readonly Uint8Array[],
  length: number,
): Buffer {
  const info = Buffer.concat([parameters, iv, ...purpose, aad, firstBlock]);
  const output = createHmac("sha384", key).update(info).digest();
  const derived = copySecret(output.subarray(0, length));
  wipe(output);
  return derived;
}

/** The message that segments belong to. Holds no secret. */
export interface FloeMessage {
  /** Associated data of the whole message. */
  readonly aad: Uint8Array;
  /** The FLOE header, 74 bytes, checked by whoever derived the message key. */
  readonly header: Uint8Array;
  readonly parameters: FloeParameters;
}

/** Encrypts and decrypts the segments of a message, at any position. Each thread has its own. */
export class FloeSegments {
  readonly message: FloeMessage;
  readonly #segmentLength: number;
  readonly #derivation: Derivation;
  readonly #messageKey: Buffer;
  readonly #keySpan: number;
  #segmentKey: KeyObject | undefined;
  #segmentKeyIndex = -1;
  readonly #segmentAad = Buffer.alloc(9);
  /** Random IVs that are left, each for one segment. */
  #ivs: Buffer;
  #closed = false;

  /**
   * @param messageKey - {@link messageKeyLength} bytes, left to its owner
   * @param ivs - random IVs for the first segments to be encrypted
   */
  constructor(messageKey: Uint8Array, message: FloeMessage, ivs: Buffer = Buffer.alloc(0)) {
    const { segmentLength, rotationMask = defaultRotationMask } = message.parameters;
    this.message = message;
    this.#segmentLength = segmentLength;
    this.#derivation = { parameters: encodeParameters(segmentLength), iv: ivOf(message.header), aad: message.aad };
    this.#messageKey = copySecret(messageKey);
    this.#keySpan = 2 ** rotationMask;
    this.#ivs = ivs;
  }

  /** Copies the message key for another thread. The owner of `target` wipes it. */
  copyMessageKey(target: Uint8Array): void {
    if (this.#closed) throw new RangeError("FLOE: no keys any more");
    target.set(this.#messageKey);
  }

  /**
   * Encrypts a segment, into pieces to be written in order.
   * @param parts - the segment's plaintext: exactly `segmentLength - 32` bytes together, at most that many for the last
   */
  encrypt(parts: readonly Uint8Array[], position: number, last: boolean): Buffer[] {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const capacity = this.#segmentLength - segmentOverhead;
    if (this.#closed || (last ? size > capacity : size !== capacity))
      throw new RangeError("FLOE: segment after the last one, or of the wrong length");
    if (!last && position >= maxSegments - 1) throw new RangeError("FLOE: more than 2^40 segments");
    const prefix = Buffer.allocUnsafe(segmentPrefixLength);
    prefix.writeUInt32BE(last ? size + segmentOverhead : notLast, 0);
    const iv = this.#nextIv();
    prefix.set(iv, 4);
    const cipher = createCipheriv("aes-256-gcm", this.#keyFor(position), iv, gcmOptions);
    cipher.setAAD(this.#aadFor(position, last));
    const pieces = [prefix, ...parts.map((part) => cipher.update(part))];
    cipher.final();
    pieces.push(cipher.getAuthTag());
    return pieces;
  }

  /**
   * Decrypts a whole segment, into as many pieces as its ciphertext has. GCM hands out plaintext before it has checked the
   * tag; this does not.
   * @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED`
   */
  decrypt({ lengthField, iv, ciphertext, tag }: SegmentParts, position: number, last: boolean): Buffer[] {
    if (this.#closed || position >= maxSegments)
      throw new RangeError("FLOE: no keys any more, or more than 2^40 segments");
    let length = segmentOverhead;
    for (const piece of ciphertext) length += piece.length;
    const lengthFits = last ? length <= this.#segmentLength : length === this.#segmentLength;
    if (!lengthFits || lengthField !== (last ? length : notLast))
      throw tampered(`segment ${position} has the wrong length`);
    const decipher = createDecipheriv("aes-256-gcm", this.#keyFor(position), iv, gcmOptions);
    decipher.setAAD(this.#aadFor(position, last));
    decipher.setAuthTag(tag);
    const plaintext: Buffer[] = [];
    for (const piece of ciphertext) plaintext.push(decipher.update(piece));
    try {
      decipher.final();
    } catch {
      wipe(...plaintext);
      throw tampered(`segment ${position} was changed`);
    }
    return plaintext;
  }

  /** Wipes the keys. No segment can follow. */
  destroy(): void {
    this.#closed = true;
    wipe(this.#messageKey);
    this.#segmentKey = undefined;
  }

  /** Drawing 12 random bytes costs a tenth of a segment's encryption, so they are drawn in bulk. */
  #nextIv(): Buffer {
    if (this.#ivs.length === 0) this.#ivs = randomBytes(ivsPerDraw * aeadIvLength);
    const iv = this.#ivs.subarray(0, aeadIvLength);
    this.#ivs = this.#ivs.subarray(aeadIvLength);
    return iv;
  }

  /** DERIVE_KEY, cached until the position leaves the key's span. */
  #keyFor(position: number): KeyObject {
    const index = Math.floor(position / this.#keySpan);
    if (this.#segmentKey && index === this.#segmentKeyIndex) return this.#segmentKey;
    const masked = Buffer.alloc(8);
    masked.writeBigUInt64BE(BigInt(index) * BigInt(this.#keySpan));
    const key = derive(
      createSecretKey(this.#messageKey),
      this.#derivation,
      [purposes.segmentKey, masked],
      aeadKeyLength,
    );
    this.#segmentKey = createSecretKey(key);
    this.#segmentKeyIndex = index;
    wipe(key);
    return this.#segmentKey;
  }

  #aadFor(position: number, last: boolean): Buffer {
    this.#segmentAad.writeUInt32BE(Math.floor(position / 2 ** 32), 0);
    this.#segmentAad.writeUInt32BE(position >>> 0, 4);
    this.#segmentAad[8] = last ? 1 : 0;
    return this.#segmentAad;
  }
}

function ivOf(header: Uint8Array): Buffer {
  return Buffer.from(header).subarray(10, 10 + floeIvLength);
}

/** Derives the message key and the header tag from the data key. */
function deriveMessageKey(bytes: Uint8Array, derivation: Derivation): { messageKey: Buffer; headerTag: Buffer } {
  const key = createSecretKey(bytes);
  return {
    messageKey: derive(key, derivation, [purposes.messageKey], messageKeyLength),
    headerTag: derive(key, derivation, [purposes.headerTag], headerTagLength),
  };
}

/** Encrypts the segments of a message in order. */
export class FloeEncryptor {
  /** The FLOE header, 74 bytes, written before the segments. */
  readonly header: Buffer;
  /** The same segments at any position, for callers that know their number in advance. */
  readonly segments: FloeSegments;
  #position = 0;

  /** @param key - 32 bytes, left to its owner */
  constructor(key: Uint8Array, aad: Uint8Array, parameters: FloeParameters) {
    // The first segment's IV comes along: many recordings have no other.
    const random = randomBytes(floeIvLength + aeadIvLength);
    const [iv, firstIv] = [random.subarray(0, floeIvLength), random.subarray(floeIvLength)];
    const derivation = { parameters: encodeParameters(parameters.segmentLength), iv, aad };
    const { messageKey, headerTag } = deriveMessageKey(key, derivation);
    this.header = Buffer.concat([derivation.parameters, iv, headerTag]);
    this.segments = new FloeSegments(messageKey, { aad, header: this.header, parameters }, firstIv);
    wipe(messageKey);
  }

  /** Encrypts the next segment, as {@link FloeSegments.encrypt} does. Wipes the keys after the last one. */
  segment(parts: readonly Uint8Array[], last: boolean): Buffer[] {
    const pieces = this.segments.encrypt(parts, this.#position, last);
    this.#position += 1;
    if (last) this.destroy();
    return pieces;
  }

  /** Wipes the keys. No segment can follow. */
  destroy(): void {
    this.segments.destroy();
  }
}

/** Decrypts the segments of a message, at any position. */
export class FloeDecryptor {
  readonly segments: FloeSegments;

  /**
   * @param key - 32 bytes, left to its owner
   * @param header - the FLOE header, 74 bytes
   * @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED` if header, AAD or key do not belong together
   */
  constructor(key: Uint8Array, aad: Uint8Array, header: Uint8Array, parameters: FloeParameters) {
    const bytes = Buffer.from(header);
    const derivation = { parameters: encodeParameters(parameters.segmentLength), iv: ivOf(bytes), aad };
    const { messageKey, headerTag } = deriveMessageKey(key, derivation);
    this.segments = new FloeSegments(messageKey, { aad, header: bytes, parameters });
    wipe(messageKey);
    const fits = bytes.length === floeHeaderLength && bytes.subarray(0, 10).equals(derivation.parameters);
    if (fits && timingSafeEqual(bytes.subarray(10 + floeIvLength), headerTag)) return;
    this.destroy();
    throw tampered("the recording's header was changed, or belongs to another payload");
  }

  /** Decrypts a segment, as {@link FloeSegments.decrypt} does. @throws RecordingKeyStoreError `ERR_RECORDING_TAMPERED` */
  segment(pieces: SegmentParts, position: number, last: boolean): Buffer[] {
    return this.segments.decrypt(pieces, position, last);
  }

  /** Wipes the keys. No segment can follow. */
  destroy(): void {
    this.segments.destroy();
  }
}
