import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideRange } from "../../src/http/byte-range.js";

describe("a Range header on 1,000 bytes", () => {
  const part = (start: number, end: number) => ({ start, end });
  const cases: [header: string | undefined, decision: ReturnType<typeof decideRange>][] = [
    [undefined, "whole"],
    ["bytes=0-0", part(0, 1)],
    ["bytes=0-", part(0, 1_000)],
    ["bytes=0-999", part(0, 1_000)],
    ["bytes=500-", part(500, 1_000)],
    ["bytes=500-5000", part(500, 1_000)],
    ["bytes=999-999", part(999, 1_000)],
    ["bytes=-1", part(999, 1_000)],
    ["bytes=-5000", part(0, 1_000)],
    ["BYTES=1-2", part(1, 3)],
    [" bytes=1-2 ", part(1, 3)],
    ["bytes=, 1-2 ,,", part(1, 3)],
    [`bytes=0-${"9".repeat(400)}`, part(0, 1_000)],
    // unsatisfiable
    ["bytes=1000-", "unsatisfiable"],
    ["bytes=1000-1001,-0", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    [`bytes=${"9".repeat(400)}-`, "unsatisfiable"],
    // not valid: ignored
    ["", "whole"],
    ["bytes", "whole"],
    ["bytes=", "whole"],
    ["bytes=,", "whole"],
    ["bytes=-", "whole"],
    ["bytes=5-4", "whole"],
    ["bytes=9007199254740993-9007199254740992", "whole"],
    ["bytes=1-2,x", "whole"],
    ["bytes=1 -2", "whole"],
    ["bytes=+1-2", "whole"],
    ["bytes=0x1-2", "whole"],
    ["bytes=1.5-2", "whole"],
    ["bytes=--5", "whole"],
    ["bytes =1-2", "whole"],
    ["bytes=0-1, bytes=2-3", "whole"],
    ["seconds=1-2", "whole"],
    // several
    ["bytes=0-9,10-19", part(0, 20)],
    ["bytes=15-19,0-15", part(0, 20)],
    ["bytes=0-99,10-19,5000-", part(0, 100)],
    ["bytes=0-9,11-19", "whole"],
    ["bytes=0-0,-1", "whole"],
    ["bytes=-10,990-", part(990, 1_000)],
  ];
  it.each(cases)("is decided by RFC 9110: %j", (header, decision) => {
    expect(decideRange(header, 1_000)).toEqual(decision);
  });

  it("is ignored for an empty recording, or can't be satisfied", () => {
    expect(decideRange("bytes=0-", 0)).toBe("unsatisfiable");
    expect(decideRange("bytes=-5", 0)).toBe("whole");
  });

  it("never leaves the recording, whatever it says", () => {
    const numbers = fc.oneof(fc.nat(1_200).map(String), fc.constantFrom("", "00", "99999999999999999999"));
    const spec = fc.tuple(numbers, numbers).map(([a, b]) => `${a}-${b}`);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc
            .array(fc.oneof(spec, fc.string({ maxLength: 3 })), { maxLength: 6 })
            .map((list) => `bytes=${list.join(",")}`),
        ),
        fc.nat(1_200),
        (header, size) => {
          const decision = decideRange(header, size);
          if (typeof decision === "string") return;
          expect(decision.start).toBeGreaterThanOrEqual(0);
          expect(decision.end).toBeGreaterThan(decision.start);
          expect(decision.end).toBeLessThanOrEqual(size);
        },
      ),
      { numRuns: 500 },
    );
  });
});
