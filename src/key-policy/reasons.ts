import { purposeContextKey } from "../kms/context-keys.js";
import { defined } from "../util/defined.js";
import type { ServiceCall } from "./calls.js";
import { applying, type StatementView, type Verdict } from "./evaluate.js";
import { listed, type KeyPolicyStatementPlace, type Notice } from "./findings.js";
import type { CheckedGrant } from "./grant.js";
import type { Condition } from "./language/conditions.js";
import { wildcard } from "./language/wildcard.js";

const contextPrefix = "kms:encryptioncontext:";
const stringOperators = /^(?:ForA(?:ll|ny)Values:)?String(?:Equals|EqualsIgnoreCase|Like)(?:IfExists)?$/;

export function placeOf({ statement, number }: StatementView): KeyPolicyStatementPlace {
  return defined({ number, sid: statement.sid });
}

/** Why a required call is denied. */
export function reasonsOfDenial(verdict: Verdict, call: ServiceCall, grant: CheckedGrant): Notice[] {
  const denials = applying(verdict, "Deny", "yes");
  if (denials.length > 0)
    return denials.map((view) => ({
      code: "DENIED",
      place: placeOf(view),
      action: call.action,
      detail: howItDenies(view),
    }));
  const allows = verdict.statements.filter(({ statement }) => statement.effect === "Allow");
  const forService = allows.filter(({ principal }) => principal !== "none");
  const closest = forService.filter(({ action, statement }) => action || statement.actions.names.length === 0);
  if (closest.length > 0) return closest.flatMap((view) => faultsOf(view, call, grant));
  if (forService.length > 0) {
    // The action belongs into the statement with the condition.
    const home = forService.find(({ statement }) => statement.conditions.length > 0) ?? forService[0];
    return [{ code: "ACTION_MISSING", place: home && placeOf(home), action: call.action }];
  }
  const meant = allows.filter(
    ({ statement, action }) =>
      action && statement.conditions.some((condition) => isAboutOrganization(condition, grant)),
  );
  if (meant.length === 0) return [{ code: "SERVICE_NOT_ALLOWED", action: call.action }];
  return meant.map((view) => ({
    code: "PRINCIPAL_WRONG",
    place: placeOf(view),
    action: call.action,
    detail: principalsIn(view),
  }));
}

/** Why the policy alone does not tell whether a call is allowed. */
export function reasonsOfDoubt(verdict: Verdict, call: ServiceCall): Notice[] {
  const views = [
    ...applying(verdict, "Deny", "unknown"),
    ...(applying(verdict, "Allow", "yes").length > 0 ? [] : applying(verdict, "Allow", "unknown")),
  ];
  return views.map((view) => {
    const open = view.conditions.filter(({ holds }) => holds === "unknown").map(({ condition }) => shown(condition));
    if (view.resource === "unknown") open.push(`the Resource ${listed(view.statement.resources.names)}`);
    return { code: "CANNOT_TELL", place: placeOf(view), action: call.action, detail: listed(open) };
  });
}

/** Shows a condition, such as `StringEquals kms:EncryptionContext:… = "org-1" or "org-2"`. */
export function shown({ operator, key, values }: Pick<Condition, "operator" | "key" | "values">): string {
  return `${operator} ${key} = ${listed(
    values.map((value) => JSON.stringify(value)),
    "or",
  )}`;
}

function faultsOf(view: StatementView, call: ServiceCall, grant: CheckedGrant): Notice[] {
  const place = placeOf(view);
  const missing = (["Action", "Resource"] as const).filter(
    (member) => (member === "Action" ? view.statement.actions : view.statement.resources).names.length === 0,
  );
  if (missing.length > 0) return [{ code: "ELEMENT_MISSING", place, action: call.action, detail: listed(missing) }];
  const faults: Notice[] = view.conditions
    .filter(({ holds }) => holds === "no")
    .map(({ condition }) => ({ ...conditionFault(condition, call, grant), place, action: call.action }));
  if (view.resource !== "no") return faults;
  return [
    ...faults,
    { code: "RESOURCE_WRONG", place, action: call.action, detail: listed(view.statement.resources.names) },
  ];
}

