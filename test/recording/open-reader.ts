import type { RandomAccessSource } from "../../src/recording/random-access-source.js";
import type { RecordingReader } from "../../src/recording/reader/recording-reader.js";
import { SegmentReader } from "../../src/recording/reader/segment-reader.js";
import { lease } from "./support.js";

/** A reader of what `encrypt` of ./support.js has made. */
export function openReader(source: RandomAccessSource): Promise<RecordingReader> {
  return SegmentReader.open(source, {
    checkNames: () => undefined,
    open: async () => ({ lease: lease(), keyPairId: "pair-1" }),
  });
}
