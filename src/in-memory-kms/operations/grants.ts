import { randomBytes } from "node:crypto";
import { AwsError, invalidArn, unsupported, validation } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import { grantOperations, type Grant } from "../grant.js";
import type { WireGrantConstraints } from "../input.js";
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
import { page } from "../paging.js";
import { isPrincipal } from "../../key-policy/language/principal-match.js";
import { WireTime } from "../wire.js";

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
        newGrant: { operations: input.Operations, ...(constraints && { constraints }) },
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
      // Other accounts' keys count, other accounts' principals don't.
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

type GrantInput = {
  GranteePrincipal: string;
  RetiringPrincipal?: string;
  Operations: Grant["operations"];
  Name?: string;
  constraints: Grant["constraints"] | undefined;
};

/** A grant with a name is made once: the same request again gives the same grant, with a new token. */
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
  const { name, retiringPrincipal, constraints, ...facts } = grantFacts(input);
  return {
    id: randomBytes(32).toString("hex"),
    tokens: [newToken()],
    createdAt: call.state.now,
    issuingAccount: `arn:aws:iam::${call.accountId}:root`,
    ...facts,
    ...(name !== undefined && { name }),
    ...(retiringPrincipal !== undefined && { retiringPrincipal }),
    ...(constraints && { constraints }),
  };
}

const newToken = (): string => randomBytes(96).toString("base64url");

function readConstraints(wire: WireGrantConstraints | undefined): Grant["constraints"] {
  const { EncryptionContextSubset: subset, EncryptionContextEquals: equals, SourceArn } = wire ?? {};
  if (SourceArn !== undefined) throw unsupported("The in-memory KMS does not model SourceArn.");
  if (subset && equals)
    throw validation("Only one of EncryptionContextSubset and EncryptionContextEquals can be specified.");
  if (!subset && !equals) return undefined;
  for (const pairs of [subset, equals]) requireConstraintSize(Object.entries(pairs ?? {}));
  return { ...(subset && { subset }), ...(equals && { equals }) };
}

const maxConstraintPairs = 8;
const maxConstraintValue = 384;

/** The limits are documented, the texts are not. */
function requireConstraintSize(pairs: readonly [string, string][]): void {
  if (pairs.length > maxConstraintPairs) {
    throw new AwsError(
      "LimitExceededException",
      `A grant constraint can have at most ${maxConstraintPairs} encryption context pairs.`,
    );
  }
  if (pairs.some(([, value]) => value.length > maxConstraintValue)) {
    throw new AwsError(
      "LimitExceededException",
      `An encryption context value of a grant constraint can have at most ${maxConstraintValue} characters.`,
    );
  }
}

function constraintType(wire: WireGrantConstraints | undefined): string | undefined {
  if (wire?.EncryptionContextSubset) return "EncryptionContextSubset";
  return wire?.EncryptionContextEquals && "EncryptionContextEquals";
}

/** CreateGrant shows its constraint to conditions as an encryption context. */
function contextConditionKeys(constraints: Grant["constraints"]): Record<string, string | readonly string[]> {
  const pairs = Object.entries(constraints?.subset ?? constraints?.equals ?? {});
  if (pairs.length === 0) return {};
  const byKey = Object.fromEntries(pairs.map(([name, value]) => [`kms:EncryptionContext:${name}`, value]));
  return { ...byKey, "kms:EncryptionContextKeys": pairs.map(([name]) => name) };
}

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

function grantById(call: KmsCall, input: { KeyId?: string; GrantId?: string }): { key: KmsKey; grant: Grant } {
  if (input.KeyId === undefined || input.GrantId === undefined)
    throw validation("Either GrantToken, or KeyId and GrantId, must be specified.");
  const key = call.find(input.KeyId);
  return { key, grant: requireGrant(key, input.GrantId) };
}

function grantByToken(call: KmsCall, token: string): { key: KmsKey; grant: Grant } {
  const found = call.state.grantOfToken(token, call.region);
  if (!found) throw new AwsError("InvalidGrantTokenException");
  return found;
}

/** The key's account, the retiring principal, and a grantee whose grant says so. */
function mayRetire(call: KmsCall, key: KmsKey, grant: Grant): boolean {
  const { caller } = call;
  return (
    caller.arn === `arn:aws:iam::${key.accountId}:root` ||
    (grant.retiringPrincipal !== undefined && isPrincipal(grant.retiringPrincipal, caller)) ||
    (grant.operations.includes("RetireGrant") && isPrincipal(grant.granteePrincipal, caller))
  );
}

function grantPage(grants: { key: KmsKey; grant: Grant }[], input: { Limit?: number; Marker?: string }) {
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
  return {
    KeyId: key.arn,
    GrantId: grant.id,
    Name: grant.name ?? "",
    CreationDate: new WireTime(grant.createdAt),
    GranteePrincipal: grant.granteePrincipal,
    ...(grant.retiringPrincipal !== undefined && { RetiringPrincipal: grant.retiringPrincipal }),
    IssuingAccount: grant.issuingAccount,
    Operations: grant.operations,
    ...(grant.constraints && {
      Constraints: {
        ...(subset && { EncryptionContextSubset: subset }),
        ...(equals && { EncryptionContextEquals: equals }),
      },
    }),
  };
}
