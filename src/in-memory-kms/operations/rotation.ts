import { defined } from "../../util/defined.js";
import { AwsError, invalidState, unsupported, wrongOrigin } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import { maxOnDemandRotations, type KeyMaterial, type KeyMaterialHistory } from "../key-material.js";
import type { KmsKey } from "../key.js";
import { keyIdRule, limitRule, markerRule, operation } from "../operation.js";
import { page } from "../paging.js";
import { WireTime } from "../wire.js";

export const rotationOperations = [
  operation(
    "EnableKeyRotation",
    { KeyId: keyIdRule, RotationPeriodInDays: { type: "integer", min: 90, max: 2560 } },
    (call, input) => {
      const { RotationPeriodInDays: period = 365 } = input;
      const { material } = rotatingKey(call, input.KeyId, { "kms:RotationPeriodInDays": String(period) });
      material.enableAutomaticRotation(call.state.now, period);
      return undefined;
    },
  ),

  operation("DisableKeyRotation", { KeyId: keyIdRule }, (call, input) => {
    rotatingKey(call, input.KeyId).material.automatic = undefined;
    return undefined;
  }),

  operation("GetKeyRotationStatus", { KeyId: keyIdRule }, (call, input) => {
    const key = call.key(input.KeyId, { crossAccount: true });
    const { automatic } = materialOf(key);
    if (!automatic || key.deletion) return { KeyId: key.arn, KeyRotationEnabled: false };
    return {
      KeyId: key.arn,
      KeyRotationEnabled: true,
      RotationPeriodInDays: automatic.periodInDays,
      NextRotationDate: new WireTime(automatic.nextDate),
    };
  }),

  operation("RotateKeyOnDemand", { KeyId: keyIdRule }, (call, input) => {
    // For keys with imported material the service checks the state first, in this operation only.
    const named = call.key(input.KeyId, { state: "enabled" });
    if (named.origin === "EXTERNAL" && named.material) return rotateImported(call, named, named.material);
    const { key, material } = rotatingKey(call, input.KeyId);
    const onDemand = material.rotations.filter(({ rotation }) => rotation.type === "ON_DEMAND");
    if (onDemand.length >= maxOnDemandRotations) {
      throw new AwsError(
        "LimitExceededException",
        `The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: ${key.arn}`,
      );
    }
    call.state.rotate(key, "ON_DEMAND");
    return { KeyId: key.arn };
  }),

  operation(
    "ListKeyRotations",
    {
      KeyId: keyIdRule,
      IncludeKeyMaterial: { type: "string", values: ["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"] },
      Limit: limitRule,
      Marker: markerRule,
    },
    (call, input) => {
      const key = call.key(input.KeyId);
      const material = key.origin === "EXTERNAL" ? (key.material ?? materialOf(key)) : materialOf(key);
      const listed = input.IncludeKeyMaterial === "ALL_KEY_MATERIAL" ? material.versions : material.rotations;
      return page("Rotations", numbered(listed), input, {
        id: ({ number }) => number,
        show: ({ item }) =>
          defined({
            KeyId: key.arn,
            KeyMaterialId: item.id,
            KeyMaterialState: stateOf(item, material),
            ...importFacts(item),
            RotationDate: item.rotation && new WireTime(item.rotation.date),
            RotationType: item.rotation?.type,
          }),
      });
    },
  ),
];

function stateOf(item: KeyMaterial, material: KeyMaterialHistory): string {
  if (item.imported?.pendingRotation) return "PENDING_ROTATION";
  return item === material.current ? "CURRENT" : "NON_CURRENT";
}

/** What a list says of imported material only. */
function importFacts({ imported, secret }: KeyMaterial): Record<string, unknown> {
  if (!imported) return {};
  const { validTo, description } = imported;
  return defined({
    ImportState: secret ? "IMPORTED" : "PENDING_IMPORT",
    KeyMaterialDescription: description,
    ExpirationModel: validTo === undefined ? "KEY_MATERIAL_DOES_NOT_EXPIRE" : "KEY_MATERIAL_EXPIRES",
    ValidTo: validTo === undefined ? undefined : new WireTime(validTo),
  });
}

/** Rotates to the material that was imported for it. */
function rotateImported(call: KmsCall, key: KmsKey, material: KeyMaterialHistory): object {
  if (key.multiRegion)
    throw unsupported("The in-memory KMS does not rotate multi-Region keys with imported key material.");
  if (!material.pending?.secret)
    throw invalidState(`No available key material pending rotation for the key: ${key.arn}.`);
  material.rotateToPending(call.state.now);
  return { KeyId: key.arn };
}

/** Items with ids for paging, which sort as the list does. */
const numbered = <T>(items: readonly T[]) =>
  items.map((item, index) => ({ item, number: String(index).padStart(6, "0") }));

/** A key whose rotation can be changed. Replicas rotate with their primary. */
function rotatingKey(
  call: KmsCall,
  keyId: string,
  conditionKeys?: Record<string, string>,
): { key: KmsKey; material: KeyMaterialHistory } {
  const key = call.key(keyId, { conditionKeys });
  if (key.origin !== "AWS_KMS") materialOf(key);
  key.requireState("enabled");
  const material = materialOf(key);
  if (key.multiRegion === "REPLICA") throw unsupported(`${key.arn} is not a multi-region primary key.`);
  return { key, material };
}

function materialOf(key: KmsKey): KeyMaterialHistory {
  if (key.origin !== "AWS_KMS") throw wrongOrigin(key);
  // For asymmetric and HMAC keys the service sends no text.
  if (!key.material) throw new AwsError("UnsupportedOperationException");
  return key.material;
}
