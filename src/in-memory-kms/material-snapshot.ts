import { createHash, createSecretKey } from "node:crypto";
import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import { keyArn } from "./arn.js";
import { KeyMaterialHistory, type KeyMaterial } from "./key-material.js";
import { KeySecret } from "./key-secret.js";
import type { KmsKey, KmsKeyInit } from "./key.js";
import type { KeySpec } from "./key-specs.js";
import { count, flag, listOf, oneOf, optional, pattern, secretBytes, text } from "./snapshot-fields.js";

/** Key material as JSON, which says by its kind what else it has. */
export type KmsMaterialSnapshot =
  /** The versions of a symmetric key, oldest first. */
  | {
      readonly kind: "symmetric";
      readonly versions: readonly KmsMaterialVersion[];
      /** Automatic rotation, while it is enabled. */
      readonly automatic?: { readonly periodInDays: number; readonly nextDate: number };
    }
  /** Of an asymmetric or HMAC key. */
  | {
      readonly kind: "secret";
      /** PKCS#8 DER, or the bytes, in base64. Absent for a pair that nobody has needed yet, or that was withdrawn. */
      readonly bytes?: string;
      /** Of an imported secret: its SHA-256, in hexadecimal. */
      readonly digest?: string;
      /** Of an imported secret that expires, in ms since the Unix epoch. */
      readonly validTo?: number;
    }
  /** The same as another key's: the replicas of a multi-Region key. */
  | { readonly kind: "shared"; readonly with: string };

export interface KmsMaterialVersion {
  /** 64 hexadecimal digits, as `KeyMaterialId` shows it. */
  readonly id: string;
  /** 32 bytes, base64. Absent for imported material that was withdrawn. */
  readonly secret?: string;
  /** How it became current. Absent for the first. */
  readonly rotation?: { readonly date: number; readonly type: "AUTOMATIC" | "ON_DEMAND" };
  /** Of imported material. */
  readonly imported?: { readonly validTo?: number; readonly description?: string; readonly pendingRotation: boolean };
}

/** What several keys may share: the replicas of a multi-Region key. */
export type SharedMaterial = KeyMaterialHistory | KeySecret;

/** @param owners - whose material has been written already, by key ARN */
export function materialJson(
  { material, secret, importedDigest: digest, secretValidTo: validTo, arn }: KmsKey,
  owners: Map<SharedMaterial, string>,
): KmsMaterialSnapshot | undefined {
  const own = material ?? secret;
  if (material?.versions.length === 0) return undefined;
  if (!own) return digest === undefined ? undefined : defined({ kind: "secret" as const, digest, validTo });
  const owner = owners.get(own);
  if (owner !== undefined) return { kind: "shared", with: owner };
  owners.set(own, arn);
  return own instanceof KeySecret
    ? defined({ kind: "secret" as const, bytes: own.exported()?.toString("base64"), digest, validTo })
    : historyJson(own);
}

function historyJson(material: KeyMaterialHistory): KmsMaterialSnapshot {
  return defined({
    kind: "symmetric" as const,
    versions: material.versions.map(({ id, secret, rotation, imported }) =>
      defined({
        id,
        secret: secret?.export().toString("base64"),
        rotation: rotation && { ...rotation },
        imported: imported && defined({ ...imported }),
      }),
    ),
    automatic: material.automatic && { ...material.automatic },
  });
}

interface Owner {
  readonly keyId: string;
  readonly accountId: string;
  readonly region: string;
  readonly spec: KeySpec;
}

/** What a key is made with. @param owners - material that has been read already, by key ARN */
export function materialFrom(
  given: unknown,
  key: Owner,
  path: string,
  owners: Map<string, SharedMaterial>,
): Pick<KmsKeyInit, "material" | "secret" | "importedDigest" | "secretValidTo"> {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null) throw new InvalidInputError(path, "must be an object");
  const kinds = ["symmetric", "secret", "shared"] as const;
  const kind = oneOf("kind" in given ? given.kind : undefined, kinds, `${path}.kind`);
  const facts = kind === "secret" ? importedSecret(given, path) : {};
  // An imported secret that is gone is not made anew.
  if (facts.importedDigest !== undefined && !("bytes" in given)) return facts;
  const own = kind === "shared" ? sharedWith(given, path, owners) : ownMaterial[kind](given, key, path);
  if ((key.spec === "SYMMETRIC_DEFAULT") !== own instanceof KeyMaterialHistory)
    throw new InvalidInputError(path, `is not of a key of spec ${key.spec}`);
  if (kind !== "shared") owners.set(keyArn(key.region, key.accountId, key.keyId), own);
  return own instanceof KeySecret ? { secret: own, ...facts } : { material: own };
}

const secretFields = { kind: true, bytes: true, digest: true, validTo: true } as const;
type SecretSnapshot = Extract<KmsMaterialSnapshot, { kind: "secret" }>;

