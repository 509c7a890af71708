import type { OpenedHeader, RecordingHeader } from "../format/header.js";
import type { RecordingInput } from "./bodies.js";
import { bytesReader } from "./byte-reader.js";
import { RecordingDecryptor, type OpenHeader } from "./decryptor.js";
import { openPreamble, preambleOfSource } from "./preamble.js";
import { checkedSource, type RandomAccessSource } from "./random-access-source.js";
import { ByteSource, takeInput, type TakenInput } from "./stream-source.js";
import { openSource } from "./streams.js";

/** How a recording's metadata is read. */
export interface MetadataRequest {
  /** Whether it is the recording that the caller expects; throws if not. */
  readonly checkNames: (header: RecordingHeader) => void;
  /** Called when the names have been checked. */
  readonly open: OpenHeader;
  readonly signal?: AbortSignal;
}

/**
 * Header and encrypted metadata of a recording, authenticated, without a byte of its payload decrypted. A stream is read as
 * far as needed and then cancelled.
 */
export async function readMetadata(
  input: RecordingInput | TakenInput | RandomAccessSource,
  { checkNames, open, signal }: MetadataRequest,
): Promise<OpenedHeader> {
  if (isSource(input)) {
    const preamble = await preambleOfSource(checkedSource(input), checkNames, signal);
    const { header } = preamble;
    const { keys, metadata } = await openPreamble(preamble, await open(header), { signal });
    keys.destroy();
    return metadata ? { ...header, metadata } : header;
  }
  const request = {
    open: async (header: RecordingHeader) => {
      checkNames(header);
      return open(header);
    },
    signal,
    salvage: false,
  };
  const taken = takeInput(input, "encrypted");
  if (!(taken instanceof ByteSource)) return headerOf(await RecordingDecryptor.open(bytesReader(taken), request));
  const decryptor = await openSource(taken, request);
  taken.cancel(undefined);
  return headerOf(decryptor);
}

function headerOf(decryptor: RecordingDecryptor): OpenedHeader {
  decryptor.destroy();
  return decryptor.header;
}

/** By its shape; whatever can be iterated is a stream. */
export function isSource(input: RecordingInput | TakenInput | RandomAccessSource): input is RandomAccessSource {
  try {
    return (
      typeof input === "object" &&
      input !== null &&
      "size" in input &&
      "read" in input &&
      !(Symbol.asyncIterator in input)
    );
  } catch {
    return false; // what can't be looked at, such as a revoked proxy
  }
}
