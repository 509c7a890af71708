import { isAccount, isPrincipal, type PrincipalMatch } from "../../key-policy/language/principal-match.js";
import type { EncryptionContext } from "../ciphertext.js";
import type { Grant } from "../grant.js";
import type { KmsPrincipal } from "../principals.js";

export interface GrantQuestion {
  caller: KmsPrincipal;
  /** With its `kms:`. */
  action: string;
  /** Absent for operations without one, which constraints don't bind. */
  encryptionContext?: EncryptionContext | undefined;
  /** For CreateGrant: what the new grant would allow. */
  newGrant?: Pick<Grant, "operations" | "constraints"> | undefined;
}

/** How the grants of a key allow a call: to its caller, to the caller's account (so that IAM decides), or not at all. */
export function matchGrants(grants: Iterable<Grant>, question: GrantQuestion): PrincipalMatch {
  const { caller } = question;
  const principals = [...grants].filter((grant) => allows(grant, question)).map((grant) => grant.granteePrincipal);
  if (principals.some((principal) => isPrincipal(principal, caller))) return "direct";
  return principals.some((principal) => isAccount(principal, caller.accountId)) ? "account" : "none";
}

/** Whether a grant allows a call to its grantee, whoever that is. */
function allows(grant: Grant, { action, encryptionContext, newGrant }: GrantQuestion): boolean {
  const operations: readonly string[] = grant.operations;
  if (!operations.includes(action.replace("kms:", ""))) return false;
  if (newGrant && !isAtMost(newGrant, grant)) return false;
  return encryptionContext === undefined || meetsConstraints(grant, encryptionContext);
}

function meetsConstraints({ constraints }: Pick<Grant, "constraints">, context: EncryptionContext): boolean {
  const { subset, equals } = constraints ?? {};
  return (
    (subset === undefined || includes(context, subset)) &&
    (equals === undefined || (includes(context, equals) && includes(equals, context)))
  );
}

/** A grant that is created under another allows nothing more: no further operation, no looser constraint. */
function isAtMost(child: Pick<Grant, "operations" | "constraints">, parent: Grant): boolean {
  const { subset, equals } = child.constraints ?? {};
  const bound = equals ?? subset ?? {};
  return (
    child.operations.every((operation) => parent.operations.includes(operation)) &&
    (parent.constraints?.equals === undefined || equals !== undefined) &&
    meetsConstraints(parent, bound)
  );
}

/** Unlike cryptography, constraints ignore the letter case of keys. */
function includes(whole: EncryptionContext, part: EncryptionContext): boolean {
  const pairs = new Map(Object.entries(whole).map(([key, value]) => [key.toLowerCase(), value]));
  return Object.entries(part).every(([key, value]) => pairs.get(key.toLowerCase()) === value);
}
