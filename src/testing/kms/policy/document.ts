import { compileConditions, type ConditionTest } from "./conditions.js";
import { wildcard, type Pattern } from "./wildcard.js";

/** A policy read once and asked often. */
export interface PolicyDocument {
  readonly statements: readonly PolicyStatement[];
}

export interface PolicyStatement {
  readonly effect: "Allow" | "Deny";
  /** Absent in identity policies. */
  readonly principals?: { readonly not: boolean; readonly names: readonly string[] };
  readonly actions: { readonly not: boolean; readonly patterns: readonly Pattern[] };
  readonly resources: { readonly not: boolean; readonly patterns: readonly Pattern[] };
  readonly condition: ConditionTest;
}

export type PolicyKind = "key" | "identity";

/** Says what is wrong with a policy; becomes MalformedPolicyDocumentException for key policies. */
export class PolicyProblem extends Error {}

/** One for each kind, so that a look-up needs no key of its own made. */
const caches: Record<PolicyKind, Map<string, PolicyDocument>> = { key: new Map(), identity: new Map() };
const maxCached = 1000;

/** Reads a policy document. Throws {@link PolicyProblem}. */
export function readPolicy(text: string, kind: PolicyKind): PolicyDocument {
  const cache = caches[kind];
  let document = cache.get(text);
  if (!document) {
    document = parse(text, kind);
    if (cache.size >= maxCached) cache.clear();
    cache.set(text, document);
  }
  return document;
}

function parse(text: string, kind: PolicyKind): PolicyDocument {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new PolicyProblem("Syntax errors in policy.");
  }
  const policy = record(json, "policy");
  onlyMembers(policy, ["Version", "Id", "Statement"], "policy");
  if (policy["Version"] !== undefined && policy["Version"] !== "2012-10-17" && policy["Version"] !== "2008-10-17") {
    throw new PolicyProblem("The policy has an unknown Version.");
  }
  const list = Array.isArray(policy["Statement"]) ? (policy["Statement"] as unknown[]) : [policy["Statement"]];
  return { statements: list.map((statement) => readStatement(statement, kind)) };
}

const members = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

function readStatement(json: unknown, kind: PolicyKind): PolicyStatement {
  const statement = record(json, "Statement");
  onlyMembers(statement, members, "Statement");
  const effect = statement["Effect"];
  if (effect !== "Allow" && effect !== "Deny") throw new PolicyProblem("A statement needs an Effect of Allow or Deny.");
  const action = oneOf(statement, "Action");
  const resource = oneOf(statement, "Resource");
  return {
    effect,
    ...(kind === "key" && { principals: readPrincipals(statement) }),
    actions: { not: action.not, patterns: strings(action.value, action.name).map((value) => wildcard(value, "ignore-case")) },
    resources: { not: resource.not, patterns: strings(resource.value, resource.name).map((value) => wildcard(value)) },
    condition: readConditions(statement["Condition"]),
  };
}

function readPrincipals(statement: Record<string, unknown>): NonNullable<PolicyStatement["principals"]> {
  const { not, name, value } = oneOf(statement, "Principal");
  if (value === "*") return { not, names: ["*"] };
  const kinds = record(value, name);
  onlyMembers(kinds, ["AWS", "Service", "Federated", "CanonicalUser"], name);
  // Principals of other kinds are legal, and never the caller here.
  return { not, names: kinds["AWS"] === undefined ? [] : strings(kinds["AWS"], name) };
}

function readConditions(json: unknown): ConditionTest {
  if (json === undefined) return () => true;
  const operators = Object.entries(record(json, "Condition")).map(([operator, keys]) => {
    const tests = Object.entries(record(keys, operator)).map(([key, values]) => ({ key, values: scalars(values, key) }));
    return { operator, tests };
  });
  const compiled = compileConditions(operators);
  if (typeof compiled === "string") throw new PolicyProblem(compiled);
  return compiled;
}

/** A statement has `X` or `NotX`, and not both. */
function oneOf(statement: Record<string, unknown>, name: string): { not: boolean; name: string; value: unknown } {
  const not = statement[`Not${name}`] !== undefined;
  if (not === (statement[name] !== undefined)) throw new PolicyProblem(`A statement needs either ${name} or Not${name}.`);
  return { not, name, value: statement[not ? `Not${name}` : name] };
}

function record(json: unknown, what: string): Record<string, unknown> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new PolicyProblem(`${what} must be an object.`);
  return json as Record<string, unknown>;
}

function onlyMembers(json: Record<string, unknown>, known: readonly string[], what: string): void {
  const unknown = Object.keys(json).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new PolicyProblem(`${what} has an unknown member ${unknown}.`);
}

function strings(json: unknown, what: string): string[] {
  const list: unknown[] = Array.isArray(json) ? json : [json];
  if (list.length === 0 || !list.every((item) => typeof item === "string")) throw new PolicyProblem(`${what} must be strings.`);
  return list;
}

function scalars(json: unknown, what: string): string[] {
  const list: unknown[] = Array.isArray(json) ? json : [json];
  if (!list.every((item) => ["string", "number", "boolean"].includes(typeof item))) throw new PolicyProblem(`${what} must be strings.`);
  return list.map(String);
}
