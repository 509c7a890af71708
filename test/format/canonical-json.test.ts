import fc from "fast-check";
import { expect, it } from "vitest";
import { canonicalJson } from "../../src/format/canonical-json.js";

it.each([
  [null, "null"],
  [-0, "0"],
  [1e21, "1e+21"],
  [333333333.33333329, "333333333.3333333"],
  ["\u20ac$\u000f\nA'\u0042\u0022\u005c\\\"/", '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'],
  [[], "[]"],
  [{}, "{}"],
  [[3, { b: [], a: [1, 2] }], '[3,{"a":[1,2],"b":[]}]'],
  [
    { "\ufb33": 6, "\u20ac": 1, "\r": 2, "1": 4, "\ud83d\ude00": 5, "\u0080": 3 },
    '{"\\r":2,"1":4,"\u0080":3,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":6}',
  ],
])("writes %j as RFC 8785 does", (value, text) => expect(canonicalJson(value)).toBe(text));

it("writes the same text for a value, whatever the order of its members", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "grapheme" }), (value) => {
      const text = canonicalJson(value);
      expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(JSON.parse(canonicalJson(reversed(value)))));
      expect(canonicalJson(reversed(value))).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it.each([["\ud800"], [["a", "\udc00b"]], [{ "\ud800": 1 }], [{ a: "\ud800" }]])(
  "refuses a lone surrogate: %j",
  (value) => expect(() => canonicalJson(value)).toThrow(/^JSON holds a lone surrogate$/),
);

it.each([
  ["arrays", (depth: number) => "[".repeat(depth + 1) + "]".repeat(depth + 1)],
  ["objects", (depth: number) => '{"a":'.repeat(depth) + "1" + "}".repeat(depth)],
])("takes %s nested 100 deep, and no deeper", (_what, nested) => {
  expect(canonicalJson(JSON.parse(nested(100)))).toBe(nested(100));
  expect(() => canonicalJson(JSON.parse(nested(101)))).toThrow(/^JSON is nested deeper than 100$/);
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  );
}
