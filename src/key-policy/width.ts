import { defined } from "../util/defined.js";
import { contextOf, type ServiceCall } from "./calls.js";
import { applying, askPolicy, type Caller, type KeyFacts, type StatementView } from "./evaluate.js";
import { listed, type Notice } from "./findings.js";
import type { CheckedGrant } from "./grant.js";
import type { PolicyDocument } from "./language/document.js";
import { placeOf } from "./reasons.js";

/** Actions that the service has no use for. */
const unneeded = ["kms:CreateGrant", "kms:PutKeyPolicy", "kms:DisableKey", "kms:ScheduleKeyDeletion"] as const;
const stranger: Caller = { arn: "arn:aws:iam::000000000001:role/stranger", accountId: "000000000001", exact: true };

/** Notices about what a policy allows without need, found by calls that the service never makes. */
export function tooWide(policy: PolicyDocument, grant: CheckedGrant, caller: Caller, key: KeyFacts): Notice[] {
  const { access, contextKeyName, organizationIds } = grant;
  const [organizationId = ""] = organizationIds;
  const own = contextOf(contextKeyName, organizationId, "private-key");
  const letThrough = (call: ServiceCall, by: Caller) => {
    const verdict = askPolicy(policy, call, by, key);
    return verdict.allowed === "yes"
      ? applying(verdict, "Allow", "yes").filter((view) => !leavesToOwnIam(view, by, key))
      : [];
  };
  const notices: Notice[] = [];
  for (const action of access === "recordings"
    ? ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"]
    : ["kms:Decrypt"]) {
    const about = (detail: string, encryptionContext: ServiceCall["encryptionContext"]) =>
      letThrough(defined({ action, encryptionContext }), caller).map((view): Notice => ({
        code: "NOT_BOUND_TO_ORGANIZATION",
        place: placeOf(view),
        action,
        detail,
      }));
    const without = about("without an encryption context", undefined);
    const foreign = [`${organizationId}-other`, "another"].map((id) =>
      about("for other organizations' ids too", { ...own, [contextKeyName]: id }),
    );
    notices.push(...(without.length > 0 ? without : (foreign.find((found) => found.length > 0) ?? [])));
    const open = letThrough({ action, encryptionContext: own }, stranger);
    notices.push(...open.map((view): Notice => ({ code: "OPEN_TO_EVERYONE", place: placeOf(view), action })));
  }
  const excess = new Map<StatementView["number"], { view: StatementView; actions: string[] }>();
  for (const action of unneeded) {
    for (const view of letThrough({ action }, caller)) {
      const entry = excess.get(view.number) ?? { view, actions: [] };
      entry.actions.push(action);
      excess.set(view.number, entry);
    }
  }
  for (const { view, actions } of excess.values())
    notices.push({ code: "MORE_THAN_NEEDED", place: placeOf(view), detail: listed(actions) });
  if (access === "attestations") {
    notices.push(
      ...letThrough({ action: "kms:Decrypt", encryptionContext: own }, caller).map((view): Notice => ({
        code: "CAN_OPEN_RECORDINGS",
        place: placeOf(view),
        action: "kms:Decrypt",
      })),
    );
  }
  return notices;
}

/** A notice if nobody in charge of the key could put another policy. */
export function lockedOut(policy: PolicyDocument, grant: CheckedGrant, { accountId, ...key }: KeyFacts): Notice[] {
  const named = policy.statements
    .flatMap(({ principals }) => principals?.names ?? [])
    .flatMap((name) => callersNamed(name));
  const owners =
    accountId === undefined
      ? named.filter((one) => !isService(one, grant))
      : [...callersNamed(accountId), ...named.filter((one) => one.accountId === accountId)];
  const inCharge = owners.some(
    (owner) => askPolicy(policy, { action: "kms:PutKeyPolicy" }, owner, { accountId, ...key }).allowed !== "no",
  );
  return inCharge
    ? []
    : [
        {
          code: "OWNER_LOCKED_OUT",
          detail: accountId === undefined ? "the account that owns the key" : `account ${accountId}`,
        },
      ];
}

/** Whether a statement leaves the decision to IAM, as one does that names the key's own account. */
function leavesToOwnIam({ principal }: StatementView, caller: Caller, { accountId }: KeyFacts): boolean {
  return principal === "account" && caller.accountId === accountId;
}

/** Callers that a principal's name stands for: the root of an account, and a stranger for "everyone". */
export function callersNamed(name: string): Caller[] {
  if (name === "*") return [stranger];
  if (/^\d{12}$/.test(name)) return [{ arn: `arn:aws:iam::${name}:root`, accountId: name, exact: true }];
  const accountId = /^arn:[^:]+:(?:iam|sts)::(\d{12}):/.exec(name)?.[1];
  return accountId === undefined ? [] : [{ arn: name, accountId, exact: true }];
}

function isService({ arn, accountId }: Caller, { serviceAccountId, servicePrincipalArns = [] }: CheckedGrant): boolean {
  return accountId === serviceAccountId || servicePrincipalArns.includes(arn);
}
