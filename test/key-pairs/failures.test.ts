import { describe, expect, it } from "vitest";
import { untrusted } from "../../src/key-pairs/failures.js";

describe("what is not trusted", () => {
  it("has its cause, where there is one", () => {
    const cause = new Error("why");
    expect(untrusted("no", cause)).toMatchObject({
      code: "ERR_KEY_PAIR_UNTRUSTED",
      message: "no",
      cause,
      retryable: false,
    });
    expect("cause" in untrusted("no")).toBe(false);
  });
});