function importedSecret(given: object, path: string): Pick<KmsKeyInit, "importedDigest" | "secretValidTo"> {
  const { digest, validTo } = knownOptions(given as SecretSnapshot, secretFields, path);
  return defined({
    importedDigest: optional(digest, (value) => pattern(value, /^[0-9a-f]{64}$/, `${path}.digest`)),
    secretValidTo: optional(validTo, (value) => count(value, `${path}.validTo`)),
  });
}

function sharedWith(given: object, path: string, owners: Map<string, SharedMaterial>): SharedMaterial {
  const shared = knownOptions(given as { kind: "shared"; with: string }, { kind: true, with: true }, path);
  const own = owners.get(text(shared.with, `${path}.with`));
  if (!own) throw new InvalidInputError(`${path}.with`, "must name a key that stands before this one");
  return own;
}

const ownMaterial = {
  symmetric: (given: object, _key: Owner, path: string): KeyMaterialHistory => {
    const fields = { kind: true, versions: true, automatic: true } as const;
    const json = knownOptions(given as Extract<KmsMaterialSnapshot, { kind: "symmetric" }>, fields, path);
    const versions = listOf(json.versions, `${path}.versions`, versionFrom);
    if (versions.length === 0) throw new InvalidInputError(`${path}.versions`, "must have at least 1 entry");
    const material = new KeyMaterialHistory(versions);
    material.automatic = optional(json.automatic, (value) => automaticFrom(value, `${path}.automatic`));
    return material;
  },
  secret: (given: object, { spec, region }: Owner, path: string): KeySecret => {
    const { bytes } = knownOptions(given as SecretSnapshot, secretFields, path);
    const secret = optional(bytes, (value) => secretBytes(value, `${path}.bytes`));
    try {
      return KeySecret.imported(spec, region, secret);
    } catch {
      throw new InvalidInputError(`${path}.bytes`, "must be a private key, as PKCS#8");
    }
  },
};

function automaticFrom(given: unknown, path: string): { periodInDays: number; nextDate: number } {
  const fields = { periodInDays: true, nextDate: true } as const;
  const { periodInDays, nextDate } = knownOptions(given as { periodInDays: number; nextDate: number }, fields, path);
  const days = count(periodInDays, `${path}.periodInDays`);
  if (days < 1) throw new InvalidInputError(`${path}.periodInDays`, "must be at least 1"); // or rotation never ends
  return { periodInDays: days, nextDate: count(nextDate, `${path}.nextDate`) };
}

function versionFrom(given: unknown, path: string): KeyMaterial {
  const json = knownOptions(
    given as KmsMaterialVersion,
    { id: true, secret: true, rotation: true, imported: true },
    path,
  );
  const rotation = optional(json.rotation, (value) => {
    const { date, type } = knownOptions(
      value as NonNullable<KmsMaterialVersion["rotation"]>,
      { date: true, type: true },
      `${path}.rotation`,
    );
    return {
      date: count(date, `${path}.rotation.date`),
      type: oneOf(type, ["AUTOMATIC", "ON_DEMAND"] as const, `${path}.rotation.type`),
    };
  });
  const id = pattern(json.id, /^[0-9a-f]{64}$/, `${path}.id`);
  const imported = optional(json.imported, (value) => importedFrom(value, `${path}.imported`));
  const withdrawn = imported !== undefined && json.secret === undefined;
  const secret = withdrawn ? undefined : createSecretKey(secretOf(json.secret, `${path}.secret`));
  return defined({ id, secret, rotation, imported });
}

function importedFrom(given: unknown, path: string): NonNullable<KeyMaterial["imported"]> {
  const fields = { validTo: true, description: true, pendingRotation: true } as const;
  const json = knownOptions(given as NonNullable<KmsMaterialVersion["imported"]>, fields, path);
  return {
    validTo: optional(json.validTo, (value) => count(value, `${path}.validTo`)),
    description: optional(json.description, (value) => text(value, `${path}.description`)),
    pendingRotation: flag(json.pendingRotation, `${path}.pendingRotation`),
  };
}

/** Bytes of symmetric material. */
function secretOf(value: unknown, path: string): Buffer {
  const bytes = secretBytes(value, path);
  if (bytes.length !== 32) throw new InvalidInputError(path, "must be 32 bytes");
  return bytes;
}

/**
 * Material that was given, oldest first. Its ids follow from it and from the key, so that every in-memory KMS with this key
 * opens the others' ciphertexts.
 */
export function givenMaterial(
  secrets: readonly string[],
  key: Pick<Owner, "accountId" | "keyId">,
  path: string,
  now: number,
): KeyMaterialHistory {
  if (secrets.length === 0) throw new InvalidInputError(path, "must have at least 1 entry");
  const versions = secrets.map((secret, index): KeyMaterial => {
    const bytes = secretOf(secret, secrets.length === 1 ? path : `${path}[${index}]`);
    const hash = createHash("sha256").update(`in-memory KMS\n${key.accountId}\n${key.keyId}\n${index}\n`).update(bytes);
    const rotation = index === 0 ? undefined : { date: now, type: "ON_DEMAND" as const };
    return defined({ id: hash.digest("hex"), secret: createSecretKey(bytes), rotation });
  });
  return new KeyMaterialHistory(versions);
}
