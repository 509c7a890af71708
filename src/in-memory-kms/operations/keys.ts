import { defined } from "../../util/defined.js";
import { AwsError, invalidState, unsupported, validation } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import type { CustomKeyStore } from "../custom-key-store.js";
import { keyMetadata } from "../key-metadata.js";
import { keySpecs, keyUsages, usagesOf, type KeySpec, type KeyUsage } from "../key-specs.js";
import { keyOrigins, KmsKey } from "../key.js";
import {
  descriptionRule,
  grantTokensRule,
  keyIdRule,
  limitRule,
  markerRule,
  operation,
  policyRule,
} from "../operation.js";
import { page } from "../paging.js";
import { defaultKeyPolicy, checkKeyPolicy } from "../policy/key-policy.js";
import { requestTagKeys, tagEntries } from "../tags.js";
import { WireTime } from "../wire.js";
import { keyStoreOf, requireConnection } from "./key-stores.js";

const millisecondsPerDay = 86_400_000;

export const keyOperations = [
  operation(
    "CreateKey",
    {
      Policy: policyRule,
      Description: descriptionRule,
      KeyUsage: { type: "string", values: keyUsages },
      CustomerMasterKeySpec: { type: "string", values: keySpecs },
      KeySpec: { type: "string", values: keySpecs },
      Origin: { type: "string", values: keyOrigins },
      CustomKeyStoreId: { type: "string", min: 1, max: 64 },
      BypassPolicyLockoutSafetyCheck: { type: "boolean" },
      Tags: { type: "tag-list" },
      MultiRegion: { type: "boolean" },
      XksKeyId: { type: "string", min: 1, max: 128, pattern: "^[a-zA-Z0-9-_.]+$" },
    },
    (call, input) => {
      const { Origin: origin = "AWS_KMS" } = input;
      if (input.KeySpec && input.CustomerMasterKeySpec) {
        throw validation(
          "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
        );
      }
      const spec = input.KeySpec ?? input.CustomerMasterKeySpec ?? "SYMMETRIC_DEFAULT";
      const usage = usageFor(spec, input.KeyUsage);
      const tags = tagEntries(input.Tags ?? []);
      call.allow("kms:CreateKey", "*", {
        "kms:KeySpec": spec,
        "kms:CustomerMasterKeySpec": spec,
        "kms:KeyUsage": usage,
        "kms:CustomerMasterKeyUsage": usage,
        "kms:KeyOrigin": origin,
        "kms:MultiRegion": String(input.MultiRegion ?? false),
        "kms:BypassPolicyLockoutSafetyCheck": String(input.BypassPolicyLockoutSafetyCheck ?? false),
        ...requestTagKeys(tags),
      });
      if (tags.length > 0) call.allow("kms:TagResource", "*", requestTagKeys(tags));
      const keyStore = keyStoreFor(call, { ...input, origin, spec });
      const key = new KmsKey({
        createdAt: call.state.now,
        region: call.region,
        accountId: call.accountId,
        policy: input.Policy ?? defaultKeyPolicy(call.region, call.accountId),
        spec,
        usage,
        origin,
        tags,
        ...defined({
          description: input.Description,
          keyStore,
          xksKeyId: input.XksKeyId,
          multiRegion: input.MultiRegion ? ("PRIMARY" as const) : undefined,
        }),
      });
      checkKeyPolicy(call, key, key.policy, input.BypassPolicyLockoutSafetyCheck);
      call.state.putKey(key);
      call.keyArn = key.arn;
      return { KeyMetadata: keyMetadata(key, call.state) };
    },
  ),

  operation("DescribeKey", { KeyId: keyIdRule, GrantTokens: grantTokensRule }, (call, input) => {
    const key = call.key(input.KeyId, { aliases: true, crossAccount: true });
    return { KeyMetadata: keyMetadata(key, call.state) };
  }),

  operation("ListKeys", { Limit: limitRule, Marker: markerRule }, (call, input) => {
    call.allow("kms:ListKeys");
    const keys = call.state.keys({ accountId: call.accountId, region: call.region });
    return page("Keys", keys, input, {
      id: (key) => key.keyId,
      show: (key) => ({ KeyId: key.keyId, KeyArn: key.arn }),
    });
  }),

  operation(
    "UpdateKeyDescription",
    { KeyId: keyIdRule, Description: { ...descriptionRule, required: true } },
    (call, input) => {
      call.key(input.KeyId, { state: "not-pending-deletion" }).description = input.Description;
      return undefined;
    },
  ),

  operation("EnableKey", { KeyId: keyIdRule }, (call, input) => {
    const key = call.key(input.KeyId, { state: "not-pending-deletion" });
    if (key.state === "PendingImport") throw invalidState(`${key.arn} is pending import.`);
    call.state.enable(key);
    return undefined;
  }),

  operation("DisableKey", { KeyId: keyIdRule }, (call, input) => {
    const key = call.key(input.KeyId, { state: "not-pending-deletion" });
    if (key.state === "PendingImport") throw invalidState(`${key.arn} is pending import.`);
    key.enabled = false;
    return undefined;
  }),

  operation(
    "ScheduleKeyDeletion",
    { KeyId: keyIdRule, PendingWindowInDays: { type: "integer", min: 1, max: 365 } },
    (call, input) => {
      const { PendingWindowInDays: windowInDays = 30 } = input;
      const conditionKeys = { "kms:ScheduleKeyDeletionPendingWindowInDays": String(windowInDays) };
      const key = call.key(input.KeyId, { state: "not-pending-deletion", conditionKeys });
      if (windowInDays < 7 || windowInDays > 30) throw validation("PendingWindowInDays must be between 7 and 30");
      const waitsForReplicas = key.multiRegion === "PRIMARY" && call.state.family(key).length > 1;
      key.deletion = waitsForReplicas
        ? { windowInDays }
        : { windowInDays, date: call.state.now + windowInDays * millisecondsPerDay };
      return {
        KeyId: key.arn,
        ...defined({ DeletionDate: key.deletion.date === undefined ? undefined : new WireTime(key.deletion.date) }),
        KeyState: key.state,
        PendingWindowInDays: windowInDays,
      };
    },
  ),

  operation("CancelKeyDeletion", { KeyId: keyIdRule }, (call, input) => {
    const key = call.key(input.KeyId);
    if (!key.deletion) throw invalidState(`${key.arn} is not pending deletion.`);
    key.deletion = undefined;
    key.enabled = false;
    return { KeyId: key.arn };
  }),
];

