import * as z from "zod";
import { InvalidInputError } from "../errors.js";
import { isKmsKeyArn, parseKmsArn } from "../kms/arn.js";
import { purposeContextKey } from "../kms/context-keys.js";
import type { KmsDataKeyPairSpec } from "../kms/kms-provider.js";
import { checkInput } from "../util/check-input.js";
import { dataKeyPairCall, describeCall, requiredCalls, type ServiceCall } from "./calls.js";
import { askPolicy, type Caller, type KeyFacts, type Verdict } from "./evaluate.js";
import { findingsOf, listed, type KeyPolicyFinding, type Notice } from "./findings.js";
import { accountIdSchema, checkGrantee, grantShape, type CheckedGrant, type RecordingKeyGrant } from "./grant.js";
import { parsePolicy, PolicyProblem, type PolicyDocument } from "./language/document.js";
import { reasonsOfDenial, reasonsOfDoubt, shown } from "./reasons.js";
import { callersNamed, lockedOut, tooWide } from "./width.js";
import { maxKeyPolicyBytes, principalsOf } from "./write.js";

export interface KeyPolicyCheckOptions extends RecordingKeyGrant {
  /** ARN of the key that the policy belongs to, to recognize statements about other keys. */
  kmsKeyArn?: string;
  /** AWS account that owns the key, 12 digits. Default: that of `kmsKeyArn`. */
  accountId?: string;
  /** Spec of the key pairs: RSA ones need an additional call. Default `X25519`. */
  keyPairSpec?: "X25519" | KmsDataKeyPairSpec;
}

/** Findings about a key policy. Plain data, for a settings page. */
export interface KeyPolicyReport {
  /** Whether no finding is an error: as far as the policy tells, the organization is served. */
  readonly ok: boolean;
  /** Errors first. */
  readonly findings: readonly KeyPolicyFinding[];
}

/**
 * Checks a key policy as an organization pasted it: evaluates it as KMS does, for each call that the recording service
 * makes and for some that it must not make. It can't see IAM policies, service control policies and grants; `test()` asks
 * KMS itself.
 * @param policy - as JSON text or object
 * @throws InvalidInputError for bad options, and for a policy that is neither text nor an object that JSON can hold; never
 * because of what the policy says
 */
export function checkKeyPolicy(policy: string | object, options: KeyPolicyCheckOptions): KeyPolicyReport {
  const grant = checkInput(optionsSchema, options); // not spread: a copy would inherit from Object.prototype again
  const { kmsKeyArn, accountId, keyPairSpec } = grant;
  checkGrantee(grant);
  const owner = kmsKeyArn === undefined ? undefined : parseKmsArn(kmsKeyArn)?.accountId;
  if (owner !== undefined && accountId !== undefined && owner !== accountId)
    throw new InvalidInputError("accountId", `must be that of kmsKeyArn, ${owner}`, accountId);
  const notices = noticesOf(policy, grant, keyPairSpec, { keyArn: kmsKeyArn, accountId: accountId ?? owner });
  const findings = findingsOf(notices, { service: serviceOf(grant), condition: conditionOf(grant) });
  return { ok: findings.every(({ severity }) => severity !== "error"), findings };
}

const optionsSchema = z.strictObject({
  ...grantShape,
  kmsKeyArn: z.string().refine(isKmsKeyArn, { message: "must be a KMS key ARN" }).optional(),
  accountId: accountIdSchema.optional(),
  keyPairSpec: z.enum(["X25519", "RSA_2048", "RSA_3072", "RSA_4096"]).default("X25519"),
});

function noticesOf(
  given: string | object,
  grant: CheckedGrant,
  keyPairSpec: "X25519" | KmsDataKeyPairSpec,
  key: KeyFacts,
): Notice[] {
  const text = textOf(given);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxKeyPolicyBytes) return [{ code: "POLICY_TOO_LARGE", detail: String(bytes) }];
  const policy = read(text);
  if (!("statements" in policy)) return [policy];
  const notices: Notice[] = memberTwice(text).map((name) => ({ code: "MEMBER_TWICE", detail: name }));
  const needed = requiredCalls(grant, keyPairSpec);
  for (const caller of callersOf(policy, grant, needed, key)) {
    if (!caller.exact || grant.servicePrincipalArns)
      notices.push(...noticesOfCaller(policy, grant, needed, caller, key));
    else
      notices.push(
        { code: "ONE_PRINCIPAL_ONLY", detail: caller.arn },
        ...noticesOfCaller(policy, grant, needed, caller, key),
      );
  }
  return [...notices, ...lockedOut(policy, grant, key)];
}

function noticesOfCaller(
  policy: PolicyDocument,
  grant: CheckedGrant,
  needed: readonly ServiceCall[],
  caller: Caller,
  key: KeyFacts,
): Notice[] {
  const asked = (call: ServiceCall) => askPolicy(policy, call, caller, key);
  const denied: Notice[] = [];
  const doubtful: Notice[] = [];
  for (const call of needed) {
    const verdict = asked(call);
    if (verdict.allowed === "no") denied.push(...reasonsOfDenial(verdict, call, grant));
    if (verdict.allowed === "unknown") doubtful.push(...reasonsOfDoubt(verdict, call));
  }
  // Optional calls are worth a warning once the required ones are allowed.
  const missed = grant.access === "recordings" && denied.length === 0 ? optionalCalls(grant, needed, asked) : [];
  return [...denied, ...doubtful, ...missed, ...tooWide(policy, grant, caller, key)];
}

