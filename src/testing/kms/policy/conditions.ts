import { wildcard } from "./wildcard.js";

/** The values of a condition key (lower case) in a request; undefined if the request has none. */
export type ConditionContext = (key: string) => readonly string[] | undefined;
export type ConditionTest = (context: ConditionContext) => boolean;

/** Makes the test of one value in the request against one value in the policy. */
type Comparison = (wanted: string) => (given: string) => boolean;

const ignoringCase = (text: string) => text.toLowerCase();
const compareNumbers =
  (holds: (given: number, wanted: number) => boolean): Comparison =>
  (wanted) =>
  (given) =>
    holds(Number(given), Number(wanted));
/** Dates are ISO 8601 or seconds since the epoch. */
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
  // Each of the six parts is matched by itself, so that `*` does not run over a colon.
  const parts = wanted.split(":").map((part, index, all) => wildcard(index === 5 ? all.slice(5).join(":") : part));
  return (given) => {
    const fields = given.split(":");
    const six = [...fields.slice(0, 5), fields.slice(5).join(":")];
    return fields.length >= 6 && six.every((field, index) => parts[index]?.(field) ?? false);
  };
};

const comparisons: Record<string, Comparison | undefined> = {
  StringEquals: (wanted) => (given) => given === wanted,
  StringEqualsIgnoreCase: (wanted) => (given) => ignoringCase(given) === ignoringCase(wanted),
  StringLike: (wanted) => wildcard(wanted),
  Bool: (wanted) => (given) => ignoringCase(given) === ignoringCase(wanted),
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
};

const negations: Record<string, string | undefined> = {
  StringNotEquals: "StringEquals",
  StringNotEqualsIgnoreCase: "StringEqualsIgnoreCase",
  StringNotLike: "StringLike",
  ArnNotEquals: "ArnEquals",
  ArnNotLike: "ArnLike",
  NumericNotEquals: "NumericEquals",
  DateNotEquals: "DateEquals",
};

interface OperatorClause {
  operator: string;
  tests: readonly { key: string; values: readonly string[] }[];
}

/** Every operator and every key must hold; of a key's values, one is enough. Gives a text if an operator is unknown. */
export function compileConditions(clauses: readonly OperatorClause[]): ConditionTest | string {
  const compiled: ConditionTest[] = [];
  for (const { operator, tests } of clauses) {
    const make = compileOperator(operator);
    if (!make) return `Invalid Condition type : ${operator}.`;
    compiled.push(...tests.map(({ key, values }) => make(key.toLowerCase(), values)));
  }
  return (context) => compiled.every((test) => test(context));
}

type ValueTest = (values: readonly string[]) => (given: string) => boolean;

function compileOperator(operator: string): ((key: string, values: readonly string[]) => ConditionTest) | undefined {
  const { set, name, ifExists } = /^(?:(?<set>ForAllValues|ForAnyValue):)?(?<name>\w+?)(?<ifExists>IfExists)?$/.exec(operator)?.groups ?? {};
  if (name === "Null") return (key, [wanted]) => (context) => (context(key) === undefined) === (wanted === "true");
  const negated = negations[name ?? ""];
  const comparison = comparisons[negated ?? name ?? ""];
  if (!comparison) return undefined;
  const valueTest: ValueTest = (values) => {
    const accepted = values.map(comparison);
    const some = (given: string) => accepted.some((accepts) => accepts(given));
    return negated === undefined ? some : (given) => !some(given);
  };
  return (key, values) => {
    const holds = valueTest(values);
    // Without the key: `…IfExists`, `ForAllValues` and the negated operators hold, the others do not.
    const withoutKey = set === "ForAllValues" || ifExists !== undefined || (negated !== undefined && set === undefined);
    return (context) => {
      const given = context(key);
      if (given === undefined || given.length === 0) return withoutKey;
      return set === "ForAllValues" || (negated !== undefined && set === undefined) ? given.every(holds) : given.some(holds);
    };
  };
}
