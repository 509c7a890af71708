import { AwsError, unsupported, validation } from "./aws-error.js";

/** What an operation accepts for a member of its input. Enough to word refusals as the service does. */
interface MemberRule {
  type:
    | "string"
    | "blob"
    | "integer"
    | "boolean"
    | "timestamp"
    | "string-map"
    | "string-list"
    | "tag-list"
    | "grant-constraints"
    | "structure"
    | "not-modelled";
  required?: boolean;
  min?: number;
  max?: number;
  /** Pattern of the service model, which the whole value must match. */
  pattern?: string;
  values?: readonly string[];
  /** Bounds of each item's length in a `string-list`. */
  item?: { min: number; max: number };
  /** Whether no refusal quotes the value. */
  sensitive?: boolean;
}

export type InputRules = Readonly<Record<string, MemberRule>>;

export interface WireTag {
  TagKey: string;
  TagValue: string;
}

export interface WireGrantConstraints {
  EncryptionContextSubset?: Record<string, string>;
  EncryptionContextEquals?: Record<string, string>;
  SourceArn?: string;
}

interface MemberTypes {
  string: string;
  blob: Uint8Array;
  integer: number;
  boolean: boolean;
  /** In ms since the Unix epoch. */
  timestamp: number;
  "string-map": Record<string, string>;
  "string-list": string[];
  "tag-list": WireTag[];
  "grant-constraints": WireGrantConstraints;
  /** Read by rules of its own. */
  structure: Record<string, unknown>;
  "not-modelled": never;
}

type MemberValue<R extends MemberRule> = R extends { type: "string"; values: readonly (infer V)[] }
  ? V
  : R extends { type: "string-list"; values: readonly (infer V)[] }
    ? V[]
    : MemberTypes[R["type"]];

/** Input that fulfils the rules `R`. */
export type InputOf<R extends InputRules> = {
  [K in keyof R as R[K] extends { required: true } ? K : never]: MemberValue<R[K]>;
} & {
  [K in keyof R as R[K] extends { required: true } ? never : K]?: MemberValue<R[K]>;
};

/**
 * Checks and decodes a request's body, or one of its structures. Ignores members without a rule, as the service does.
 * @param prefix - path of the structure, with its dot
 */
export function readInput<R extends InputRules>(rules: R, body: Record<string, unknown>, prefix = ""): InputOf<R> {
  const input: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, rule] of Object.entries(rules)) {
    const wire = Object.hasOwn(body, name) ? body[name] : undefined;
    const path = prefix + name.charAt(0).toLowerCase() + name.slice(1);
    if (wire === undefined || wire === null) {
      if (rule.required) problems.push(problem("null", path, "Member must not be null"));
      continue;
    }
    // Ignoring the member would give an answer that the service never gives.
    if (rule.type === "not-modelled") throw unsupported(`The in-memory KMS does not model ${name}.`);
    const value = decode(rule.type, wire);
    problems.push(...problemsOf(rule, value, path));
    input[name] = value;
  }
  if (problems.length > 0) {
    const count = `${problems.length} validation error${problems.length === 1 ? "" : "s"} detected`;
    throw validation(`${count}: ${problems.join("; ")}`);
  }
  return input as InputOf<R>;
}

const problem = (shown: string | undefined, path: string, constraint: string): string =>
  `Value${shown === undefined ? "" : ` ${shown}`} at '${path}' failed to satisfy constraint: ${constraint}`;

function decode(type: Exclude<MemberRule["type"], "not-modelled">, wire: unknown): unknown {
  switch (type) {
    case "string":
      return expectWire(typeof wire === "string", wire);
    case "integer":
      return expectWire(Number.isInteger(wire), wire);
    case "boolean":
      return expectWire(typeof wire === "boolean", wire);
    case "timestamp":
      return Math.round((expectWire(typeof wire === "number", wire) as number) * 1000);
    case "blob":
      return decodeBase64(wire);
    case "string-list":
      return expectWire(Array.isArray(wire) && wire.every((item) => typeof item === "string"), wire);
    case "string-map":
      return expectWire(isStringMap(wire), wire);
    case "tag-list":
      return expectWire(Array.isArray(wire) && wire.every(isStringMap), wire);
    case "structure":
      return expectWire(isRecord(wire), wire);
    case "grant-constraints":
      return expectWire(
        isRecord(wire) &&
          Object.values(wire).every((value) => value === null || isStringMap(value) || typeof value === "string"),
        wire,
      );
  }
}

