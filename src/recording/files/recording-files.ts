import type { RecordingHeader } from "../../format/header.js";
import { decryptionLayout, encryptionLayout, type StreamTotals } from "../../format/segments.js";
import type { DecryptedRecording, EncryptedRecording } from "../bodies.js";
import { ByteReader } from "../byte-reader.js";
import { RecordingDecryptor, type OpenHeader } from "../decryptor.js";
import { RecordingEncryptor, type EncryptRequest } from "../encryptor.js";
import { checkEnd } from "../ending.js";
import { workOnFile, type FileRequest } from "./file-work.js";
import type { InputFile } from "./input-file.js";

/** Sizes of both files, and who worked on them. */
export interface FileTotals extends StreamTotals {
  /** Number of threads that took part: 1 where the calling thread did it all. */
  readonly threads: number;
}

export interface EncryptedFile extends Omit<EncryptedRecording, "body">, FileTotals {}
export interface DecryptedFile extends Omit<DecryptedRecording, "body">, FileTotals {}

/** Read at a time while the header is looked for, bytes. */
const firstChunk = 16_384;

export async function encryptFile<T>(
  request: FileRequest,
  seal: () => Promise<{ seal: EncryptRequest; facts: T }>,
): Promise<T & FileTotals> {
  const { inputSize, outputSize, ...rest } = await workOnFile(request, false, async ({ size }) => {
    const { seal: sealed, facts } = await seal();
    const encryptor = new RecordingEncryptor(sealed);
    const preamble = encryptor.takePreamble();
    return {
      layout: encryptionLayout(size, { preambleLength: preamble.length, segmentLength: sealed.segmentLength }),
      preamble,
      keys: encryptor.segmentKeys,
      destroy: () => encryptor.destroy(),
      facts,
    };
  });
  return { ...(rest as T & Pick<FileTotals, "threads">), plaintextSize: inputSize, encryptedSize: outputSize };
}

export async function decryptFile<T>(
  request: FileRequest,
  open: OpenHeader,
  factsOf: (header: RecordingHeader) => T,
): Promise<T & FileTotals> {
  const { signal } = request;
  const { inputSize, outputSize, ...rest } = await workOnFile(request, true, async (input) => {
    const decryptor = await RecordingDecryptor.open(readerOf(input), { open, signal, salvage: false });
    const { header, preambleLength, segmentKeys: keys } = decryptor;
    const layout = decryptionLayout(input.size, { ...header, preambleLength });
    const destroy = () => decryptor.destroy();
    try {
      const read = (offset: number, length: number) => input.read(Buffer.allocUnsafeSlow(length), offset);
      await checkEnd({ layout, trailerLength: header.trailerLength, keys, read });
    } catch (error) {
      destroy();
      throw error;
    }
    return { layout, preamble: Buffer.alloc(0), keys, destroy, facts: factsOf(header) };
  });
  return { ...(rest as T & Pick<FileTotals, "threads">), plaintextSize: outputSize, encryptedSize: inputSize };
}

/** The file's beginning, chunk by chunk. */
function readerOf(input: InputFile): ByteReader {
  let offset = 0;
  const next = async () => {
    const chunk = Buffer.allocUnsafeSlow(Math.min(firstChunk, input.size - offset));
    if (chunk.length === 0) return undefined;
    await input.read(chunk, offset);
    offset += chunk.length;
    return chunk;
  };
  return new ByteReader(next, true);
}
