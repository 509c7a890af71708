import { describe, expect, it, vi } from "vitest";
import type * as Os from "node:os";
import { threadsWorth } from "../../../src/recording/threads/threads.js";

let cores = 1;
vi.mock("node:os", async (original) => ({ ...(await original<typeof Os>()), availableParallelism: () => cores }));

const MiB = 1_048_576;

describe("threads that nobody has asked for", () => {
  it.each([
    { bytes: 256 * MiB - 1, has: 64, least: 1, most: 4, callerWorks: false, expected: 0 },
    { bytes: 256 * MiB, has: 64, least: 1, most: 4, callerWorks: false, expected: 4 },
    { bytes: 256 * MiB, has: 3, least: 3, most: 4, callerWorks: false, expected: 3 },
    { bytes: 256 * MiB, has: 2, least: 3, most: 4, callerWorks: false, expected: 0 },
    { bytes: 256 * MiB, has: 2, least: 1, most: 1, callerWorks: true, expected: 1 },
    { bytes: 256 * MiB, has: 1, least: 1, most: 1, callerWorks: true, expected: 0 },
    { bytes: 256 * MiB, has: 1, least: 1, most: 4, callerWorks: false, expected: 1 },
  ])(
    "for $bytes bytes on $has cores, from $least to $most, the caller working: $callerWorks: $expected",
    ({ bytes, has, expected, ...terms }) => {
      cores = has;
      expect(threadsWorth(bytes, terms)).toBe(expected);
    },
  );
});
