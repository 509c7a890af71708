import { createHash, createPrivateKey, createSecretKey, type KeyObject } from "node:crypto";
import { AwsError, invalidState, validation } from "./aws-error.js";
import type { KmsKey } from "./key.js";
import type { KeyMaterial, KeyMaterialHistory } from "./key-material.js";
import { hmacLengths, KeySecret } from "./key-secret.js";
import type { KeySpec } from "./key-specs.js";

/** What an import says about its material. */
export interface ImportRequest {
  readonly bytes: Buffer;
  /** In ms since the Unix epoch. Absent for material that does not expire. */
  readonly validTo: number | undefined;
  readonly type: "NEW_KEY_MATERIAL" | "EXISTING_KEY_MATERIAL" | undefined;
  readonly description: string | undefined;
  readonly materialId: string | undefined;
}

const incorrectKeyMaterial = () => new AwsError("IncorrectKeyMaterialException");

/**
 * Imports material into a key, and returns the material's id, if the key is symmetric.
 * @param primary - of a replica, whose material it must be
 */
export function importMaterial(key: KmsKey, request: ImportRequest, primary: KmsKey | undefined): string | undefined {
  const { material } = key;
  if (!material) {
    importSecret(key, request);
    return undefined;
  }
  const version = importVersion(key, material, request, primary);
  version.secret = createSecretKey(request.bytes);
  version.imported = {
    validTo: request.validTo,
    description: request.description ?? version.imported?.description,
    pendingRotation: version.imported?.pendingRotation ?? false,
  };
  return version.id;
}

/** Finds or makes the version of a symmetric key that material is for. @throws AwsError for material of none */
function importVersion(
  key: KmsKey,
  material: KeyMaterialHistory,
  { bytes, type, materialId }: ImportRequest,
  primary: KmsKey | undefined,
): KeyMaterial {
  if (bytes.length !== 32) throw incorrectKeyMaterial();
  const id = createHash("sha256").update(`imported\n${key.accountId}\n${key.keyId}\n`).update(bytes).digest("hex");
  const asNew = (type ?? (material.versions.length === 0 ? "NEW_KEY_MATERIAL" : "")) === "NEW_KEY_MATERIAL";
  if (asNew && materialId !== undefined)
    throw validation("KeyMaterialId cannot be specified with ImportType NEW_KEY_MATERIAL.");
  if (materialId !== undefined && materialId !== id) throw incorrectKeyMaterial();
  if (primary && !primary.material?.find(id)) throw incorrectKeyMaterial();
  const known = material.find(id);
  if (known && (!asNew || known.imported?.pendingRotation)) return known;
  if (known || (!asNew && !primary)) throw incorrectKeyMaterial();
  const pending = material.pending;
  if (pending) {
    throw invalidState(
      `New key material (id: ${id}) cannot be imported into KMS key ${key.arn}, because another key material (id: ${pending.id}) is pending rotation.`,
    );
  }
  return material.add(id);
}

function importSecret(key: KmsKey, { bytes, validTo }: ImportRequest): void {
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (key.importedDigest !== undefined && key.importedDigest !== digest) throw incorrectKeyMaterial();
  key.secret = new KeySecret(key.spec, key.region, secretOf(key.spec, bytes));
  key.importedDigest = digest;
  key.secretValidTo = validTo;
}

function secretOf(spec: KeySpec, bytes: Buffer): KeyObject {
  if (spec.startsWith("HMAC_")) {
    if (bytes.length !== hmacLengths[spec]) throw incorrectKeyMaterial();
    return createSecretKey(bytes);
  }
  const key = privateKeyOf(bytes);
  if (!key || kindOf(key) !== wantedKinds[spec]) throw incorrectKeyMaterial();
  return key;
}

function privateKeyOf(bytes: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey({ key: bytes, format: "der", type: "pkcs8" });
  } catch {
    return undefined;
  }
}

const kindOf = ({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string =>
  [type, details?.modulusLength ?? details?.namedCurve].join(" ").trim();

const wantedKinds: Partial<Record<KeySpec, string>> = {
  RSA_2048: "rsa 2048",
  RSA_3072: "rsa 3072",
  RSA_4096: "rsa 4096",
  ECC_NIST_P256: "ec prime256v1",
  ECC_NIST_P384: "ec secp384r1",
  ECC_NIST_P521: "ec secp521r1",
  ECC_SECG_P256K1: "ec secp256k1",
  ECC_NIST_EDWARDS25519: "ed25519",
};
