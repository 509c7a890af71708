import { describe, expect, expectTypeOf, it } from "vitest";
import { defined } from "../../src/util/defined.js";

describe("defined", () => {
  it("leaves out members that are undefined, and no others", () => {
    const given = { a: undefined, b: null, c: 0, d: "", e: false };
    expect(Object.keys(defined(given))).toEqual(["b", "c", "d", "e"]);
    expect(given).toHaveProperty("a");
  });

  it("makes members that may be undefined optional", () => {
    const members = defined({ always: 1, perhaps: undefined as string | undefined });
    expectTypeOf(members).toExtend<{ always: number; perhaps?: string }>();
    expect(members).toEqual({ always: 1 });
  });
});
