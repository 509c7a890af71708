import type * as z from "zod";
import { InvalidInputError } from "./errors.js";

/**
 * Checks input and fills in defaults.
 * @throws InvalidInputError naming the field, the rule and (if short and no secret) what was given
 */
export function checkInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (!issue) throw new InvalidInputError("input", "is invalid");
  if (issue.code === "unrecognized_keys") throw new InvalidInputError(issue.keys[0] ?? "input", "is not a known option");
  const field = issue.path.join(".") || "input";
  const given = issue.path.reduce<unknown>((value, key) => (typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined), input);
  const secret = issue.code === "custom" && issue.params?.["secret"] === true;
  throw new InvalidInputError(field, given === undefined ? "is required" : ruleOf(issue), secret ? undefined : given);
}

function ruleOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be a ${issue.expected}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      return `must be at least ${String(issue.minimum)}`;
    case "too_big":
      return `must be at most ${String(issue.maximum)}`;
    default:
      return issue.message;
  }
}
