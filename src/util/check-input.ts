import { types } from "node:util";
import type * as z from "zod";
import { InvalidInputError } from "../errors.js";

/**
 * Checks input and fills in defaults. Reads own members only, and returns objects without a prototype, so that a polluted
 * `Object.prototype` changes nothing.
 * @throws InvalidInputError naming the field, the rule and, if it is short and no secret, what was given
 */
export function checkInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  refuseSignal(input);
  const own = readable("input", () => ownMembers(schema, input ?? {}, "input"));
  const result = readable("input", () => schema.safeParse(own));
  if (result.success) return ownMembers(schema, result.data, "input") as z.output<S>;
  const { issues } = result.error;
  // Whoever misspelt an option that is required is to hear of that.
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (!issue) throw new InvalidInputError("input", "is invalid");
  if (issue.code === "unrecognized_keys") throw unknownOption(issue.keys[0] ?? "input", knownNames(schema, issue.path));
  const field = issue.path.join(".") || "input";
  const given = issue.path.reduce(memberOf, own);
  const secret = issue.code === "custom" && issue.params?.["secret"] === true;
  throw new InvalidInputError(field, given === undefined ? "is required" : ruleOf(issue), secret ? undefined : given);
}

/**
 * Copies options that no schema describes: own members only, each read once, without a prototype.
 * @throws InvalidInputError for what can't be read, such as a revoked proxy
 */
export function ownOptions<T extends object>(options: T): T {
  const copy = Object.create(null) as Record<string, unknown>;
  for (const name of namesOf(options ?? {}, "options")) copy[name] = ownMember(options, name as keyof T & string);
  return copy as T;
}

/** Reads other people's objects. @throws InvalidInputError in place of whatever they throw */
export function readable<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidInputError) throw error;
    throw new InvalidInputError(field, "must be something that can be read");
  }
}

const namesOf = (value: object, field: string) => readable(field, () => Object.getOwnPropertyNames(value));

/** A member, read once. @throws InvalidInputError for one that can't be read, or can be asked nothing */
function ownMember<T extends object, N extends keyof T & string>(value: T, name: N): T[N] {
  return readable(name, () => askable(value[name]));
}

/** The value itself. Throws for a proxy that is revoked, or whose traps throw: whoever looked at it would fail. */
function askable<T>(value: T): T {
  if (types.isProxy(value)) {
    Object.getPrototypeOf(value);
    Reflect.get(value as object, "constructor");
  }
  return value;
}

/**
 * {@link ownOptions} of those that there are. The compiler sees to it that none is missing.
 * @param path - where the options stand in what was given, such as `keys[0]`
 * @throws InvalidInputError for another one, and for what is no object
 */
export function knownOptions<T extends object>(options: T, known: Readonly<Record<keyof T, true>>, path?: string): T {
  if (options !== undefined && (typeof options !== "object" || options === null))
    throw new InvalidInputError(path ?? "options", "must be an object", options);
  refuseSignal(options);
  const own = ownOptions(options);
  for (const name of Object.keys(own))
    if (!Object.hasOwn(known, name)) throw unknownOption(name, Object.keys(known), path);
  return own;
}

/**
 * A signal in the place of the options that may hold one has no members of its own, and would not be heeded.
 * @throws InvalidInputError
 */
function refuseSignal(options: unknown): void {
  if (readable("options", () => options instanceof AbortSignal))
    throw new InvalidInputError("options", "must be an object that holds the signal, as in { signal }");
}

/** The signal among a call's options, which may be anything: whatever else is wrong with them shows in their own check. */
export function signalAmong(options: unknown): unknown {
  if (typeof options !== "object" || options === null) return undefined;
  refuseSignal(options);
  return readable("options", () =>
    Object.hasOwn(options, "signal") ? (options as { signal: unknown }).signal : undefined,
  );
}

function unknownOption(name: string, known: readonly string[], path?: string): InvalidInputError {
  const meant = closest(name, known);
  return new InvalidInputError(
    path === undefined ? name : `${path}.${name}`,
    `is not a known option${meant ? `; did you mean ${meant}?` : ""}`,
  );
}

/** Copies the objects that the schema describes: own members only, each read once, without a prototype. */
function ownMembers(schema: z.core.$ZodType, value: unknown, field: string): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case "object":
      return Array.isArray(value) ? value : copyOf(value as Readonly<Record<string, unknown>>, def.shape);
    case "array":
      return Array.isArray(value) ? listOf(value, field, (element) => ownMembers(def.element, element, field)) : value;
    case "optional":
    case "default":
      return ownMembers(def.innerType, value, field);
    default:
      return Array.isArray(value) ? listOf(value, field, (element) => element) : value;
  }
}

/** Copies enumerable members, and of the others those that the schema knows. */
function copyOf(value: Readonly<Record<string, unknown>>, shape: z.core.$ZodShape): unknown {
  const copy = Object.create(null) as Record<string, unknown>;
  for (const name of namesOf(value, "input")) {
    if (Object.hasOwn(shape, name))
      copy[name] = readable(name, () => ownMembers(shape[name] as z.core.$ZodType, ownMember(value, name), name));
    else if (Object.prototype.propertyIsEnumerable.call(value, name)) copy[name] = ownMember(value, name);
  }
  return copy;
}

/** Longest list that is copied to be looked at: far longer than any that is taken. */
const longestList = 100_000;

function listOf(list: readonly unknown[], field: string, item: (element: unknown) => unknown): unknown[] {
  const { length } = list;
  if (length > longestList) throw new InvalidInputError(field, `must have at most ${longestList} entries`);
  return Array.from({ length }, (_, index) => item(askable(list[index])));
}

/** Names of the options at a path. */
function knownNames(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  return path.length === 0 && def.type === "object" ? Object.keys(def.shape) : [];
}

/** The name that differs in case, or in two letters at most. */
function closest(name: string, known: readonly string[]): string | undefined {
  const distances = known.map((other) => ({ other, by: distance(name.toLowerCase(), other.toLowerCase()) }));
  return distances.sort((a, b) => a.by - b.by).find(({ by, other }) => by <= 2 && by < other.length / 2)?.other;
}

/** Levenshtein's distance. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of Array.from(from).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(to).entries())
      next.push(Math.min((row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    row = next;
  }
  return row.at(-1) ?? 0;
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