/** Notices about calls that the organization is served without. */
function optionalCalls(
  grant: CheckedGrant,
  needed: readonly ServiceCall[],
  asked: (call: ServiceCall) => Verdict,
): Notice[] {
  const notices: Notice[] = [];
  const describe = asked(describeCall);
  if (describe.allowed === "no") {
    const { action } = describeCall;
    const conditioned = describe.statements.some(
      (view) =>
        view.action &&
        view.principal !== "none" &&
        view.conditions.some(({ condition }) => /^kms:encryptioncontext/i.test(condition.key)),
    );
    notices.push({
      code: "DESCRIBE_KEY_DENIED",
      action,
      detail: conditioned ? ": it carries no encryption context, so no condition on one ever holds for it" : "",
    });
  } else if (describe.allowed === "unknown") notices.push(...reasonsOfDoubt(describe, describeCall));
  const [organizationId = ""] = grant.organizationIds;
  const dataKeyPair = dataKeyPairCall(grant, organizationId, "RSA_2048");
  const { action } = dataKeyPair;
  if (needed.some((call) => call.action === action)) return notices;
  const rsa = asked(dataKeyPair);
  if (rsa.allowed === "no") notices.push({ code: "RSA_KEY_PAIRS_DENIED", action });
  if (rsa.allowed === "unknown") notices.push(...reasonsOfDoubt(rsa, dataKeyPair));
  return notices;
}

/**
 * Principals that the service calls as. If only its account is known, that is any of its roles, or, if those are denied, one
 * that the policy names and allows.
 */
function callersOf(
  policy: PolicyDocument,
  grant: CheckedGrant,
  needed: readonly ServiceCall[],
  key: KeyFacts,
): Caller[] {
  const { serviceAccountId, servicePrincipalArns, partition } = grant;
  if (serviceAccountId === undefined) return (servicePrincipalArns ?? []).flatMap((arn) => callersNamed(arn));
  const anyRole: Caller = {
    arn: `arn:${partition}:iam::${serviceAccountId}:role/*`,
    accountId: serviceAccountId,
    exact: false,
  };
  const isServed = (caller: Caller) => needed.every((call) => askPolicy(policy, call, caller, key).allowed !== "no");
  if (isServed(anyRole)) return [anyRole];
  const named = policy.statements
    .flatMap(({ principals }) => principals?.names ?? [])
    .flatMap((name) => callersNamed(name));
  const served = named.find(
    (caller) => caller.accountId === serviceAccountId && !caller.arn.endsWith(":root") && isServed(caller),
  );
  return [served ?? anyRole];
}

/** A character that `PutKeyPolicy` refuses, except as a JSON escape. */
const refusedCharacter = /[^\t\n\r\x20-\xff]/u;

function read(text: string): PolicyDocument | Notice {
  const foreign = refusedCharacter.exec(text);
  if (foreign) {
    const line = text.slice(0, foreign.index).split("\n").length;
    const codePoint = foreign[0].codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0") ?? "";
    return {
      code: "POLICY_MALFORMED",
      detail: `it holds the character U+${codePoint} in line ${line}, and only those up to U+00FF are taken; typographic quotes and invisible characters come from word processors.`,
    };
  }
  try {
    return parsePolicy(text, "key");
  } catch (error) {
    if (!(error instanceof PolicyProblem)) throw error;
    const { cause, message } = error;
    return { code: "POLICY_MALFORMED", detail: `${message}${cause instanceof Error ? ` ${cause.message}.` : ""}` };
  }
}

/** Name of the first member that an object has twice, if any. `JSON.parse` silently keeps the last one. */
function memberTwice(text: string): string[] {
  const counts = new Map<string, number>();
  const count = (name: string, by: number) => counts.set(name, (counts.get(name) ?? 0) + by);
  for (const [, name = ""] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*(?=:)|"(?:[^"\\]|\\.)*"/g))
    if (name !== "") count(JSON.parse(name) as string, 1);
  JSON.parse(text, function (this: unknown, name, value: unknown) {
    if (!Array.isArray(this)) count(name, -1);
    return value;
  });
  // Members inside the lost one follow it here.
  return [...counts].flatMap(([name, times]) => (times > 0 ? [name] : [])).slice(0, 1);
}

function textOf(given: string | object): string {
  if (typeof given === "string") return given;
  try {
    if (typeof given === "object" && given !== null) return JSON.stringify(given);
  } catch {
    // Cycles and the like are refused below.
  }
  throw new InvalidInputError("policy", "must be JSON text, or an object that JSON can hold", given);
}

function serviceOf(grant: CheckedGrant): string {
  return grant.serviceAccountId === undefined ? listed(principalsOf(grant)) : `account ${grant.serviceAccountId}`;
}

function conditionOf({ access, contextKeyName, organizationIds }: CheckedGrant): string {
  const organization = shown({
    operator: "StringEquals",
    key: `kms:EncryptionContext:${contextKeyName}`,
    values: organizationIds,
  });
  return access === "recordings"
    ? organization
    : `${organization} and kms:EncryptionContext:${purposeContextKey} = "attestation"`;
}
