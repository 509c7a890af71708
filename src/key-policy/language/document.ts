import { defined } from "../../util/defined.js";
import { compileCondition, type Condition } from "./conditions.js";
import { wildcard } from "./wildcard.js";

/** A parsed policy. */
export interface PolicyDocument {
  readonly statements: readonly PolicyStatement[];
}

export interface PolicyStatement {
  readonly sid?: string;
  readonly effect: "Allow" | "Deny";
  /** Absent in identity policies. */
  readonly principals?: { readonly not: boolean; readonly names: readonly string[] };
  readonly actions: Selection;
  readonly resources: Selection;
  /** All must hold. */
  readonly conditions: readonly Condition[];
}

/** `Action` or `NotAction`, `Resource` or `NotResource`. */
interface Selection {
  readonly not: boolean;
  /** Empty if a key policy's statement has neither form. */
  readonly names: readonly string[];
  readonly selects: (text: string) => boolean;
}

export type PolicyKind = "key" | "identity";

/** A malformed policy. Becomes MalformedPolicyDocumentException for key policies. */
export class PolicyProblem extends Error {}

/** Parses a policy document. @throws PolicyProblem */
export function parsePolicy(text: string, kind: PolicyKind): PolicyDocument {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new PolicyProblem("Syntax errors in policy.", { cause });
  }
  const policy = record(json, "policy");
  onlyMembers(policy, ["Version", "Id", "Statement"], "policy");
  if (policy["Version"] !== undefined && policy["Version"] !== "2012-10-17" && policy["Version"] !== "2008-10-17") {
    throw new PolicyProblem("The policy has an unknown Version.");
  }
  optionalText(policy, "Id");
  const list = Array.isArray(policy["Statement"]) ? (policy["Statement"] as unknown[]) : [policy["Statement"]];
  return { statements: list.map((statement) => readStatement(statement, kind)) };
}

const members = [
  "Sid",
  "Effect",
  "Principal",
  "NotPrincipal",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
];

function readStatement(json: unknown, kind: PolicyKind): PolicyStatement {
  const statement = record(json, "Statement");
  onlyMembers(statement, members, "Statement");
  const effect = statement["Effect"];
  if (effect !== "Allow" && effect !== "Deny") throw new PolicyProblem("A statement needs an Effect of Allow or Deny.");
  const sid = optionalText(statement, "Sid");
  return {
    ...defined({ sid, principals: kind === "key" ? readPrincipals(statement) : undefined }),
    effect,
    actions: readSelection(statement, "Action", kind),
    resources: readSelection(statement, "Resource", kind),
    conditions: readConditions(statement["Condition"]),
  };
}

function readSelection(statement: Record<string, unknown>, member: "Action" | "Resource", kind: PolicyKind): Selection {
  // KMS accepts such a statement in a key policy, without effect (API reference, PutKeyPolicy).
  if (kind === "key" && statement[member] === undefined && statement[`Not${member}`] === undefined) return nothing;
  const { not, name, value } = oneOf(statement, member);
  const names = strings(value, name);
  const patterns = names.map((text) => wildcard(text, member === "Action" ? "ignore-case" : "exact"));
  return { not, names, selects: (text) => patterns.some((matches) => matches(text)) !== not };
}

const nothing: Selection = { not: false, names: [], selects: () => false };

function readPrincipals(statement: Record<string, unknown>): NonNullable<PolicyStatement["principals"]> {
  const { not, name, value } = oneOf(statement, "Principal");
  if (value === "*") return { not, names: ["*"] };
  const kinds = record(value, name);
  onlyMembers(kinds, ["AWS", "Service", "Federated", "CanonicalUser"], name);
  // Other kinds of principals are legal, but never the caller here.
  const { AWS: names = [] } = Object.fromEntries(
    Object.entries(kinds).map(([kind, given]) => [kind, strings(given, name)]),
  );
  if (!names.every((principal) => principalForm.test(principal) || deletedPrincipal.test(principal)))
    throw new PolicyProblem("Policy contains a statement with one or more invalid principals.");
  return { not, names };
}

/** Id that AWS leaves in a policy for a deleted principal. It names nobody, and new policies must not have one. */
export const deletedPrincipal = /^A[A-Z0-9]{15,}$/;

/** Everyone, an account, or a principal of an account. Wildcards for a part of it are not allowed. */
const principalForm =
  /^(?:\*|\d{12}|arn:aws(?:-[a-z]+)*:(?:iam|sts)::\d{12}:(?:root|(?:user|role|assumed-role|federated-user)\/[^*?]+))$/;

function readConditions(json: unknown): Condition[] {
  if (json === undefined) return [];
  return Object.entries(record(json, "Condition")).flatMap(([operator, keys]) =>
    Object.entries(record(keys, operator)).map(([key, values]) => {
      const condition = compileCondition(operator, key, scalars(values, key));
      if (!condition) throw new PolicyProblem(`Invalid Condition type : ${operator}.`);
      return condition;
    }),
  );
}

interface Member {
  readonly not: boolean;
  readonly name: string;
  readonly value: unknown;
}

/** A statement's `X` or `NotX`. @throws PolicyProblem unless it has exactly one of them */
function oneOf(statement: Record<string, unknown>, name: string): Member {
  const not = statement[`Not${name}`] !== undefined;
  if (not === (statement[name] !== undefined))
    throw new PolicyProblem(`A statement needs either ${name} or Not${name}.`);
  return { not, name, value: statement[not ? `Not${name}` : name] };
}

function record(json: unknown, what: string): Record<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new PolicyProblem(`${what} must be an object.`);
  return json as Record<string, unknown>;
}

function onlyMembers(json: Record<string, unknown>, known: readonly string[], what: string): void {
  const unknown = Object.keys(json).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new PolicyProblem(`${what} has an unknown member ${unknown}.`);
}

function strings(json: unknown, what: string): string[] {
  const list: unknown[] = Array.isArray(json) ? json : [json];
  if (list.length === 0 || !list.every((item) => typeof item === "string"))
    throw new PolicyProblem(`${what} must be strings.`);
  return list;
}

function optionalText(json: Record<string, unknown>, member: string): string | undefined {
  const value = json[member];
  if (value !== undefined && typeof value !== "string") throw new PolicyProblem(`${member} must be a string.`);
  return value;
}

function scalars(json: unknown, what: string): string[] {
  const list: unknown[] = Array.isArray(json) ? json : [json];
  if (!list.every((item) => ["string", "number", "boolean"].includes(typeof item)))
    throw new PolicyProblem(`${what} must be strings.`);
  return list.map(String);
}
