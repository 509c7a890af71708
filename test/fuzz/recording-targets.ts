import { Readable } from "node:stream";
import type { ErrorCode } from "../../src/errors.js";
import { decryptBody } from "../../src/recording/bodies.js";
import { decodeHeader, encodeHeader } from "../../src/format/header.js";
import { bytesSource } from "../../src/recording/random-access-source.js";
import { SegmentReader } from "../../src/recording/reader/segment-reader.js";
import { salvageBody } from "../../src/recording/salvage.js";
import { decryptAll } from "../format/floe-oracle.js";
import { lease } from "../recording/support.js";
import { promise, refusable, type FuzzTarget } from "./fuzzer.js";
import type { Random } from "./random.js";
import {
  dataKey,
  hasUnknownFields,
  metadataAad,
  metadataParameters,
  mutateHeader,
  mutateRecording,
  sound,
  takeApart,
} from "./recordings.js";

const formatCodes: readonly ErrorCode[] = ["ERR_FORMAT_INVALID", "ERR_FORMAT_TOO_NEW"];
const codes: readonly ErrorCode[] = [...formatCodes, "ERR_RECORDING_TAMPERED", "ERR_RECORDING_TRUNCATED"];
const open = async () => ({ ...lease(), dataKey: async () => Buffer.from(dataKey) });

const noRandom = () => Buffer.alloc(0);

/** Result of the oracle. `undefined` if it refuses, or the header is malformed. */
async function expectedOf(recording: Buffer): Promise<Buffer | undefined> {
  const parts = takeApart(recording);
  const header = parts && (await refusable(formatCodes, () => decodeHeader(parts.header)));
  if (!parts || !header) return undefined;
  try {
    if (header.metadataLength !== undefined)
      decryptAll({ ...metadataParameters, RND: noRandom }, dataKey, metadataAad(parts.header), parts.metadata);
    return decryptAll(
      { ENC_SEG_LEN: parts.segmentLength, AEAD_ROTATION_MASK: 20, RND: noRandom },
      dataKey,
      parts.header,
      parts.payload,
    );
  } catch {
    return undefined;
  }
}

const isBeginning = (bytes: Uint8Array) => Buffer.compare(bytes, sound.subarray(0, bytes.length)) === 0;

function chunksOf(bytes: Buffer, random: Random): Readable | AsyncIterable<Uint8Array> {
  const chunks: Buffer[] = [];
  const longest = random.pick([40, 1_000, 9_000, 100_000]);
  for (let offset = 0; offset < bytes.length;) {
    const length = 1 + random.below(longest);
    chunks.push(Buffer.from(bytes.subarray(offset, offset + length)));
    offset += length;
  }
  if (random.chance(0.5)) return Readable.from(chunks);
  return (async function* () {
    yield* chunks;
  })();
}

/** Checks that a streamed body is a beginning of the sound: whole segments before a failure, all of it without one. */
async function checkStream(bytes: Buffer, expected: Buffer | undefined, random: Random): Promise<void> {
  const capacity = (takeApart(bytes)?.segmentLength ?? 0) - 32;
  let size = 0;
  const taken = await refusable(codes, async () => {
    const { body } = await decryptBody(chunksOf(bytes, random) as Readable, { open });
    for await (const piece of body as AsyncIterable<Buffer>) {
      promise(sound.subarray(size, size + piece.length).equals(piece), `wrong plaintext at ${size}`);
      size += piece.length;
    }
    return true;
  });
  promise(
    (taken === true) === (expected !== undefined),
    `a stream is ${taken ? "taken" : "refused"}, and should not be`,
  );
  promise(expected ? size === expected.length : size === 0 || size % capacity === 0, `${size} bytes were released`);
}

async function checkReader(bytes: Buffer, expected: Buffer | undefined, random: Random): Promise<void> {
  const reader = await refusable(codes, () =>
    SegmentReader.open(bytesSource(bytes), {
      checkNames: () => undefined,
      open: async () => ({ lease: await open(), keyPairId: "pair-1" }),
    }),
  );
  promise(!expected || reader?.size === expected.length, `the reader's size is ${reader?.size}`);
  if (!reader) return;
  for (let reads = 0; reads < 4; reads += 1) {
    const offset = random.below(reader.size + 1);
    const length = random.size(reader.size + 10);
    const piece = await refusable(codes, () => reader.read(offset, length));
    promise(piece !== undefined || !expected, `a read at ${offset} failed`);
    if (piece)
      promise(
        Buffer.compare(piece, sound.subarray(offset, Math.min(offset + length, reader.size))) === 0,
        `wrong plaintext at ${offset}`,
      );
  }
  await reader.close();
}

async function checkSalvage(bytes: Buffer, expected: Buffer | undefined, random: Random): Promise<void> {
  const input = random.chance(0.5) ? bytes : (Readable.from([bytes]) as never);
  const salvaged = await refusable(codes, async () => {
    const result = await salvageBody(input, { open });
    const { body } = result;
    const pieces: Buffer[] = [];
    for await (const piece of body instanceof Uint8Array ? [body] : (body as AsyncIterable<Buffer>))
      pieces.push(Buffer.from(piece));
    return {
      body: Buffer.concat(pieces),
      ...("done" in result ? await result.done : result),
    };
  });
  promise(salvaged !== undefined || !expected, "salvage refuses a whole recording");
  if (!salvaged) return;
  promise(
    isBeginning(salvaged.body) && salvaged.plaintextSize === salvaged.body.length,
    "salvage gives something else",
  );
  promise(salvaged.complete === (expected !== undefined), `salvage says complete: ${salvaged.complete}`);
}

export const recordingTargets: readonly FuzzTarget[] = [
  {
    name: "recording header",
    input: mutateHeader,
    async run(input) {
      const header = await refusable(formatCodes, () => decodeHeader(input));
      if (!header) return false;
      const again = encodeHeader(header);
      promise(again.equals(input) || hasUnknownFields(input), "encodes to other bytes");
      promise(encodeHeader(decodeHeader(again)).equals(again), "does not come back");
      return true;
    },
  },
  {
    name: "recording",
    input: mutateRecording,
    async run(input, random) {
      const expected = await expectedOf(input);
      promise(!expected || isBeginning(expected), "the oracle gives something else");
      const whole = await refusable(codes, () => decryptBody(input, { open }));
      promise(
        whole ? expected?.equals(whole.body) === true : !expected,
        `${whole ? "taken" : "refused"}, and should not be`,
      );
      await checkStream(input, expected, random);
      await checkReader(input, expected, random);
      await checkSalvage(input, expected, random);
      return whole !== undefined;
    },
  },
];
