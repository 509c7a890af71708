import { createPrivateKey, randomBytes } from "node:crypto";
import { defined } from "../../util/defined.js";
import { AwsError, invalidState, notFound, validation, wrongOrigin } from "../aws-error.js";
import type { KmsCall } from "../call.js";
import { requireWrapping, unwrapMaterial, wrappingAlgorithms, wrappingKeySpecs } from "../import-wrapping.js";
import { importMaterial } from "../imported-material.js";
import type { KmsKey } from "../key.js";
import { keyIdRule, operation } from "../operation.js";
import { WireTime } from "../wire.js";

const millisecondsPerDay = 86_400_000;
const materialIdRule = { type: "string", min: 64, max: 64, pattern: "^[a-f0-9]+$" } as const;

export const importOperations = [
  operation(
    "GetParametersForImport",
    {
      KeyId: keyIdRule,
      WrappingAlgorithm: { type: "string", required: true, values: wrappingAlgorithms },
      WrappingKeySpec: { type: "string", required: true, values: wrappingKeySpecs },
    },
    async (call, input) => {
      const conditionKeys = {
        "kms:WrappingAlgorithm": input.WrappingAlgorithm,
        "kms:WrappingKeySpec": input.WrappingKeySpec,
      };
      const key = externalKey(call, input.KeyId, conditionKeys);
      requireNotPendingDeletion(key);
      requireWrapping(input.WrappingAlgorithm, input.WrappingKeySpec);
      const pair = await call.state.dataKeyPairs.make(input.WrappingKeySpec, call.region);
      const token = randomBytes(64);
      const validTo = call.state.now + millisecondsPerDay;
      call.state.importTokens.set(token.toString("hex"), {
        keyArn: key.arn,
        algorithm: input.WrappingAlgorithm,
        privateKey: createPrivateKey({ key: pair.privateKey, format: "der", type: "pkcs8" }),
        validTo,
      });
      return {
        KeyId: key.arn,
        ImportToken: token,
        PublicKey: pair.publicKey,
        ParametersValidTo: new WireTime(validTo),
      };
    },
  ),

  operation(
    "ImportKeyMaterial",
    {
      KeyId: keyIdRule,
      ImportToken: { type: "blob", required: true, min: 1, max: 6144 },
      EncryptedKeyMaterial: { type: "blob", required: true, min: 1, max: 6144 },
      ValidTo: { type: "timestamp" },
      ExpirationModel: { type: "string", values: ["KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"] },
      ImportType: { type: "string", values: ["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"] },
      KeyMaterialDescription: { type: "string", max: 256 },
      KeyMaterialId: materialIdRule,
    },
    (call, input) => {
      const { ExpirationModel: model = "KEY_MATERIAL_EXPIRES", ValidTo: validTo } = input;
      const key = externalKey(call, input.KeyId, {
        "kms:ExpirationModel": model,
        "kms:ValidTo": validTo === undefined ? undefined : new Date(validTo).toISOString(),
      });
      requireNotPendingDeletion(key);
      requireExpiry(model, validTo, call.state.now);
      requireForSymmetricOnly(key, input);
      const bytes = unwrapped(call, key, input);
      const request = {
        bytes,
        validTo,
        type: input.ImportType,
        description: input.KeyMaterialDescription,
        materialId: input.KeyMaterialId,
      };
      const first = key.state === "PendingImport" && !key.hasImported;
      const primary = key.multiRegion === "REPLICA" ? primaryOf(call, key) : undefined;
      const materialId = importMaterial(key, request, primary);
      if (first) key.enabled = true;
      // So that the state knows whose the material is.
      call.state.putKey(key);
      return { KeyId: key.arn, ...defined({ KeyMaterialId: materialId }) };
    },
  ),

  operation("DeleteImportedKeyMaterial", { KeyId: keyIdRule, KeyMaterialId: materialIdRule }, (call, input) => {
    const key = externalKey(call, input.KeyId);
    const { material } = key;
    if (!material) {
      key.secret = undefined;
      return { KeyId: key.arn };
    }
    const id = input.KeyMaterialId ?? material.versions.findLast(({ imported }) => !imported?.pendingRotation)?.id;
    if (input.KeyMaterialId !== undefined && !material.find(input.KeyMaterialId))
      throw notFound.keyMaterial(input.KeyMaterialId);
    if (id !== undefined) material.withdraw(id);
    return { KeyId: key.arn, ...defined({ KeyMaterialId: id }) };
  }),
];

function externalKey(call: KmsCall, keyId: string, conditionKeys?: Record<string, string | undefined>): KmsKey {
  const key = call.key(keyId, { conditionKeys });
  if (key.origin !== "EXTERNAL") throw wrongOrigin(key);
  return key;
}

function requireNotPendingDeletion(key: KmsKey): void {
  if (key.deletion) throw invalidState(`${key.arn} is pending deletion.`);
}

const longestValidity = 365 * millisecondsPerDay;

function requireExpiry(model: string, validTo: number | undefined, now: number): void {
  if (model === "KEY_MATERIAL_DOES_NOT_EXPIRE") {
    if (validTo !== undefined)
      throw validation("A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE");
    return;
  }
  if (validTo === undefined)
    throw validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES");
  if (validTo <= now || validTo > now + longestValidity)
    throw validation("The validTo date must be in the future, and at most 365 days from now.");
}

function requireForSymmetricOnly(key: KmsKey, input: object): void {
  const only = ["ImportType", "KeyMaterialDescription", "KeyMaterialId"].find((name) => name in input);
  if (only !== undefined && !key.isSymmetric) throw validation(`${only} is not valid for key spec ${key.spec}.`);
}

function unwrapped(
  call: KmsCall,
  key: KmsKey,
  input: { ImportToken: Uint8Array; EncryptedKeyMaterial: Uint8Array },
): Buffer {
  const parameters = call.state.importTokens.get(Buffer.from(input.ImportToken).toString("hex"));
  if (parameters?.keyArn !== key.arn) throw new AwsError("InvalidImportTokenException");
  if (parameters.validTo <= call.state.now) throw new AwsError("ExpiredImportTokenException");
  return unwrapMaterial(parameters.algorithm, parameters.privateKey, input.EncryptedKeyMaterial);
}

function primaryOf(call: KmsCall, replica: KmsKey): KmsKey | undefined {
  return call.state.family(replica).find(({ multiRegion }) => multiRegion === "PRIMARY");
}
