import { randomBytes } from "node:crypto";
import { isAccount, isPrincipal } from "../../key-policy/language/principal-match.js";
import { defined } from "../../util/defined.js";
import { partitionOf } from "../arn.js";
import { AwsError, invalidArn, validation } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import { grantOperations, type Grant } from "../grant.js";
import type { KmsKey } from "../key.js";
import {
  dryRunRule,
  grantTokensRule,
  keyIdRule,
  limitRule,
  markerRule,
  notModelled,
  operation,
  optionalKeyIdRule,
} from "../operation.js";
import { page, type PageRequest } from "../paging.js";
import { WireTime } from "../wire.js";
import { constraintType, contextConditionKeys, readConstraints } from "./grant-constraints.js";

const principalRule = { type: "string", min: 1, max: 256, pattern: String.raw`^[\w+=,.@:/-]+$` } as const;
const grantIdRule = { type: "string", min: 1, max: 128 } as const;
const grantNameRule = { type: "string", min: 1, max: 256, pattern: "^[a-zA-Z0-9:/_-]+$" } as const;

export const grantKeyOperations = [
  operation(
    "CreateGrant",
    {
      KeyId: keyIdRule,
      GranteePrincipal: { ...principalRule, required: true },
      RetiringPrincipal: principalRule,
      Operations: { type: "string-list", required: true, values: grantOperations },
      Constraints: { type: "grant-constraints" },
      GrantTokens: grantTokensRule,
      Name: grantNameRule,
      DryRun: dryRunRule,
      GranteeServicePrincipal: notModelled,
      RetiringServicePrincipal: notModelled,
    },
    (call, input) => {
      requireIamArn(input.GranteePrincipal);
      if (input.RetiringPrincipal !== undefined) requireIamArn(input.RetiringPrincipal);
      const constraints = readConstraints(input.Constraints);
      const key = call.key(input.KeyId, {
        crossAccount: true,
        state: "enabled",
        newGrant: defined({ operations: input.Operations, constraints }),
        conditionKeys: {
          "kms:GrantOperations": input.Operations,
          "kms:GranteePrincipal": input.GranteePrincipal,
          "kms:RetiringPrincipal": input.RetiringPrincipal,
          "kms:GrantConstraintType": constraintType(input.Constraints),
          "kms:GrantIsForAWSResource": "false",
          ...contextConditionKeys(constraints),
        },
      });
      requireValidFor(key, input.Operations, constraints);
      call.endDryRun(input.DryRun);
      const grant = sameGrant(key, { ...input, constraints }) ?? newGrant(call, { ...input, constraints });
      key.grants.set(grant.id, grant);
      return { GrantToken: grant.tokens.at(-1), GrantId: grant.id };
    },
  ),

  operation(
    "ListGrants",
    {
      KeyId: keyIdRule,
      Limit: limitRule,
      Marker: markerRule,
      GrantId: grantIdRule,
      GranteePrincipal: principalRule,
      GranteeServicePrincipal: notModelled,
    },
    (call, input) => {
      const key = call.key(input.KeyId, { crossAccount: true });
      const { GrantId: id, GranteePrincipal: grantee } = input;
      const grants = [...key.grants.values()].filter(
        (grant) =>
          (id === undefined || grant.id === id) && (grantee === undefined || grant.granteePrincipal === grantee),
      );
      return grantPage(
        grants.map((grant) => ({ key, grant })),
        input,
      );
    },
  ),

  operation(
    "ListRetirableGrants",
    {
      Limit: limitRule,
      Marker: markerRule,
      RetiringPrincipal: { ...principalRule, required: true },
      RetiringServicePrincipal: notModelled,
    },
    (call, input) => {
      requireIamArn(input.RetiringPrincipal);
      call.allow("kms:ListRetirableGrants");
      // Grants on other accounts' keys count, but not those of other accounts' principals.
      const own = input.RetiringPrincipal.split(":")[4] === call.accountId;
      const grants = call.state
        .keys({ region: call.region })
        .flatMap((key) => [...key.grants.values()].map((grant) => ({ key, grant })))
        .filter(({ grant }) => own && grant.retiringPrincipal === input.RetiringPrincipal);
      return grantPage(grants, input);
    },
  ),

  operation(
    "RevokeGrant",
    { KeyId: keyIdRule, GrantId: { ...grantIdRule, required: true }, DryRun: dryRunRule },
    (call, input) => {
      const key = call.key(input.KeyId, { crossAccount: true });
      const grant = requireGrant(key, input.GrantId);
      call.endDryRun(input.DryRun);
      key.grants.delete(grant.id);
      return undefined;
    },
  ),

  operation(
    "RetireGrant",
    {
      GrantToken: { type: "string", min: 1, max: 8192 },
      KeyId: optionalKeyIdRule,
      GrantId: grantIdRule,
      DryRun: dryRunRule,
    },
    (call, input) => {
      const { key, grant } =
        input.GrantToken === undefined ? grantById(call, input) : grantByToken(call, input.GrantToken);
      call.keyArn = key.arn;
      if (!mayRetire(call, key, grant)) call.use(key, { crossAccount: true });
      call.endDryRun(input.DryRun);
      key.grants.delete(grant.id);
      return undefined;
    },
  ),
];

