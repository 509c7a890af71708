import type { PolicyStatement } from "./document.js";

export interface PolicyCaller {
  /** ARN of the caller's user, role or session. */
  readonly arn: string;
  readonly accountId: string;
}

/** How a statement names a caller: directly, only by its account (so that IAM decides), or not at all. */
export type PrincipalMatch = "direct" | "account" | "none";

export function matchPrincipal(
  principals: NonNullable<PolicyStatement["principals"]>,
  effect: "Allow" | "Deny",
  caller: PolicyCaller,
): PrincipalMatch {
  const matches = principals.names.map((name) => matchName(name, caller));
  const direct = matches.includes("direct");
  const account = direct || matches.includes("account");
  if (!principals.not) return direct ? "direct" : account ? "account" : "none";
  // A `NotPrincipal` with Deny spares only principals that it names together with their account.
  const spared = effect === "Deny" ? direct && namesAccount(principals.names, caller) : account;
  return spared ? "none" : "direct";
}

/** Whether an ARN is the caller's own, or that of the role behind its session. */
export function isPrincipal(arn: string, caller: PolicyCaller): boolean {
  if (arn === caller.arn) return true;
  if (!caller.arn.includes(":assumed-role/")) return false;
  const session = /^arn:([^:]+):sts::(\d{12}):assumed-role\/([^/]+)\//.exec(caller.arn);
  if (!session) return false;
  const role = /^arn:([^:]+):iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/.exec(arn);
  return role !== null && session.slice(1).join() === role.slice(1).join();
}

function matchName(name: string, caller: PolicyCaller): PrincipalMatch {
  if (name === "*" || isPrincipal(name, caller)) return "direct";
  return isAccount(name, caller.accountId) ? "account" : "none";
}

function namesAccount(names: readonly string[], caller: PolicyCaller): boolean {
  return names.some((name) => name === "*" || isAccount(name, caller.accountId));
}

/** Whether a name stands for an account: its number, or the ARN of its root. */
export function isAccount(name: string, accountId: string): boolean {
  if (name.length === accountId.length) return name === accountId;
  return name.endsWith(`::${accountId}:root`) && /^arn:[^:]+:iam:/.test(name);
}

/** `aws:PrincipalArn` of a caller: for a session, its role's ARN. */
export function principalArnOf(callerArn: string): string {
  return callerArn.replace(/^arn:([^:]+):sts::(\d{12}):assumed-role\/([^/]+)\/.*$/, "arn:$1:iam::$2:role/$3");
}
