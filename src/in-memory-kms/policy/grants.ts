import { isPrincipal } from "../../key-policy/language/principal-match.js";
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

export function allowedByGrant(grants: Iterable<Grant>, question: GrantQuestion): boolean {
  for (const grant of grants) if (allows(grant, question)) return true;
  return false;
}

function allows(grant: Grant, { caller, action, encryptionContext, newGrant }: GrantQuestion): boolean {
  const operations: readonly string[] = grant.operations;
  if (!isPrincipal(grant.granteePrincipal, caller) || !operations.includes(action.replace("kms:", ""))) return false;
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