function conditionFault(
  condition: Condition,
  { encryptionContext = {} }: ServiceCall,
  grant: CheckedGrant,
): Pick<Notice, "code" | "detail"> {
  const { operator, values } = condition;
  const key = condition.key.toLowerCase();
  const carried = Object.keys(encryptionContext);
  const organizationKey = grant.contextKeyName.toLowerCase();
  if (key === `${contextPrefix}${organizationKey}`)
    return organizationFault(condition, encryptionContext[grant.contextKeyName] ?? "");
  if (key === `${contextPrefix}${purposeContextKey}` && stringOperators.test(operator)) {
    return {
      code: "PURPOSE_EXCLUDED",
      detail: `${shown(condition)}, and private keys are of the purpose "private-key".`,
    };
  }
  if (key === "kms:encryptioncontextkeys") {
    return { code: "CONTEXT_KEY_WRONG", detail: `${shown(condition)}, but the calls carry ${listed(carried)}.` };
  }
  if (key.startsWith(contextPrefix) && !carried.some((name) => `${contextPrefix}${name.toLowerCase()}` === key)) {
    return {
      code: "CONTEXT_KEY_WRONG",
      detail: `it asks for ${condition.key.slice(contextPrefix.length)} in the encryption context, but the calls carry ${listed(carried)}.`,
    };
  }
  if (!key.startsWith(contextPrefix) && (key.includes("encryptioncontext") || key.endsWith(organizationKey))) {
    return {
      code: "CONTEXT_KEY_WRONG",
      detail: `there is no condition key ${condition.key}; it is kms:EncryptionContext:${grant.contextKeyName}.`,
    };
  }
  if (key === "kms:requestalias")
    return { code: "CONDITION_FAILS", detail: "it asks for kms:RequestAlias, but the calls name the key by its ARN." };
  if (key === "kms:viaservice")
    return {
      code: "CONDITION_FAILS",
      detail: "it asks for kms:ViaService, but the recording service calls KMS itself.",
    };
  return {
    code: "CONDITION_FAILS",
    detail: `${shown({ operator, key: condition.key, values })} does not hold for the recording service's calls.`,
  };
}

function organizationFault(condition: Condition, organizationId: string): Pick<Notice, "code" | "detail"> {
  const { operator, values } = condition;
  const is = `the organization's id is ${JSON.stringify(organizationId)}`;
  if (!stringOperators.test(operator))
    return {
      code: "OPERATOR_WRONG",
      detail: `${shown(condition)} never holds for it; the operator is to be StringEquals.`,
    };
  const meantAsPattern = values.find((value) => /[*?]/.test(value) && wildcard(value)(organizationId));
  if (meantAsPattern !== undefined) {
    return {
      code: "OPERATOR_WRONG",
      detail: `${operator} takes the wildcard in ${JSON.stringify(meantAsPattern)} for a letter; ${is}.`,
    };
  }
  return {
    code: "ORGANIZATION_ID_WRONG",
    detail: `${shown(condition)}, but ${is}${nearMiss(values, organizationId)}.`,
  };
}

function nearMiss(values: readonly string[], organizationId: string): string {
  const cause = ([why, same]: readonly [string, (value: string) => boolean]) =>
    values.some(same) ? `: ${why}` : undefined;
  const causes = [
    ["they differ in upper and lower case", (value: string) => value.toLowerCase() === organizationId.toLowerCase()],
    ["there is a space too many", (value: string) => value.trim() === organizationId],
    ["each id needs quotes of its own, in a list", (value: string) => value.split(/[\s,;]+/).includes(organizationId)],
  ] as const;
  return causes.map(cause).find((text) => text !== undefined) ?? "";
}

function howItDenies({ statement }: StatementView): string {
  if (statement.principals?.not)
    return ", because NotPrincipal spares only those that it names together with their account";
  const negated = statement.conditions.filter(({ operator }) => /Not|Null/.test(operator));
  return negated.length === 0 ? "" : ` under ${listed(negated.map(shown))}`;
}

/** False for another service's statement on its own encryption context. */
function isAboutOrganization({ key, values }: Condition, { contextKeyName, organizationIds }: CheckedGrant): boolean {
  return (
    key.toLowerCase() === `${contextPrefix}${contextKeyName.toLowerCase()}` ||
    values.some((value) => organizationIds.includes(value))
  );
}

function principalsIn({ statement }: StatementView): string {
  const names = statement.principals?.names ?? [];
  return names.length === 0 ? "no AWS account" : listed(names);
}
