import { randomBytes } from "node:crypto";
import { readPolicy } from "./policy/read-policy.js";

/** Who may call. Every secret key is right: requests are told apart by their access key id alone. */
export interface KmsPrincipal {
  readonly accessKeyId: string;
  /** `arn:aws:iam::111122223333:user/name`, `…:role/name`, `arn:aws:sts::…:assumed-role/name/session` or `…:root`. */
  readonly arn: string;
  readonly accountId: string;
  /** What IAM allows it, JSON text or object. A principal without one gets only what key policies give it directly. */
  readonly identityPolicy?: string;
  /** Condition keys that all its requests carry: `aws:PrincipalOrgID`, `kms:ViaService`, `aws:SourceIp` … */
  readonly conditionKeys?: Readonly<Record<string, string | readonly string[]>>;
}

export interface KmsPrincipalInit {
  arn: string;
  /** Made up unless given. */
  accessKeyId?: string;
  /** An IAM policy document; `"administrator"` (the default) allows everything that key policies leave to IAM. */
  identityPolicy?: string | object;
  conditionKeys?: Readonly<Record<string, string | readonly string[]>>;
}

const administratorPolicy = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
});

/** The account of callers that nobody introduced. */
export const defaultAccountId = "000000000000";

export class KmsPrincipals {
  readonly #known = new Map<string, KmsPrincipal>();

  add(init: KmsPrincipalInit): KmsPrincipal {
    const accountId = /^arn:[^:]+:(?:iam|sts)::(\d{12}):/.exec(init.arn)?.[1];
    if (accountId === undefined) throw new TypeError(`Not the ARN of an IAM principal: ${init.arn}`);
    const { identityPolicy = "administrator", accessKeyId = newAccessKeyId() } = init;
    const text = policyText(identityPolicy);
    // A policy that cannot be read is the test's mistake, and shows here and not in the middle of a call.
    readPolicy(text, "identity");
    const { arn, conditionKeys } = init;
    const principal = { accessKeyId, arn, accountId, identityPolicy: text, ...(conditionKeys && { conditionKeys }) };
    this.#known.set(accessKeyId, principal);
    return principal;
  }

  /** Callers that nobody introduced administer the default account. */
  find(accessKeyId: string): KmsPrincipal {
    return this.#known.get(accessKeyId) ?? administratorOf(defaultAccountId, accessKeyId);
  }

  all(): KmsPrincipal[] {
    return [...this.#known.values()];
  }
}

export function administratorOf(accountId: string, accessKeyId = ""): KmsPrincipal {
  return { accessKeyId, accountId, arn: `arn:aws:iam::${accountId}:root`, identityPolicy: administratorPolicy };
}

function policyText(policy: string | object): string {
  if (policy === "administrator") return administratorPolicy;
  return typeof policy === "string" ? policy : JSON.stringify(policy);
}

function newAccessKeyId(): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  return `AKIA${[...randomBytes(16)].map((byte) => letters.charAt(byte % 32)).join("")}`;
}
