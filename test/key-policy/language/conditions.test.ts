import { describe, expect, it } from "vitest";
import { compileCondition } from "../../../src/key-policy/language/conditions.js";

/** Values of a key in a request, by name. "x" is what the policy has. */
const requests = {
  absent: undefined,
  empty: [],
  blank: [""],
  match: ["x"],
  other: ["y"],
  "all match": ["x", "x"],
  "some match": ["x", "y"],
  "none match": ["y", "z"],
} as const;
type Request = keyof typeof requests;

/** For which of the requests a condition holds, by what is before and after its operator's name. */
type Expected = readonly [form: (operator: string) => string, holds: readonly Request[]];

const positive: readonly Expected[] = [
  [(operator) => operator, ["match", "all match", "some match"]],
  [(operator) => `${operator}IfExists`, ["absent", "empty", "match", "all match", "some match"]],
  [(operator) => `ForAllValues:${operator}`, ["absent", "empty", "blank", "match", "all match"]],
  [(operator) => `ForAllValues:${operator}IfExists`, ["absent", "empty", "blank", "match", "all match"]],
  [(operator) => `ForAnyValue:${operator}`, ["match", "all match", "some match"]],
  [(operator) => `ForAnyValue:${operator}IfExists`, ["match", "all match", "some match"]],
];

const negative: readonly Expected[] = [
  [(operator) => operator, ["absent", "empty", "blank", "other", "none match"]],
  [(operator) => `${operator}IfExists`, ["absent", "empty", "blank", "other", "none match"]],
  [(operator) => `ForAllValues:${operator}`, ["absent", "empty", "blank", "other", "none match"]],
  [(operator) => `ForAllValues:${operator}IfExists`, ["absent", "empty", "blank", "other", "none match"]],
  [(operator) => `ForAnyValue:${operator}`, ["other", "some match", "none match"]],
  [(operator) => `ForAnyValue:${operator}IfExists`, ["other", "some match", "none match"]],
];

/** Values of each kind of operator that stand for "x", "y" and "z". */
type Alphabet = Readonly<Record<"x" | "y" | "z", string>>;
const text: Alphabet = { x: "x", y: "y", z: "z" };
const number: Alphabet = { x: "1", y: "2", z: "3" };
const date: Alphabet = { x: "2026-01-01T00:00:00Z", y: "2026-01-02T00:00:00Z", z: "1800000000" };
const address: Alphabet = { x: "10.0.0.1", y: "10.0.0.2", z: "2001:db8::1" };
const arn: Alphabet = { x: "arn:aws:kms:a:1:key/x", y: "arn:aws:kms:a:1:key/y", z: "arn:aws:kms:a:1:alias/x" };

const operators: readonly [operator: string, expected: readonly Expected[], values: Alphabet][] = [
  ["StringEquals", positive, text],
  ["StringEqualsIgnoreCase", positive, text],
  ["StringLike", positive, text],
  ["Bool", positive, text],
  ["BinaryEquals", positive, text],
  ["NumericEquals", positive, number],
  ["NumericLessThanEquals", positive, number],
  ["DateEquals", positive, date],
  ["DateLessThanEquals", positive, date],
  ["IpAddress", positive, address],
  ["ArnEquals", positive, arn],
  ["ArnLike", positive, arn],
  ["StringNotEquals", negative, text],
  ["StringNotEqualsIgnoreCase", negative, text],
  ["StringNotLike", negative, text],
  ["NumericNotEquals", negative, number],
  ["DateNotEquals", negative, date],
  ["NotIpAddress", negative, address],
  ["ArnNotEquals", negative, arn],
  ["ArnNotLike", negative, arn],
];

const rows = operators.flatMap(([operator, expected, values]) =>
  expected.map(([form, holds]) => ({ operator: form(operator), holds, values })),
);

describe("condition operators", () => {
  it.each(rows)("$operator holds for the right requests", ({ operator, holds, values }) => {
    const condition = compileCondition(operator, "kms:X", [values.x]);
    const held = Object.entries(requests).filter(([, given]) => {
      const translated = given?.map((value) => (value === "" ? "" : values[value]));
      return condition?.holds((key) => (key === "kms:x" ? translated : undefined));
    });
    expect(held.map(([name]) => name)).toEqual(holds);
  });

  const ordered = [
    ["NumericLessThan", ["1"]],
    ["NumericLessThanEquals", ["1", "2"]],
    ["NumericGreaterThan", ["3"]],
    ["NumericGreaterThanEquals", ["2", "3"]],
    ["DateLessThan", ["1"]],
    ["DateLessThanEquals", ["1", "2"]],
    ["DateGreaterThan", ["3"]],
    ["DateGreaterThanEquals", ["2", "3"]],
  ] as const;
  it.each(ordered)("%s holds for %o against 2", (operator, holds) => {
    const condition = compileCondition(operator, "k", ["2"]);
    expect(["1", "2", "3"].filter((given) => condition?.holds(() => [given]))).toEqual(holds);
  });

  const nulls = [
    [["true"], ["absent", "empty"]],
    [["false"], ["blank", "match", "some match"]],
    [["FALSE"], ["blank", "match", "some match"]],
    [
      ["true", "false"],
      ["absent", "empty", "blank", "match", "some match"],
    ],
    [["no"], []],
  ] as const;
  it.each(nulls)("Null of %o holds for the right requests", (values, holds) => {
    const condition = compileCondition("Null", "k", values);
    const asked: Request[] = ["absent", "empty", "blank", "match", "some match"];
    expect(asked.filter((name) => condition?.holds(() => requests[name]))).toEqual(holds);
  });

  it.each(["NullIfExists", "StringEqualIfExists", "ForSomeValues:StringEquals", "StringEqualsIfExistsIfExists", ""])(
    "%o is no operator",
    (operator) => expect(compileCondition(operator, "k", ["x"])).toBeUndefined(),
  );

  const open: [operator: string, value: string, given: readonly string[] | undefined, open: boolean][] = [
    ["StringEquals", "x", ["x"], false],
    ["StringEquals", "x", undefined, false],
    ["StringEquals", "x", ["x", "y"], true],
    ["StringNotEquals", "x", ["x", "y"], true],
    ["ForAllValues:StringEquals", "x", ["x", "y"], false],
    ["ForAnyValue:StringEquals", "x", undefined, false],
    ["ForAnyValue:StringEqualsIfExists", "x", undefined, true],
    ["ForAnyValue:StringEqualsIfExists", "x", [], true],
    ["ForAnyValue:StringEqualsIfExists", "x", ["x"], false],
    ["ForAllValues:StringEqualsIfExists", "x", undefined, false],
    ["Null", "true", ["x", "y"], false],
    ["Null", "true", [""], true],
    ["ArnLike", "*", ["arn:aws:iam::1:root"], true],
    ["ArnLike", "*", undefined, false],
  ];
  it.each(open)("whether documentation leaves %s of %s open for %o: %o", (operator, value, given, expected) => {
    expect(compileCondition(operator, "k", [value])?.undocumented(given)).toBe(expected);
  });
});
