import { BlockList, isIP } from "node:net";
import { wildcard } from "./wildcard.js";

/** Looks up the values of a condition key (in lower case) in a request. `undefined` if the request has none. */
export type ConditionContext = (key: string) => readonly string[] | undefined;
type ConditionTest = (context: ConditionContext) => boolean;

/** Makes the test of a value in a request against a value in a policy. */
type Comparison = (wanted: string) => (given: string) => boolean;

const ignoringCase = (text: string) => text.toLowerCase();
/** Parses a number. An empty text is none, although JavaScript takes it for zero. */
const number = (text: string) => (text.trim() === "" ? Number.NaN : Number(text));
const compareNumbers =
  (holds: (given: number, wanted: number) => boolean): Comparison =>
  (wanted) =>
  (given) =>
    holds(number(given), number(wanted));
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
  /** Whether IAM's documentation leaves the outcome open for a request with these values. */
  readonly undocumented: (given: readonly string[] | undefined) => boolean;
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
    undocumented: undocumented(operator, values),
    holds,
  };
}

/**
 * ARNs are matched part by part, and nothing is said of a pattern such as `*` that does not have all six. A key of many values
 * "requires" a set operator. `ForAnyValue` with `…IfExists` is described twice, once as true and once as false without the key.
 */
function undocumented(operator: string, values: readonly string[]): Condition["undocumented"] {
  const partialArn = /Arn(?:Not)?(?:Equals|Like)/.test(operator) && values.some(isPartialArnPattern);
  const ofOneValue = !operator.includes(":") && operator !== "Null";
  const contradictory = /^ForAnyValue:.*IfExists$/.test(operator);
  return (given) =>
    isAbsent(given) ? contradictory : partialArn || (ofOneValue && given.length > 1) || given.includes("");
}

/** Whether a value has wildcards, and fewer than the six parts of an ARN. */
function isPartialArnPattern(value: string): boolean {
  return /[*?]/.test(value) && value.split(":").length < 6;
}

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

/** An operator's name in its parts, such as `ForAnyValue`, `StringLike`, `IfExists`. */
interface OperatorParts {
  readonly set: "ForAllValues" | "ForAnyValue" | undefined;
  /** Without `Not`. */
  readonly comparison: string;
  readonly negated: boolean;
  readonly ifExists: boolean;
}

function operatorParts(operator: string): OperatorParts | undefined {
  const { set, name, ifExists } =
    /^(?:(?<set>ForAllValues|ForAnyValue):)?(?<name>\w+?)(?<ifExists>IfExists)?$/.exec(operator)?.groups ?? {};
  if (name === undefined) return undefined;
  const negated = negations.get(name);
  return {
    set: set as OperatorParts["set"],
    comparison: negated ?? name,
    negated: negated !== undefined,
    ifExists: ifExists !== undefined,
  };
}

function compileOperator(operator: string): ((key: string, values: readonly string[]) => ConditionTest) | undefined {
  const parts = operatorParts(operator);
  if (!parts) return undefined;
  // IAM has no `NullIfExists`.
  if (parts.comparison === "Null") return parts.ifExists ? undefined : compileNull;
  const comparison = comparisons.get(parts.comparison);
  return comparison && ((key, values) => compileComparison(parts, comparison, { key, values }));
}

/** Whether the request lacks the key. An empty list of values is no key. */
function compileNull(key: string, values: readonly string[]): ConditionTest {
  const wanted = values.map(ignoringCase);
  return (context) => wanted.includes(String(isAbsent(context(key))));
}

function compileComparison(
  { set, negated, ifExists }: OperatorParts,
  comparison: Comparison,
  { key, values }: { key: string; values: readonly string[] },
): ConditionTest {
  const accepted = values.map((value) => acceptor(comparison, value));
  const accepts = (given: string, context: ConditionContext) => accepted.some((accept) => accept(given, context));
  const test = negated ? (given: string, context: ConditionContext) => !accepts(given, context) : accepts;
  const withoutKey = holdsWithoutKey({ set, negated, ifExists });
  const every = set === "ForAllValues" || (negated && set === undefined);
  return (context) => {
    const given = context(key);
    // To set operators a set of nothing but empty strings is a null set (IAM user guide, "Multivalued context keys").
    if (isAbsent(given) || (set !== undefined && given.every((value) => value === ""))) return withoutKey;
    return every ? given.every((value) => test(value, context)) : given.some((value) => test(value, context));
  };
}

/**
 * What a condition says of a request without its key. `ForAnyValue` is false, `ForAllValues` and `…IfExists` are true, and of
 * the others only the negated ones.
 */
function holdsWithoutKey({ set, negated, ifExists }: Pick<OperatorParts, "set" | "negated" | "ifExists">): boolean {
  // Seen at the real service, although the documentation of `…IfExists` makes no exception.
  if (set === "ForAnyValue") return false;
  return set === "ForAllValues" || ifExists || negated;
}

/** Whether a request lacks a key: it has none, or a list without values. */
function isAbsent(values: readonly string[] | undefined): values is undefined {
  return values === undefined || values.length === 0;
}
