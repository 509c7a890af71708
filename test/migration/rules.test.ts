import { describe, expect, it } from "vitest";
import { ruleByExtension, ruleByPatterns, type MigrationRule } from "../../src/migration/index.js";

const asked = (rule: MigrationRule, path: string) => rule({ path, size: 1, modifiedAt: new Date(0) });

describe("the rule by extension", () => {
  it.each([
    ["call-1.wav", { recordingId: "call-1", asset: "main" }],
    ["call-1.MP3", { recordingId: "call-1", asset: "main" }],
    ["2024/05/call-1.mp4", { recordingId: "call-1", asset: "video" }],
    ["2024/05/call-1.vtt", { recordingId: "call-1", asset: "transcript" }],
    ["2024.05.01 10:00.opus", { recordingId: "2024.05.01 10:00", asset: "main" }],
    ["a.b/c", undefined],
    ["call", undefined],
    ["call.", undefined],
    ["call.pdf", undefined],
    [".wav", undefined],
    ["._call-1.wav", undefined],
    ["call-1.wav.rec", undefined],
    ["a.constructor", undefined],
  ])("takes %s for %o", (path, target) => {
    expect(asked(ruleByExtension(), path)).toEqual(target);
  });

  it("takes the way to a file into the recording's id where that is asked for", () => {
    const rule = ruleByExtension({ recordingIds: "path" });
    expect(asked(rule, "a/b.c/1.wav")).toEqual({ recordingId: "a/b.c/1", asset: "main" });
    expect(asked(rule, "1.wav")).toEqual({ recordingId: "1", asset: "main" });
  });

  it("refuses what it does not know", () => {
    expect(() => ruleByExtension({ recordingIds: "inode" as "name" })).toThrow(/recordingIds: must be one of/);
    expect(() => ruleByExtension({ recordingId: "name" } as object)).toThrow(/recordingId: is not a known option/);
  });
});

describe("a rule of patterns", () => {
  const rule = ruleByPatterns([
    { path: "^skip/", recordingId: "$0" },
    { path: "(?<id>[^/]+)\\.(screen|camera)\\.mp4$", recordingId: "$<id>", asset: "$2" },
    { path: "([^/]+)/(.+)\\.wav$", recordingId: "$1-$2-$$1-$9-$<none>" },
  ]);
  it.each([
    ["a/call.screen.mp4", { recordingId: "call", asset: "screen" }],
    ["a/call.wav", { recordingId: "a-call-$1--" }],
    ["skip/call.wav", { recordingId: "$0" }],
    ["call.wav", undefined],
  ])("takes %s for %o", (path, target) => {
    expect(asked(rule, path)).toEqual(target);
  });

  it.each([
    ["no list", {}, /patterns: must be a list/],
    ["an empty list", [], /patterns: must be a list/],
    ["no object", ["x"], /patterns\.0: must be an object/],
    ["no path", [{ recordingId: "x" }], /patterns\.0\.path: is required/],
    ["no id", [{ path: "x" }], /patterns\.0\.recordingId: is required/],
    ["a number", [{ path: "x", recordingId: "x", asset: 1 }], /patterns\.0\.asset: must be a string/],
    ["a misspelt name", [{ path: "x", recordingID: "x" }], /recordingID: is not a known option/],
    ["no expression", [{ path: "(", recordingId: "x" }], /patterns\.0\.path: must be a regular expression/],
  ])("refuses %s", (_, patterns, said) => {
    expect(() => ruleByPatterns(patterns as never)).toThrow(said);
  });
});
