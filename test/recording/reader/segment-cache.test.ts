import { describe, expect, it } from "vitest";
import { SegmentCache } from "../../../src/recording/reader/segment-cache.js";

const segment = (length: number) => Buffer.alloc(length, 1);

describe("segments that were read last", () => {
  const held = (cache: SegmentCache, ...positions: number[]) =>
    positions.map((position) => cache.get(position)?.length);

  it("are kept up to 256 KiB", () => {
    const cache = new SegmentCache();
    for (let position = 0; position < 4; position += 1) cache.keep(position, segment(65_536));
    expect(held(cache, 0, 1, 2, 3)).toEqual([65_536, 65_536, 65_536, 65_536]);
    cache.keep(4, segment(1));
    expect(held(cache, 0, 1, 2, 3, 4)).toEqual([undefined, 65_536, 65_536, 65_536, 1]);
    cache.keep(5, segment(2 * 65_536));
    expect(held(cache, 1, 2, 3, 4, 5)).toEqual([undefined, undefined, 65_536, 1, 131_072]);
  });

  it("go in the order in which they were read", () => {
    const cache = new SegmentCache();
    for (let position = 0; position < 4; position += 1) cache.keep(position, segment(65_536));
    cache.get(0);
    cache.keep(2, segment(65_536));
    cache.keep(9, segment(1));
    cache.keep(10, segment(65_535));
    expect(held(cache, 0, 1, 2, 3, 9, 10)).toEqual([65_536, undefined, 65_536, 65_536, 1, 65_535]);
  });

  it("are one at least, however long, until they are cleared", () => {
    const cache = new SegmentCache();
    for (const position of [0, 1]) cache.keep(position, segment(1_000_000));
    expect(held(cache, 0, 1)).toEqual([undefined, 1_000_000]);
    cache.keep(1, segment(10)); // in its place
    cache.keep(2, segment(262_134));
    expect(held(cache, 1, 2)).toEqual([10, 262_134]);
    cache.clear();
    expect(held(cache, 1, 2)).toEqual([undefined, undefined]);
    for (const position of [3, 4]) cache.keep(position, segment(131_072));
    expect(held(cache, 3, 4)).toEqual([131_072, 131_072]);
  });
});
