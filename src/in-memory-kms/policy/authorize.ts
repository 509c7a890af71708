import type { ConditionContext } from "../../key-policy/language/conditions.js";
import type { PolicyDocument, PolicyStatement } from "../../key-policy/language/document.js";
import { matchPrincipal, type PrincipalMatch } from "../../key-policy/language/principal-match.js";
import type { AwsError } from "../aws-error.js";
import type { KmsKey } from "../key.js";
import type { KmsPrincipal } from "../principals.js";
import { matchGrants, type GrantQuestion } from "./grants.js";
import { notAuthorized } from "./not-authorized.js";
import { readPolicy } from "./read-policy.js";

interface Question {
  caller: KmsPrincipal;
  /** With its `kms:`. */
  action: string;
  context: ConditionContext;
}

/** Decides by key policy, the caller's identity policy and the key's grants together. Returns the refusal, if any. */
export function refuseOnKey(key: KmsKey, policy: string, question: Question & GrantQuestion): AwsError | undefined {
  const { caller, action } = question;
  const ownAccount = caller.accountId === key.accountId;
  const byKeyPolicy = askKeyPolicy(readPolicy(policy, "key"), key.arn, question);
  const byIdentity = askIdentityPolicy(key.arn, question);
  const refusal = (why: string) =>
    notAuthorized(caller, action, ownAccount ? `on resource: ${key.arn} ${why}` : undefined);
  if (byKeyPolicy === "denied") return refusal("with an explicit deny in a resource-based policy");
  if (byIdentity === "denied") return refusal("with an explicit deny in an identity-based policy");
  const byGrant = matchGrants(key.grants.values(), question);
  if (byGrant === "direct" || (byGrant === "account" && byIdentity === "allowed")) return undefined;
  if (byKeyPolicy === "none") return refusal(`because no resource-based policy allows the ${action} action`);
  // A caller that its own account's key policy names directly needs no right in IAM.
  if (byIdentity === "allowed" || (byKeyPolicy === "direct" && ownAccount)) return undefined;
  return refusal(`because no identity-based policy allows the ${action} action`);
}

/** Decides by identity policy alone, for actions that concern no key. Returns the refusal, if any. */
export function refuseByIdentity(resource: string, question: Question): AwsError | undefined {
  const verdict = askIdentityPolicy(resource, question);
  if (verdict === "allowed") return undefined;
  const why =
    verdict === "denied"
      ? "with an explicit deny in an identity-based policy"
      : `because no identity-based policy allows the ${question.action} action`;
  return notAuthorized(question.caller, question.action, `on resource: ${resource} ${why}`);
}

function askKeyPolicy(policy: PolicyDocument, resource: string, question: Question): PrincipalMatch | "denied" {
  let best: PrincipalMatch = "none";
  for (const statement of policy.statements) {
    const match = statement.principals
      ? matchPrincipal(statement.principals, statement.effect, question.caller)
      : "none";
    if (match === "none" || !applies(statement, resource, question)) continue;
    if (statement.effect === "Deny") return "denied";
    if (best !== "direct") best = match;
  }
  return best;
}

function askIdentityPolicy(resource: string, question: Question): "allowed" | "denied" | "silent" {
  const text = question.caller.identityPolicy;
  if (text === undefined) return "silent";
  const statements = readPolicy(text, "identity").statements.filter((statement) =>
    applies(statement, resource, question),
  );
  if (statements.some(({ effect }) => effect === "Deny")) return "denied";
  return statements.length > 0 ? "allowed" : "silent";
}

function applies(
  { actions, resources, conditions }: PolicyStatement,
  resource: string,
  { action, context }: Question,
): boolean {
  return actions.selects(action) && resources.selects(resource) && conditions.every(({ holds }) => holds(context));
}
