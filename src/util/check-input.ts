import type * as z from "zod";
import { InvalidInputError } from "../errors.js";

/**
 * Checks input and fills in defaults. Reads own members only, and returns objects without a prototype, so that a polluted
 * `Object.prototype` changes nothing.
 * @throws InvalidInputError naming the field, the rule and, if it is short and no secret, what was given
 */
export function checkInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const own = ownMembers(schema, input ?? {});
  const result = schema.safeParse(own);
  if (result.success) return ownMembers(schema, result.data) as z.output<S>;
  const issue = result.error.issues[0];
  if (!issue) throw new InvalidInputError("input", "is invalid");
  if (issue.code === "unrecognized_keys") {
    throw new InvalidInputError(issue.keys[0] ?? "input", "is not a known option");
  }
  const field = issue.path.join(".") || "input";
  const given = issue.path.reduce(memberOf, own);
  const secret = issue.code === "custom" && issue.params?.["secret"] === true;
  throw new InvalidInputError(field, given === undefined ? "is required" : ruleOf(issue), secret ? undefined : given);
}

/** Copies options that no schema describes: own members only, each read once, without a prototype. */
export function ownOptions<T extends object>(options: T): T {
  const copy = Object.create(null) as Record<string, unknown>;
  for (const name of Object.getOwnPropertyNames(options ?? {})) copy[name] = options[name as keyof T];
  return copy as T;
}

/** Copies the objects that the schema describes: own members only, each read once, without a prototype. */
function ownMembers(schema: z.core.$ZodType, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "object":
      return Array.isArray(value) ? value : copyOf(value as Readonly<Record<string, unknown>>, def.shape);
    case "array":
      return Array.isArray(value) ? Array.from(value, (element) => ownMembers(def.element, element)) : value;
    case "optional":
    case "default":
      return ownMembers(def.innerType, value);
    default:
      return value;
  }
}

/** Copies enumerable members, and of the others those that the schema knows. */
function copyOf(value: Readonly<Record<string, unknown>>, shape: z.core.$ZodShape): unknown {
  const copy = Object.create(null) as Record<string, unknown>;
  for (const name of Object.getOwnPropertyNames(value)) {
    if (Object.hasOwn(shape, name)) copy[name] = ownMembers(shape[name] as z.core.$ZodType, value[name]);
    else if (Object.prototype.propertyIsEnumerable.call(value, name)) copy[name] = value[name];
  }
  return copy;
}

function memberOf(value: unknown, name: PropertyKey): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Readonly<Record<PropertyKey, unknown>>)[name];
}

function ruleOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${nounOf(issue.expected)}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      return issue.origin === "array"
        ? `must have at least ${entries(issue.minimum)}`
        : `must be at least ${String(issue.minimum)}`;
    case "too_big":
      return issue.origin === "array"
        ? `must have at most ${entries(issue.maximum)}`
        : `must be at most ${String(issue.maximum)}`;
    default:
      return issue.message;
  }
}

function entries(count: number | bigint): string {
  return count === 1 ? "1 entry" : `${String(count)} entries`;
}

/** A type's name with its article. */
function nounOf(type: string): string {
  if (type === "int") return "a whole number";
  return `${/^[aeiou]/i.test(type) ? "an" : "a"} ${type}`;
}
