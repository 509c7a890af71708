import { defined } from "../util/defined.js";
import type { KmsKey } from "./key.js";
import type { KmsState } from "./state.js";
import { WireTime } from "./wire.js";

/** `KeyMetadata` in the answers of DescribeKey, CreateKey and ReplicateKey. */
export function keyMetadata(key: KmsKey, state: KmsState): Record<string, unknown> {
  const { deletion } = key;
  return defined({
    AWSAccountId: key.accountId,
    KeyId: key.keyId,
    Arn: key.arn,
    CreationDate: new WireTime(key.createdAt),
    Enabled: key.state === "Enabled",
    Description: key.description,
    KeyUsage: key.usage,
    KeyState: key.state,
    DeletionDate: deletion?.date === undefined ? undefined : new WireTime(deletion.date),
    PendingDeletionWindowInDays: deletion?.date === undefined ? deletion?.windowInDays : undefined,
    Origin: key.origin,
    ...keyStoreFacts(key),
    KeyManager: key.manager,
    CustomerMasterKeySpec: key.spec,
    KeySpec: key.spec,
    ...key.algorithms,
    MultiRegion: key.multiRegion !== undefined,
    MultiRegionConfiguration: key.multiRegion && multiRegionConfiguration(key, state),
    CurrentKeyMaterialId: showsMaterial(key) ? key.material?.current.id : undefined,
    ...expiry(key),
  });
}

const showsMaterial = ({ keyStore, material }: KmsKey) => !keyStore && (material?.versions.length ?? 0) > 0;

/** Of a key in a custom key store. */
function keyStoreFacts({ keyStore, xksKeyId }: KmsKey): Record<string, unknown> {
  if (!keyStore) return {};
  return defined({
    CustomKeyStoreId: keyStore.id,
    CloudHsmClusterId: keyStore.settings.type === "AWS_CLOUDHSM" ? keyStore.settings.clusterId : undefined,
    XksKeyConfiguration: xksKeyId === undefined ? undefined : { Id: xksKeyId },
  });
}

/** Of imported material, while it is there. */
function expiry(key: KmsKey): Record<string, unknown> {
  if (key.origin !== "EXTERNAL" || !key.hasMaterial) return {};
  const validTo = key.material ? key.material.current.imported?.validTo : key.secretValidTo;
  if (validTo === undefined) return { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" };
  return { ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo: new WireTime(validTo) };
}

function multiRegionConfiguration(key: KmsKey, state: KmsState): object {
  const family = state.family(key);
  const entry = ({ arn, region }: KmsKey) => ({ Arn: arn, Region: region });
  const primary = family.find((member) => member.multiRegion === "PRIMARY") ?? key;
  return {
    MultiRegionKeyType: key.multiRegion,
    PrimaryKey: entry(primary),
    ReplicaKeys: family.filter((member) => member !== primary).map(entry),
  };
}
