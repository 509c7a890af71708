import { defined } from "../../util/defined.js";
import { aliasArn } from "../arn.js";
import { AwsError, notFound, validation } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import type { KmsKey } from "../key.js";
import { keyIdRule, limitRule, markerRule, operation, optionalKeyIdRule } from "../operation.js";
import { page } from "../paging.js";
import type { Alias } from "../state.js";
import { WireTime } from "../wire.js";

const aliasNameRule = { type: "string", required: true, min: 1, max: 256, pattern: "^[a-zA-Z0-9:/_-]+$" } as const;

export const aliasOperations = [
  operation("CreateAlias", { AliasName: aliasNameRule, TargetKeyId: keyIdRule }, (call, input) => {
    const arn = ownAliasArn(call, input.AliasName);
    call.allow("kms:CreateAlias", arn);
    const key = targetKey(call, input.TargetKeyId);
    if (call.state.alias(arn))
      throw new AwsError("AlreadyExistsException", `An alias with the name ${arn} already exists`);
    call.state.putAlias({
      arn,
      name: input.AliasName,
      accountId: call.accountId,
      region: call.region,
      keyId: key.keyId,
    });
    return undefined;
  }),

  operation("UpdateAlias", { AliasName: aliasNameRule, TargetKeyId: keyIdRule }, (call, input) => {
    const { alias, key: oldKey } = existingAlias(call, input.AliasName);
    const key = targetKey(call, input.TargetKeyId, alias);
    if (oldKey && (kindOf(oldKey) !== kindOf(key) || oldKey.usage !== key.usage)) {
      throw validation(
        `Alias ${alias.arn} cannot be changed from a ${kindOf(oldKey)} key for ${oldKey.usage} to a ${kindOf(key)} key for ${key.usage}.`,
      );
    }
    alias.keyId = key.keyId;
    alias.updatedAt = call.state.now;
    return undefined;
  }),

  operation("DeleteAlias", { AliasName: aliasNameRule }, (call, input) => {
    const { alias } = existingAlias(call, input.AliasName);
    call.state.removeAlias(alias.arn);
    return undefined;
  }),

  operation("ListAliases", { KeyId: optionalKeyIdRule, Limit: limitRule, Marker: markerRule }, (call, input) => {
    call.allow("kms:ListAliases");
    const { accountId, region } = call;
    const key = input.KeyId === undefined ? undefined : call.find(input.KeyId);
    const aliases = call.state.aliases({ accountId, region, ...defined({ keyId: key?.keyId }) });
    return page("Aliases", aliases, input, {
      id: (alias) => alias.name,
      show: (alias) => ({
        AliasName: alias.name,
        AliasArn: alias.arn,
        TargetKeyId: alias.keyId,
        CreationDate: new WireTime(alias.createdAt),
        LastUpdatedDate: new WireTime(alias.updatedAt),
      }),
      defaultLimit: 50,
      maxLimit: 100,
    });
  }),
];

const maxAliasesPerKey = 50;

/** Target of an alias. Must be named by its key id or key ARN, and have room for one more alias. */
function targetKey(call: KmsCall, keyId: string, alias?: Alias): KmsKey {
  if (/^(?:arn:[^/]*:)?alias\//.test(keyId)) throw validation("Aliases must refer to keys. Not aliases");
  const key = call.key(keyId, { state: "not-pending-deletion" });
  const { length } = call.state.aliases(key);
  if (alias?.keyId !== key.keyId && length >= maxAliasesPerKey) {
    throw new AwsError(
      "LimitExceededException",
      `Aliases per key quota for this account in this region is ${maxAliasesPerKey}, current usage is ${length}.`,
    );
  }
  return key;
}

function kindOf({ spec }: KmsKey): "symmetric" | "HMAC" | "asymmetric" {
  if (spec === "SYMMETRIC_DEFAULT") return "symmetric";
  return spec.startsWith("HMAC_") ? "HMAC" : "asymmetric";
}

/** An alias that the caller may change, which both the alias and its key must allow. */
function existingAlias(call: KmsCall, name: string): { alias: Alias; key: KmsKey | undefined } {
  const arn = ownAliasArn(call, name);
  call.allow(`kms:${call.operation}`, arn);
  const alias = call.state.alias(arn);
  if (!alias) throw notFound.alias(arn);
  const key = call.state.keyOfAlias(arn);
  if (key) call.use(key);
  return { alias, key };
}

function ownAliasArn(call: KmsCall, name: string): string {
  if (!name.startsWith("alias/")) {
    throw validation(
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    );
  }
  if (name.startsWith("alias/aws/")) throw new AwsError("NotAuthorizedException");
  if (name === "alias/") throw new AwsError("InvalidAliasNameException");
  // The service's own pattern of a name allows a colon.
  if (name.includes(":")) throw validation(`${name} contains invalid characters for an alias`);
  return aliasArn(call.region, call.accountId, name);
}
