import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { idOf, idOfRecordFile, isHashName, nameOf, recordFile } from "../../../src/stores/file/names.js";

const anyId = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 120 }),
  fc.string({
    unit: fc.constantFrom("a", "A", "%", "4", "1", "h", ".", "/", "\\", "-", "\0"),
    minLength: 1,
    maxLength: 12,
  }),
  fc.constantFrom("con", "nul", "com1", "lpt9", "..", ".", "%63on", "%h61"),
);

describe("names of files", () => {
  it("are safe in one folder of any file system, and fit", () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const name = recordFile(id);
        expect(name).toMatch(/^(%h)?[a-z0-9_%-]+\.record$/);
        expect(name.length).toBeLessThanOrEqual(255);
        expect(nameOf(id)).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)$/);
      }),
      { numRuns: 2000 },
    );
  });

  it("lead back to the id, so that no two ids share one even where A is a", () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const name = nameOf(id);
        expect(name).toBe(name.toLowerCase());
        expect(isHashName(name) ? undefined : id).toBe(idOf(name));
      }),
      { numRuns: 2000 },
    );
  });

  it("of ids too long for a file name are hashes, which no other id is called", () => {
    const [one, another] = ["x".repeat(300) + "1", "x".repeat(300) + "2"].map(nameOf);
    expect(one).toMatch(/^%h[0-9a-f]{64}$/);
    expect(one).not.toBe(another);
    expect(nameOf(one as string)).not.toBe(one);
  });

  it("that are not the store's are no records", () => {
    for (const file of [
      ".tmp-0123.record",
      ".tmp-0123",
      "A.record",
      "%41%.record",
      "%4A.record",
      "a.json",
      ".record",
      "%ff.record",
    ]) {
      expect(idOfRecordFile(file)).toBeUndefined();
    }
    expect(idOfRecordFile("%41b.record")).toBe("Ab");
  });
});
