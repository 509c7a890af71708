import { BlockList, isIP } from "node:net";
import { wildcard } from "./wildcard.js";

/** Looks up the values of a condition key (in lower case) in a request. `undefined` if the request has none. */
export type ConditionContext = (key: string) => readonly string[] | undefined;
type ConditionTest = (context: ConditionContext) => boolean;

/** Makes the test of a value in a request against a value in a policy. */
type Comparison = (wanted: string) => (given: string) => boolean;

const ignoringCase = (text: string) => text.toLowerCase();
const compareNumbers =
  (holds: (given: number, wanted: number) => boolean): Comparison =>
  (wanted) =>
  (given) =>
    holds(Number(given), Number(wanted));
/** Parses a date, in ISO 8601 or in seconds since the Unix epoch. Returns ms since the Unix epoch. */
const time = (text: string) => (/^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text));
const compareDates =
  (holds: (given: number, wanted: number) => boolean): Comparison =>
  (wanted) =>
  (given) =>
    holds(time(given), time(wanted));

const equal = (a: number, b: number) => a === b;
const less = (a: number, b: number) => a < b;
const atMost = (a: number, b: number) => a <= b;
const arnLike: Comparison = (wanted) => {
  // Matches each of the six parts by itself, so that `*` does not span a colon.
  const parts = wanted.split(":").map((part, index, all) => wildcard(index === 5 ? all.slice(5).join(":") : part));
  return (given) => {
    const fields = given.split(":");
    const six = [...fields.slice(0, 5), fields.slice(5).join(":")];
    return fields.length >= 6 && six.every((field, index) => parts[index]?.(field) ?? false);
  };
};

const ipAddress: Comparison = (wanted) => {
  const [network = "", prefix] = wanted.split("/");
  const family = isIP(network) === 6 ? "ipv6" : "ipv4";
  const list = new BlockList();
  if (isIP(network) !== 0)
    list.addSubnet(network, prefix === undefined ? (family === "ipv6" ? 128 : 32) : Number(prefix), family);
  return (given) => isIP(given) !== 0 && list.check(given, isIP(given) === 6 ? "ipv6" : "ipv4");
};

const comparisons = new Map<string, Comparison>(
  Object.entries({
    StringEquals: (wanted) => (given) => given === wanted,
    StringEqualsIgnoreCase: (wanted) => (given) => ignoringCase(given) === ignoringCase(wanted),
    StringLike: (wanted) => wildcard(wanted),
    Bool: (wanted) => (given) => ignoringCase(given) === ignoringCase(wanted),
    BinaryEquals: (wanted) => (given) => given === wanted,
    IpAddress: ipAddress,
    ArnEquals: arnLike,
    ArnLike: arnLike,
    NumericEquals: compareNumbers(equal),
    NumericLessThan: compareNumbers(less),
    NumericLessThanEquals: compareNumbers(atMost),
    NumericGreaterThan: compareNumbers((a, b) => a > b),
    NumericGreaterThanEquals: compareNumbers((a, b) => a >= b),
    DateEquals: compareDates(equal),
    DateLessThan: compareDates(less),
    DateLessThanEquals: compareDates(atMost),
    DateGreaterThan: compareDates((a, b) => a > b),
    DateGreaterThanEquals: compareDates((a, b) => a >= b),
  }),
);

const negations = new Map(
  Object.entries({
    StringNotEquals: "StringEquals",
    StringNotEqualsIgnoreCase: "StringEqualsIgnoreCase",
    StringNotLike: "StringLike",
    NotIpAddress: "IpAddress",
    ArnNotEquals: "ArnEquals",
    ArnNotLike: "ArnLike",
    NumericNotEquals: "NumericEquals",
    DateNotEquals: "DateEquals",
  }),
);

/** A line of a `Condition` block. All lines must hold, and one value of a line is enough. */
export interface Condition {
  readonly operator: string;
  /** As the policy has it. IAM ignores its letter case. */
  readonly key: string;
  readonly values: readonly string[];
  /** Condition keys (in lower case) that the outcome depends on: its own, and its policy variables. */
  readonly asks: readonly string[];
  /**
   * Whether IAM's documentation leaves open what the request's value is compared with: it matches ARNs part by part, and says
   * nothing of a pattern such as `*` that does not have all six.
   */
  readonly undocumented: boolean;
  readonly holds: ConditionTest;
}

/** Compiles a condition. Returns `undefined` for an unknown operator. */
export function compileCondition(operator: string, key: string, values: readonly string[]): Condition | undefined {
  const name = key.toLowerCase();
  const holds = compileOperator(operator)?.(name, values);
  if (!holds) return undefined;
  const variables = values.flatMap((value) =>
    [...value.matchAll(variable)].map((match) => match[1] ?? "").filter((text) => text.length > 1),
  );
  return {
    operator,
    key,
    values,
    asks: [name, ...variables.map((text) => text.toLowerCase())],
    undocumented: /Arn(?:Not)?(?:Equals|Like)/.test(operator) && values.some(isPartialArnPattern),
    holds,
  };
}

/** Whether a value has wildcards, and fewer than the six parts of an ARN. */
function isPartialArnPattern(value: string): boolean {
  return /[*?]/.test(value) && value.split(":").length < 6;
}

type ValueTest = (values: readonly string[]) => (given: string, context: ConditionContext) => boolean;

/** A policy variable, such as `${aws:username}`. The request decides its value. */
const variable = /\$\{(\$|[^${}]+)\}/g;

function acceptor(comparison: Comparison, value: string): (given: string, context: ConditionContext) => boolean {
  if (!value.includes("${")) return comparison(value);
  return (given, context) => {
    let known = true;
    const filled = value.replace(variable, (_text, name: string) => {
      // `${*}`, `${?}` and `${$}` stand for the characters themselves.
      const text = name.length === 1 ? name : context(name.toLowerCase())?.[0];
      known &&= text !== undefined;
      return text ?? "";
    });
    return known && comparison(filled)(given);
  };
}

function compileOperator(operator: string): ((key: string, values: readonly string[]) => ConditionTest) | undefined {
  const { set, name, ifExists } =
    /^(?:(?<set>ForAllValues|ForAnyValue):)?(?<name>\w+?)(?<ifExists>IfExists)?$/.exec(operator)?.groups ?? {};
  if (name === "Null")
    return (key, [wanted]) =>
      (context) =>
        (context(key) === undefined) === (wanted === "true");
  const negated = negations.get(name ?? "");
  const comparison = comparisons.get(negated ?? name ?? "");
  if (!comparison) return undefined;
  const valueTest: ValueTest = (values) => {
    const accepted = values.map((value) => acceptor(comparison, value));
    const some = (given: string, context: ConditionContext) => accepted.some((accepts) => accepts(given, context));
    return negated === undefined ? some : (given, context) => !some(given, context);
  };
  return (key, values) => {
    const holds = valueTest(values);
    // `…IfExists`, `ForAllValues` and negated operators hold if the request lacks the key; others don't.
    const withoutKey = set === "ForAllValues" || ifExists !== undefined || (negated !== undefined && set === undefined);
    return (context) => {
      const given = context(key);
      if (given === undefined || given.length === 0) return withoutKey;
      const test = (value: string) => holds(value, context);
      return set === "ForAllValues" || (negated !== undefined && set === undefined)
        ? given.every(test)
        : given.some(test);
    };
  };
}
