import type { ServiceCall } from "./calls.js";
import type { Condition, ConditionContext } from "./language/conditions.js";
import type { PolicyDocument, PolicyStatement } from "./language/document.js";
import { matchPrincipal, principalArnOf, type PolicyCaller, type PrincipalMatch } from "./language/principal-match.js";

/** `unknown` for what only a real request shows: the caller's network, its organization, tags, the time. */
export type Answer = "yes" | "no" | "unknown";

export interface Caller extends PolicyCaller {
  /** Whether `arn` is the caller's own, as against a pattern for its account. */
  readonly exact: boolean;
}

/** What is known about the key. */
export interface KeyFacts {
  readonly keyArn?: string | undefined;
  readonly accountId?: string | undefined;
}

/** How a statement evaluates for a call. */
export interface StatementView {
  readonly statement: PolicyStatement;
  /** From 1. */
  readonly number: number;
  readonly principal: PrincipalMatch;
  readonly action: boolean;
  readonly resource: Answer;
  readonly conditions: readonly { readonly condition: Condition; readonly holds: Answer }[];
  readonly applies: Answer;
}

export interface Verdict {
  readonly allowed: Answer;
  readonly statements: readonly StatementView[];
}

/** Evaluates a key policy for a call as KMS does, without IAM policies and grants. A Deny wins, else one Allow is enough. */
export function askPolicy(policy: PolicyDocument, call: ServiceCall, caller: Caller, key: KeyFacts): Verdict {
  const facts = requestFacts(call, caller, key);
  const statements = policy.statements.map((statement, index): StatementView => {
    const principal = statement.principals ? matchPrincipal(statement.principals, statement.effect, caller) : "none";
    const action = statement.actions.selects(call.action);
    const resource = resourceAnswer(statement, key);
    const conditions = statement.conditions.map((condition) => ({
      condition,
      holds: conditionAnswer(condition, facts),
    }));
    const applies = all([
      principal === "none" || !action ? "no" : "yes",
      resource,
      ...conditions.map(({ holds }) => holds),
    ]);
    return { statement, number: index + 1, principal, action, resource, conditions, applies };
  });
  return { statements, allowed: decide(statements) };
}

/** Statements of an effect that apply, or may if `answer` is `unknown`. */
export function applying({ statements }: Verdict, effect: "Allow" | "Deny", answer: Answer): StatementView[] {
  return statements.filter((view) => view.statement.effect === effect && view.applies === answer);
}

function decide(statements: readonly StatementView[]): Answer {
  const any = (effect: "Allow" | "Deny", answer: Answer) =>
    statements.some((view) => view.statement.effect === effect && view.applies === answer);
  if (any("Deny", "yes")) return "no";
  if (any("Allow", "yes")) return any("Deny", "unknown") ? "unknown" : "yes";
  return any("Allow", "unknown") ? "unknown" : "no";
}

function all(answers: readonly Answer[]): Answer {
  if (answers.includes("no")) return "no";
  return answers.includes("unknown") ? "unknown" : "yes";
}

function resourceAnswer({ resources }: PolicyStatement, { keyArn }: KeyFacts): Answer {
  if (keyArn !== undefined) return resources.selects(keyArn) ? "yes" : "no";
  const answers = resources.names.map(matchesSomeKey);
  const selected: Answer = answers.includes("yes") ? "yes" : answers.includes("unknown") ? "unknown" : "no";
  if (!resources.not || selected === "unknown") return selected;
  return selected === "yes" ? "no" : "yes";
}

/**
 * Whether a `Resource` matches the ARN of a key that is not known. A `*` that is the last character of a part goes on beyond
 * its colon (IAM user guide, "Resource"), so stars alone match everything. A key policy knows its key by its ARN, never by an
 * alias.
 */
function matchesSomeKey(name: string): Answer {
  const [prefix = ""] = name.split(/[*?]/, 1);
  const rest = name.slice(prefix.length);
  if (prefix === "" && rest.includes("*") && /^[*?]+$/.test(rest) && rest.length <= shortestKeyArn) return "yes";
  const mayBeArn = prefix.startsWith("arn:") || (rest !== "" && "arn:".startsWith(prefix));
  return mayBeArn && !name.includes(":alias/") ? "unknown" : "no";
}

/** `arn:aws:kms:`, a Region, an account and `key/` with an id. */
const shortestKeyArn = "arn:aws:kms:aa-aaaa-1:111122223333:key/1".length;

interface RequestFacts {
  readonly context: ConditionContext;
  readonly knows: (name: string) => boolean;
}

function conditionAnswer(condition: Condition, { context, knows }: RequestFacts): Answer {
  if (!condition.asks.every(knows)) return "unknown";
  if (condition.undocumented(context(condition.key.toLowerCase()))) return "unknown";
  return condition.holds(context) ? "yes" : "no";
}

/** Condition keys whose values the checker does not know. All others that begin with `kms:` are known to be absent. */
const unseen = new Set(["kms:resourcealiases", "kms:keyorigin", "kms:multiregion", "kms:multiregionkeytype"]);

/** Condition keys of a call, by their names in lower case. */
function requestFacts(call: ServiceCall, caller: Caller, { accountId }: KeyFacts): RequestFacts {
  const { encryptionContext, byAlias = false, dataKeyPairSpec } = call;
  const values = new Map<string, readonly string[]>([
    ["kms:calleraccount", [caller.accountId]],
    ["aws:principalaccount", [caller.accountId]],
    ["aws:securetransport", ["true"]],
    ["aws:viaawsservice", ["false"]],
    ["aws:principalisawsservice", ["false"]],
    ["kms:keyspec", ["SYMMETRIC_DEFAULT"]],
    ["kms:keyusage", ["ENCRYPT_DECRYPT"]],
  ]);
  if (caller.exact) values.set("aws:principalarn", [principalArnOf(caller.arn)]);
  if (accountId !== undefined) values.set("aws:resourceaccount", [accountId]);
  if (dataKeyPairSpec !== undefined) values.set("kms:datakeypairspec", [dataKeyPairSpec]);
  if (encryptionContext) {
    values.set("kms:encryptionalgorithm", ["SYMMETRIC_DEFAULT"]);
    values.set("kms:encryptioncontextkeys", Object.keys(encryptionContext));
    for (const [name, value] of Object.entries(encryptionContext))
      values.set(`kms:encryptioncontext:${name.toLowerCase()}`, [value]);
  }
  const depends = (name: string) =>
    name.startsWith("aws:") || unseen.has(name) || (byAlias && name === "kms:requestalias");
  return { context: (name) => values.get(name), knows: (name) => values.has(name) || !depends(name) };
}