interface GrantInput {
  GranteePrincipal: string;
  RetiringPrincipal?: string;
  Operations: Grant["operations"];
  Name?: string;
  constraints: Grant["constraints"] | undefined;
}

/** A named grant is created once. The same request again returns the same grant, with a new token. */
function sameGrant(key: KmsKey, input: GrantInput): Grant | undefined {
  if (input.Name === undefined) return undefined;
  const wanted = JSON.stringify(grantFacts(input));
  const same = [...key.grants.values()].find(
    ({ name, granteePrincipal, retiringPrincipal, operations, constraints }) =>
      JSON.stringify({ name, granteePrincipal, retiringPrincipal, operations, constraints }) === wanted,
  );
  return same && { ...same, tokens: [...same.tokens, newToken()] };
}

const grantFacts = (input: GrantInput) => ({
  name: input.Name,
  granteePrincipal: input.GranteePrincipal,
  retiringPrincipal: input.RetiringPrincipal,
  operations: input.Operations,
  constraints: input.constraints,
});

function newGrant(call: KmsCall, input: GrantInput): Grant {
  return {
    id: randomBytes(32).toString("hex"),
    tokens: [newToken()],
    createdAt: call.state.now,
    issuingAccount: `arn:${partitionOf(call.region)}:iam::${call.accountId}:root`,
    ...defined(grantFacts(input)),
  };
}

const newToken = (): string => randomBytes(96).toString("base64url");

const forOtherKeyTypes = [
  "Sign",
  "Verify",
  "GetPublicKey",
  "GenerateMac",
  "VerifyMac",
  "DeriveSharedSecret",
  "Encapsulate",
  "Decapsulate",
];

function requireValidFor(key: KmsKey, operations: readonly string[], constraints: Grant["constraints"]): void {
  const unfit = key.isSymmetric ? operations.filter((name) => forOtherKeyTypes.includes(name)) : [];
  if (unfit.length > 0)
    throw validation(`Grant operations ${unfit.join(", ")} are not valid for key spec ${key.spec}.`);
  if (constraints && !key.isSymmetric)
    throw validation(`Encryption context constraints are not valid for key spec ${key.spec}.`);
}

function requireIamArn(arn: string): void {
  if (!/^arn:[^:]+:(iam|sts)::\d{12}:(root|(user|role|assumed-role|federated-user)\/.+)$/.test(arn))
    throw invalidArn(`Invalid arn ${arn}`);
}

function requireGrant(key: KmsKey, id: string): Grant {
  const grant = key.grants.get(id);
  if (!grant) throw new AwsError("NotFoundException", `Grant ID ${id} not found`);
  return grant;
}

interface GrantOnKey {
  key: KmsKey;
  grant: Grant;
}

function grantById(call: KmsCall, input: { KeyId?: string; GrantId?: string }): GrantOnKey {
  if (input.KeyId === undefined || input.GrantId === undefined)
    throw validation("Either GrantToken, or KeyId and GrantId, must be specified.");
  const key = call.find(input.KeyId);
  return { key, grant: requireGrant(key, input.GrantId) };
}

function grantByToken(call: KmsCall, token: string): GrantOnKey {
  const found = call.state.grantOfToken(token, call.region);
  if (!found) throw new AwsError("InvalidGrantTokenException");
  return found;
}

/** True for the key's account, the retiring principal, and a grantee whose grant allows it. An account leaves it to IAM. */
function mayRetire(call: KmsCall, key: KmsKey, grant: Grant): boolean {
  const { caller } = call;
  const { retiringPrincipal, granteePrincipal, operations } = grant;
  const entitled = [retiringPrincipal, operations.includes("RetireGrant") ? granteePrincipal : undefined].filter(
    (principal) => principal !== undefined,
  );
  return (
    caller.arn === `arn:${key.partition}:iam::${key.accountId}:root` ||
    entitled.some((principal) => isPrincipal(principal, caller)) ||
    (entitled.some((principal) => isAccount(principal, caller.accountId)) && call.identityAllows(key.arn))
  );
}

function grantPage(grants: GrantOnKey[], input: PageRequest) {
  grants.sort((a, b) => (a.grant.id < b.grant.id ? -1 : 1));
  return page("Grants", grants, input, {
    id: ({ grant }) => grant.id,
    show: ({ key, grant }) => grantEntry(key, grant),
    defaultLimit: 50,
    maxLimit: 100,
  });
}

function grantEntry(key: KmsKey, grant: Grant): object {
  const { subset, equals } = grant.constraints ?? {};
  return defined({
    KeyId: key.arn,
    GrantId: grant.id,
    Name: grant.name ?? "",
    CreationDate: new WireTime(grant.createdAt),
    GranteePrincipal: grant.granteePrincipal,
    RetiringPrincipal: grant.retiringPrincipal,
    IssuingAccount: grant.issuingAccount,
    Operations: grant.operations,
    Constraints: grant.constraints && defined({ EncryptionContextSubset: subset, EncryptionContextEquals: equals }),
  });
}