interface KeyInStore {
  readonly origin: string;
  readonly spec: KeySpec;
  readonly CustomKeyStoreId?: string;
  readonly XksKeyId?: string;
  readonly MultiRegion?: boolean;
}

/** The custom key store of a new key. @throws AwsError for a key that can't be in it */
function keyStoreFor(
  call: KmsCall,
  { origin, spec, CustomKeyStoreId: id, XksKeyId: xksKeyId, MultiRegion }: KeyInStore,
): CustomKeyStore | undefined {
  const ofStore = origin === "AWS_CLOUDHSM" || origin === "EXTERNAL_KEY_STORE";
  if (ofStore !== (id !== undefined))
    throw validation(
      "CustomKeyStoreId is valid with Origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE only, and required there.",
    );
  if ((origin === "EXTERNAL_KEY_STORE") !== (xksKeyId !== undefined))
    throw validation("XksKeyId is valid with Origin EXTERNAL_KEY_STORE only, and required there.");
  if (id === undefined) return undefined;
  if (spec !== "SYMMETRIC_DEFAULT" || MultiRegion)
    throw unsupported("A custom key store has only symmetric encryption keys in a single Region.");
  const store = keyStoreOf(call, id);
  if (store.type !== origin) throw validation(`The custom key store ${id} is of type ${store.type}.`);
  requireConnection(store, ["CONNECTED"]);
  if (xksKeyId !== undefined && call.state.keysOfStore(store).some((key) => key.xksKeyId === xksKeyId)) {
    throw new AwsError(
      "XksKeyAlreadyInUseException",
      `The external key ${xksKeyId} is in use by another KMS key of the external key store ${id}.`,
    );
  }
  return store;
}

function usageFor(spec: KeySpec, asked: KeyUsage | undefined): KeyUsage {
  if (asked === undefined && spec !== "SYMMETRIC_DEFAULT") {
    throw validation("You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.");
  }
  const usage = asked ?? "ENCRYPT_DECRYPT";
  if (!usagesOf(spec).includes(usage)) {
    throw new AwsError("ValidationException", `KeyUsage ${usage} is not compatible with KeySpec ${spec}`);
  }
  return usage;
}
