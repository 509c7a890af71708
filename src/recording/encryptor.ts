import { FloeEncryptor } from "../format/floe.js";
import { sealMetadata } from "../format/metadata.js";
import { segmentOverhead, type StreamTotals } from "../format/segments.js";
import { wipe } from "../util/secrets.js";
import { ChunkQueue } from "./chunk-queue.js";
import type { SegmentAccess } from "./segment-keys.js";

export interface EncryptRequest {
  /** The encoded header; FLOE's associated data. */
  readonly header: Buffer;
  /** 32 bytes. Wiped as soon as FLOE has derived its keys from it. */
  readonly dataKey: Buffer;
  readonly segmentLength: number;
  /** Output of `encodeMetadata`, whose length is in the header. Wiped as soon as it is sealed. */
  readonly metadata?: Buffer | undefined;
}

/**
 * Turns chunks of plaintext into pieces of an encrypted recording, synchronously. FLOE must know whether a segment is the
 * last one before it starts it, so a full segment leaves with the next byte.
 */
export class RecordingEncryptor {
  readonly #floe: FloeEncryptor;
  readonly #capacity: number;
  readonly #held = new ChunkQueue();
  #start: Buffer[];
  #plaintextSize = 0;
  #encryptedSize = 0;

  constructor({ header, dataKey, segmentLength, metadata }: EncryptRequest) {
    this.#floe = new FloeEncryptor(dataKey, header, { segmentLength });
    const section = metadata ? [sealMetadata(metadata, header, dataKey)] : [];
    wipe(dataKey, metadata);
    this.#capacity = segmentLength - segmentOverhead;
    this.#start = [header, ...section, this.#floe.header];
  }

  /** The preamble, for code that lays the segments out itself. */
  takePreamble(): Buffer {
    return Buffer.concat(this.#count(this.#begin()));
  }

  /** The keys, for segments at any position behind the preamble. */
  get segmentKeys(): SegmentAccess {
    const { segments } = this.#floe;
    return { held: segments, use: async (work) => work(segments) };
  }

  /** @param owned - whether the chunk stays unchanged after this call; otherwise what must be kept of it is copied */
  push(chunk: Uint8Array, owned: boolean): Buffer[] {
    const pieces = this.#begin();
    this.#plaintextSize += chunk.length;
    let rest = chunk;
    while (this.#held.length + rest.length > this.#capacity) {
      const room = this.#capacity - this.#held.length;
      // What leaves in this call needs no copy, whoever owns it.
      const held = this.#held.takePieces(this.#capacity);
      this.#write(room > 0 ? [...held, rest.subarray(0, room)] : held, false, pieces);
      rest = rest.subarray(room);
    }
    if (rest.length > 0) this.#held.push(rest, owned);
    return this.#count(pieces);
  }

  end(): Buffer[] {
    const pieces = this.#begin();
    this.#write(this.#held.takePieces(this.#capacity), true, pieces);
    return this.#count(pieces);
  }

  totals(): StreamTotals {
    return { plaintextSize: this.#plaintextSize, encryptedSize: this.#encryptedSize };
  }

  destroy(): void {
    this.#floe.destroy();
    this.#held.clear();
  }

  #begin(): Buffer[] {
    const pieces = this.#start;
    this.#start = [];
    return pieces;
  }

  #write(plaintext: readonly Uint8Array[], last: boolean, pieces: Buffer[]): void {
    pieces.push(...this.#floe.segment(plaintext, last));
  }

  #count(pieces: Buffer[]): Buffer[] {
    for (const piece of pieces) this.#encryptedSize += piece.length;
    return joinSmall(pieces);
  }
}

/** Joins neighbours such as a tag and the beginning of the next segment: each piece costs its reader a call. */
function joinSmall(pieces: readonly Buffer[]): Buffer[] {
  const joined: Buffer[] = [];
  let small: Buffer[] = [];
  const flush = () => {
    if (small.length > 0) joined.push(small.length === 1 ? (small[0] as Buffer) : Buffer.concat(small));
    small = [];
  };
  for (const piece of pieces) {
    if (piece.length < smallPiece) small.push(piece);
    else {
      flush();
      joined.push(piece);
    }
  }
  flush();
  return joined;
}

/** Pieces shorter than this are joined, in bytes. */
const smallPiece = 1_024;
