import { bytesSource, RecordingKeyStoreError, type RecordingKeyStore, type RecordingReader } from "../../src/index.js";

export const segmentSize = 4_096;
const encryptedSegment = segmentSize + 32;
const recordingId = "r";

/** The ways to play a recording. */
export const ways = ["bytes", "reader", "stream"] as const;
export type Way = (typeof ways)[number];

/** What came of playing each way: `ok`, or the error's code. */
export type Outcomes = Readonly<Record<Way, string>>;

/** A recording as the processes share it. */
export interface Shared {
  readonly encrypted: Buffer;
  readonly plaintext: Buffer;
}

/** One organization's recording as a process plays it: as bytes, by an open reader, and as a stream that is still coming. */
export class Player {
  readonly keyStore: RecordingKeyStore;
  readonly #shared: Shared;
  #reader: RecordingReader | undefined;
  #stream: ComingStream | undefined;
  #reads = 0;
  /** Length of what comes before the first segment, in bytes. */
  #head: number | undefined;

  constructor(keyStore: RecordingKeyStore, shared: Shared) {
    this.keyStore = keyStore;
    this.#shared = shared;
  }

  /** Plays as bytes, and opens a reader and a stream. */
  async open(): Promise<void> {
    await this.#bytes();
    this.#reader = await this.keyStore.openRecording(bytesSource(this.#shared.encrypted), { recordingId });
    this.#stream = await this.#opened();
  }

  /** Plays the next part each way. */
  async play(): Promise<Outcomes> {
    const [bytes, reader, stream] = await Promise.all(ways.map((way) => this.outcome(way)));
    return { bytes, reader, stream } as Outcomes;
  }

  async outcome(way: Way): Promise<string> {
    try {
      await { bytes: () => this.#bytes(), reader: () => this.#read(), stream: () => this.#next() }[way]();
      return "ok";
    } catch (error) {
      return error instanceof RecordingKeyStoreError ? error.code : String(error);
    }
  }

  async #bytes(): Promise<void> {
    const { body } = await this.keyStore.decryptRecording(this.#shared.encrypted, { recordingId });
    this.#check(body, 0);
  }

  /** Every other time what was read before, which the reader may have kept. */
  async #read(): Promise<void> {
    const segments = this.#shared.plaintext.length / segmentSize;
    const offset = (Math.floor(this.#reads / 2) % segments) * segmentSize;
    this.#reads += 1;
    this.#check((await this.#reader?.read(offset, segmentSize - 1)) ?? Buffer.alloc(0), offset);
  }

  /** Goes on with a new stream where the one before has been played to its end. */
  async #next(): Promise<void> {
    if (!this.#stream || this.#stream.isAtEnd) this.#stream = await this.#opened();
    const { piece, offset } = await this.#stream.next();
    this.#check(piece, offset);
  }

  #check(piece: Uint8Array, offset: number): void {
    const expected = this.#shared.plaintext.subarray(offset, offset + piece.length);
    if (piece.length === 0 || !expected.equals(piece)) throw new Error(`wrong plaintext at ${offset}`);
  }

  async #opened(): Promise<ComingStream> {
    this.#head ??= (await this.keyStore.encryptedSize(0, { recordingId, segmentSize })) - 32; // of an empty last segment
    return ComingStream.open(this.keyStore, this.#shared.encrypted, this.#head);
  }
}

/** A stream whose segments come one by one, each when it is asked for. */
class ComingStream {
  readonly #segments: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #letOneCome: () => void;
  #played = 0;

  private constructor(segments: number, reader: ReadableStreamDefaultReader<Uint8Array>, letOneCome: () => void) {
    this.#segments = segments;
    this.#reader = reader;
    this.#letOneCome = letOneCome;
  }

  /** @param head - length of what comes before the first segment */
  static async open(keyStore: RecordingKeyStore, encrypted: Buffer, head: number): Promise<ComingStream> {
    let coming = 0;
    let wake: () => void = () => undefined;
    const letOneCome = () => {
      coming += 1;
      wake();
    };
    const pieces = async function* () {
      yield encrypted.subarray(0, head);
      for (let at = head; at < encrypted.length; at += encryptedSegment) {
        if (coming === 0) await new Promise<void>((resolve) => (wake = resolve));
        coming -= 1;
        yield encrypted.subarray(at, at + encryptedSegment);
      }
    };
    const { body } = await keyStore.decryptRecording(pieces(), { recordingId });
    const segments = Math.ceil((encrypted.length - head) / encryptedSegment);
    return new ComingStream(segments, body.getReader(), letOneCome);
  }

  get isAtEnd(): boolean {
    return this.#played === this.#segments;
  }

  async next(): Promise<{ piece: Uint8Array; offset: number }> {
    this.#letOneCome();
    const { value: piece = new Uint8Array() } = await this.#reader.read();
    const offset = this.#played * segmentSize;
    this.#played += 1;
    return { piece, offset };
  }
}
