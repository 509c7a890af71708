import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { isBytes } from "../../src/util/bytes.js";
import { transferred } from "../support/transferred.js";

describe("bytes", () => {
  it.each([
    ["an empty array", new Uint8Array(0)],
    ["a buffer", Buffer.from("a")],
    ["an array of another realm", runInNewContext("new Uint8Array(1)") as unknown],
  ])("are %s", (_what, value) => expect(isBytes(value)).toBe(true));

  it.each([
    ["a text", "a"],
    ["numbers of two bytes", new Uint16Array(1)],
    ["nothing", undefined],
    ["the bytes of a buffer that was transferred", transferred(9)],
  ])("are not %s", (_what, value) => expect(isBytes(value)).toBe(false));
});
