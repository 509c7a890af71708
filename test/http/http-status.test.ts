import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { httpStatusOf } from "../../src/http/index.js";
import { InvalidInputError, RecordingKeyStoreError, type ErrorCode } from "../../src/errors.js";

const documented = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
const section = documented.slice(documented.indexOf("## HTTP"), documented.indexOf("## KMS failures"));
const rows = [...section.matchAll(/^\| (\d{3}) \| (.*?) \|/gm)].map(([, status, codes = ""]) => ({
  status: Number(status),
  codes: [...codes.matchAll(/`(ERR_\w+)`/g)].map(([, code]) => code as ErrorCode),
}));

describe("httpStatusOf", () => {
  it.each(rows.flatMap(({ status, codes }) => codes.map((code) => ({ code, status }))))(
    "gives $code the status $status that docs/errors.md names",
    ({ code, status }) => {
      expect(httpStatusOf(new RecordingKeyStoreError(code, "no"))).toBe(status);
      expect(httpStatusOf(new RecordingKeyStoreError(code, "no", { retryable: true }))).toBe(503);
    },
  );

  it("gives 500 to every other code, and to errors of others", () => {
    expect(rows.flatMap(({ codes }) => codes)).toHaveLength(7);
    expect(httpStatusOf(new RecordingKeyStoreError("ERR_RECORDING_TAMPERED", "no"))).toBe(500);
    for (const other of [new Error("no"), undefined, "no", { code: "ERR_INVALID_INPUT", retryable: true }])
      expect(httpStatusOf(other)).toBe(500);
    expect(httpStatusOf(new InvalidInputError("field", "is wrong"))).toBe(400);
  });
});
