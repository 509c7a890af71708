import { randomBytes } from "node:crypto";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import { partitionOf } from "./arn.js";
import { readPolicy } from "./policy/read-policy.js";

/** A caller. Requests are told apart by access key id alone; every secret key is right. */
export interface KmsPrincipal {
  readonly accessKeyId: string;
  /** Such as `arn:aws:iam::111122223333:user/name`, `…:role/name`, `…:root` or `arn:aws:sts::…:assumed-role/name/session`. */
  readonly arn: string;
  readonly accountId: string;
  /** IAM policy, as JSON text. A principal without one has only the rights that key policies give it directly. */
  readonly identityPolicy?: string;
  /** Condition keys of all its requests, such as `aws:PrincipalOrgID`, `kms:ViaService` or `aws:SourceIp`. */
  readonly conditionKeys?: Readonly<Record<string, string | readonly string[]>>;
}

/** A caller to be added to an in-memory KMS. */
export interface KmsPrincipalInit {
  /** ARN of an IAM user, role or account, or of an STS session. */
  arn: string;
  /** Default: a new one. */
  accessKeyId?: string;
  /**
   * IAM policy, as JSON text or object. `"administrator"` allows everything that key policies leave to IAM. Default: none, as
   * in AWS; an account's root user may always do everything.
   */
  identityPolicy?: string | object;
  /** Condition keys of all its requests, such as `aws:PrincipalOrgID`. */
  conditionKeys?: Readonly<Record<string, string | readonly string[]>>;
}

const administratorPolicy = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
});

/** Account of unknown callers, unless another is given. */
export const defaultAccountId = "000000000000";

/** Who callers are of whom little or nothing was said. */
export interface UnknownCallers {
  /** Account that access keys administer which nobody introduced. */
  readonly accountId: string;
  /** IAM policy of principals that are added without one. */
  readonly identityPolicy?: string | object | undefined;
}

export class KmsPrincipals {
  readonly #unknown: UnknownCallers;
  readonly #known = new Map<string, KmsPrincipal>();

  constructor(unknown: UnknownCallers = { accountId: defaultAccountId }) {
    this.#unknown = unknown;
  }

  /** @param path - where the principal stands in what was given, for refusals */
  add(given: KmsPrincipalInit, path?: string): KmsPrincipal {
    const known = { arn: true, accessKeyId: true, identityPolicy: true, conditionKeys: true } as const;
    const init = knownOptions(given, known, path);
    const accountId = /^arn:[^:]+:(?:iam|sts)::(\d{12}):/.exec(init.arn)?.[1];
    if (accountId === undefined) throw new TypeError(`Not the ARN of an IAM principal: ${init.arn}`);
    const { arn, conditionKeys, accessKeyId = newAccessKeyId() } = init;
    // IAM has no policies for an account's root user, who may do everything.
    const ofRoot = arn.endsWith(":root") ? "administrator" : undefined;
    const identityPolicy = init.identityPolicy ?? this.#unknown.identityPolicy ?? ofRoot;
    const text = identityPolicy === undefined ? undefined : policyText(identityPolicy);
    // A malformed policy is the test's mistake, and shows here, not in a later call.
    if (text !== undefined) readPolicy(text, "identity");
    const principal = defined({ accessKeyId, arn, accountId, identityPolicy: text, conditionKeys });
    this.#known.set(accessKeyId, principal);
    return principal;
  }

  /** The caller of an access key id, in a Region. Unknown ones administer the default account. */
  find(accessKeyId: string, region: string): KmsPrincipal {
    return this.#known.get(accessKeyId) ?? administratorOf(this.#unknown.accountId, region, accessKeyId);
  }

  all(): readonly KmsPrincipal[] {
    return [...this.#known.values()];
  }

  /** Knows these callers from now on, and no others. */
  replace(principals: readonly KmsPrincipal[]): void {
    this.#known.clear();
    for (const principal of principals) this.#known.set(principal.accessKeyId, principal);
  }
}

export function administratorOf(accountId: string, region: string, accessKeyId = ""): KmsPrincipal {
  const partition = partitionOf(region);
  return {
    accessKeyId,
    accountId,
    arn: `arn:${partition}:iam::${accountId}:root`,
    identityPolicy: administratorPolicy,
  };
}

function policyText(policy: string | object): string {
  if (policy === "administrator") return administratorPolicy;
  return typeof policy === "string" ? policy : JSON.stringify(policy);
}

function newAccessKeyId(): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  return `AKIA${[...randomBytes(16)].map((byte) => letters.charAt(byte % 32)).join("")}`;
}