function expectWire(fits: boolean, wire: unknown): unknown {
  if (!fits) throw new AwsError("SerializationException");
  return wire;
}

function decodeBase64(wire: unknown): Uint8Array {
  if (typeof wire !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(wire) || wire.length % 4 !== 0) {
    throw new AwsError("SerializationException");
  }
  return new Uint8Array(Buffer.from(wire, "base64"));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isStringMap = (value: unknown): value is Record<string, string> =>
  isRecord(value) && Object.values(value).every((item) => typeof item === "string");

function problemsOf(rule: MemberRule, value: unknown, path: string): string[] {
  if (rule.type === "integer") return rangeProblems(rule, value as number, `'${value as number}'`, path, "value");
  if (rule.type === "string-list") return listProblems(rule, value as string[], path);
  if (rule.type === "tag-list")
    return (value as WireTag[]).flatMap((tag, index) => tagProblems(tag, `${path}.${index + 1}.member`));
  if (rule.type === "blob") return rangeProblems(rule, (value as Uint8Array).byteLength, undefined, path, "length");
  if (rule.type === "string") return stringProblems(rule, value as string, path);
  return [];
}

function stringProblems(rule: MemberRule, value: string, path: string): string[] {
  const shown = rule.sensitive ? undefined : `'${value}'`;
  if (rule.values && !rule.values.includes(value)) {
    return [problem(shown, path, `Member must satisfy enum value set: [${rule.values.join(", ")}]`)];
  }
  const problems = rangeProblems(rule, value.length, shown, path, "length");
  if (rule.pattern !== undefined && !compiled(rule.pattern).test(value)) {
    problems.push(problem(shown, path, `Member must satisfy regular expression pattern: ${rule.pattern}`));
  }
  return problems;
}

const expressions = new Map<string, RegExp>();

function compiled(pattern: string): RegExp {
  const expression = expressions.get(pattern) ?? new RegExp(`^(?:${pattern})$`, "u");
  expressions.set(pattern, expression);
  return expression;
}

function listProblems(rule: MemberRule, list: string[], path: string): string[] {
  const shown = `'[${list.join(", ")}]'`;
  const { values, item } = rule;
  if (values && !list.every((value) => values.includes(value))) {
    return [
      problem(
        shown,
        path,
        `Member must satisfy constraint: [Member must satisfy enum value set: [${values.join(", ")}]]`,
      ),
    ];
  }
  const problems = rangeProblems(rule, list.length, shown, path, "length");
  if (item && list.some(({ length }) => length < item.min || length > item.max)) {
    const lengths = `Member must have length less than or equal to ${item.max}, Member must have length greater than or equal to ${item.min}`;
    problems.push(problem(shown, path, `Member must satisfy constraint: [${lengths}]`));
  }
  return problems;
}

function tagProblems(tag: Partial<WireTag>, path: string): string[] {
  return [
    ...memberProblems({ type: "string", required: true, min: 1, max: 128 }, tag.TagKey, `${path}.tagKey`),
    ...memberProblems({ type: "string", required: true, max: 256 }, tag.TagValue, `${path}.tagValue`),
  ];
}

function memberProblems(rule: MemberRule, value: string | undefined, path: string): string[] {
  return value === undefined ? [problem("null", path, "Member must not be null")] : stringProblems(rule, value, path);
}

function rangeProblems(
  rule: MemberRule,
  size: number,
  shown: string | undefined,
  path: string,
  what: "length" | "value",
): string[] {
  const problems: string[] = [];
  if (rule.min !== undefined && size < rule.min)
    problems.push(problem(shown, path, `Member must have ${what} greater than or equal to ${rule.min}`));
  if (rule.max !== undefined && size > rule.max)
    problems.push(problem(shown, path, `Member must have ${what} less than or equal to ${rule.max}`));
  return problems;
}
