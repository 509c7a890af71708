import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import type { Alias } from "./alias.js";
import { aliasArn } from "./arn.js";
import { grantFrom, type KmsGrantSnapshot } from "./grant-snapshot.js";
import type { CustomKeyStore } from "./custom-key-store.js";
import { keyOrigins, KmsKey } from "./key.js";
import { keyStoreFrom, keyStoreJson, type KmsKeyStoreSnapshot } from "./key-store-snapshot.js";
import { keySpecs, usagesOf, type KeySpec, type KeyUsage } from "./key-specs.js";
import { trackedOperations, type LastUsage } from "./last-usage.js";
import { materialFrom, materialJson, type KmsMaterialSnapshot, type SharedMaterial } from "./material-snapshot.js";
import { readPolicy } from "./policy/read-policy.js";
import { count, flag, listOf, oneOf, optional, pattern, text, textMap } from "./snapshot-fields.js";

/**
 * Keys and aliases of an in-memory KMS at one moment, as plain JSON: `JSON.stringify`, a file, `JSON.parse` and `restore` give
 * back what there was, also in later versions. It holds the key material in the clear.
 */
export interface KmsSnapshot {
  readonly format: "in-memory-kms-snapshot";
  /** Of this form. Grows with what older versions could not read. */
  readonly version: 1;
  readonly keys: readonly KmsKeySnapshot[];
  readonly aliases: readonly KmsAliasSnapshot[];
  /** Absent where there are none. */
  readonly keyStores?: readonly KmsKeyStoreSnapshot[];
}

/** A key in one Region. Times are in ms since the Unix epoch. */
export interface KmsKeySnapshot {
  readonly keyId: string;
  readonly accountId: string;
  readonly region: string;
  readonly createdAt: number;
  readonly spec: KeySpec;
  readonly usage: KeyUsage;
  readonly origin: "AWS_KMS" | "EXTERNAL" | "AWS_CLOUDHSM" | "EXTERNAL_KEY_STORE";
  /** Id of the custom key store that it is in. */
  readonly keyStoreId?: string;
  /** Id of the external key of one in an external key store. */
  readonly xksKeyId?: string;
  readonly multiRegion?: "PRIMARY" | "REPLICA";
  readonly description: string;
  readonly policy: string;
  readonly enabled: boolean;
  /** Without a date while replicas are left. */
  readonly deletion?: { readonly windowInDays: number; readonly date?: number };
  readonly tags: Readonly<Record<string, string>>;
  /** Absent for customer managed keys. */
  readonly manager?: "AWS";
  /** Absent for a key that was never used for cryptography. */
  readonly lastUsage?: LastUsage;
  readonly grants: readonly KmsGrantSnapshot[];
  /** Absent for keys without material. */
  readonly material?: KmsMaterialSnapshot;
}

export interface KmsAliasSnapshot {
  /** With its `alias/`. */
  readonly name: string;
  readonly accountId: string;
  readonly region: string;
  readonly keyId: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

const format = "in-memory-kms-snapshot";
const version = 1;

/** What a snapshot is of. */
interface Contents {
  readonly keys: Iterable<KmsKey>;
  readonly aliases: Iterable<Alias>;
  readonly keyStores: readonly CustomKeyStore[];
}

export function snapshotOf({ keys, aliases, keyStores }: Contents): KmsSnapshot {
  const owners = new Map<SharedMaterial, string>();
  return defined({
    format,
    version,
    keys: [...keys].map((key) => keyJson(key, owners)),
    aliases: [...aliases].map(({ arn: _, ...alias }) => alias),
    keyStores: keyStores.length > 0 ? keyStores.map(keyStoreJson) : undefined,
  } as const);
}

function keyJson(key: KmsKey, owners: Map<SharedMaterial, string>): KmsKeySnapshot {
  const { keyId, accountId, region, createdAt, spec, usage, origin, multiRegion, description, policy, enabled } = key;
  return defined({
    keyStoreId: key.keyStore?.id,
    xksKeyId: key.xksKeyId,
    manager: key.manager === "AWS" ? key.manager : undefined,
    lastUsage: key.lastUsage,
    ...{ keyId, accountId, region, createdAt, spec, usage, origin, multiRegion, description, policy, enabled },
    deletion: key.deletion && { ...key.deletion },
    tags: Object.fromEntries(key.tags),
    grants: [...key.grants.values()],
    material: materialJson(key, owners),
  });
}

/** @throws InvalidInputError naming the field, for what is no snapshot of a version that this one reads */
export function contentsOf(given: unknown): Contents {
  if (typeof given !== "object" || given === null || (given as Partial<KmsSnapshot>).format !== format)
    throw new InvalidInputError("snapshot", "must be what snapshot() of an in-memory KMS gave");
  const read = (given as { version?: unknown }).version;
  if (read !== version)
    throw new InvalidInputError("snapshot.version", `must be ${version}, the version that is read here`, read);
  const all = { format: true, version: true, keys: true, aliases: true, keyStores: true } as const;
  const snapshot = knownOptions(given as KmsSnapshot, all, "snapshot");
  const owners = new Map<string, SharedMaterial>();
  const keyStores =
    optional(snapshot.keyStores, (list) =>
      listOf(list, "snapshot.keyStores", (store, path) => keyStoreFrom(store, path, placeFrom)),
    ) ?? [];
  const keys = listOf(snapshot.keys, "snapshot.keys", (key, path) =>
    keyFrom(key as KmsKeySnapshot, path, owners, keyStores),
  );
  return { keys, keyStores, aliases: listOf(snapshot.aliases, "snapshot.aliases", aliasFrom) };
}

const keyFields = {
  keyId: true,
  accountId: true,
  region: true,
  createdAt: true,
  spec: true,
  usage: true,
  origin: true,
  keyStoreId: true,
  xksKeyId: true,
  manager: true,
  lastUsage: true,
  multiRegion: true,
  description: true,
  policy: true,
  enabled: true,
  deletion: true,
  tags: true,
  grants: true,
  material: true,
} as const;

export const keyIdForm = /^(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
const accountForm = /^\d{12}$/;
const regionForm = /^[a-z]+(?:-[a-z]+)+-\d+$/;

function placeFrom({ accountId, region }: { accountId: unknown; region: unknown }, path: string) {
  return {
    accountId: pattern(accountId, accountForm, `${path}.accountId`),
    region: pattern(region, regionForm, `${path}.region`),
  };
}

/** The custom key store of a key, which its origin says it has. */
function keyStoreOf(
  { origin, keyStoreId }: KmsKeySnapshot,
  path: string,
  keyStores: readonly CustomKeyStore[],
): CustomKeyStore | undefined {
  if (keyStoreId === undefined && (origin === "AWS_KMS" || origin === "EXTERNAL")) return undefined;
  const store = keyStores.find(({ id, type }) => id === keyStoreId && type === origin);
  if (!store) throw new InvalidInputError(`${path}.keyStoreId`, "must name a custom key store of the key's origin");
  return store;
}

function keyFrom(
  given: KmsKeySnapshot,
  path: string,
  owners: Map<string, SharedMaterial>,
  keyStores: readonly CustomKeyStore[],
): KmsKey {
  const json = knownOptions(given, keyFields, path);
  const at = (name: string) => `${path}.${name}`;
  const spec = oneOf(json.spec, keySpecs, at("spec"));
  const place = {
    keyId: pattern(json.keyId, keyIdForm, at("keyId")),
    ...placeFrom(json, path),
  };
  const key = new KmsKey(
    defined({
      ...place,
      spec,
      createdAt: count(json.createdAt, at("createdAt")),
      usage: oneOf(json.usage, usagesOf(spec), at("usage")),
      origin: oneOf(json.origin, keyOrigins, at("origin")),
      keyStore: keyStoreOf(json, path, keyStores),
      manager: optional(json.manager, (value) => oneOf(value, ["AWS"] as const, at("manager"))),
      lastUsage: optional(json.lastUsage, (value) => lastUsageFrom(value, at("lastUsage"))),
      xksKeyId: optional(json.xksKeyId, (id) => text(id, at("xksKeyId"))),
      multiRegion: optional(json.multiRegion, (value) =>
        oneOf(value, ["PRIMARY", "REPLICA"] as const, at("multiRegion")),
      ),
      description: text(json.description, at("description")),
      policy: policy(json.policy, at("policy")),
      tags: Object.entries(textMap(json.tags, at("tags"))),
      ...materialFrom(json.material, { ...place, spec }, at("material"), owners),
    }),
  );
  key.enabled = flag(json.enabled, at("enabled"));
  key.deletion = optional(json.deletion, (value) => deletionFrom(value, at("deletion")));
  for (const grant of listOf(json.grants, at("grants"), grantFrom)) key.grants.set(grant.id, grant);
  return key;
}

function policy(given: unknown, path: string): string {
  const checked = text(given, path);
  try {
    readPolicy(checked, "key");
  } catch (error) {
    throw new InvalidInputError(path, `must be a key policy: ${(error as Error).message}`);
  }
  return checked;
}

function lastUsageFrom(given: unknown, path: string): LastUsage {
  const fields = { operation: true, at: true, requestId: true, eventId: true } as const;
  const json = knownOptions(given as LastUsage, fields, path);
  return {
    operation: oneOf(json.operation, trackedOperations, `${path}.operation`),
    at: count(json.at, `${path}.at`),
    requestId: text(json.requestId, `${path}.requestId`),
    eventId: text(json.eventId, `${path}.eventId`),
  };
}

function deletionFrom(given: unknown, path: string): { windowInDays: number; date?: number } {
  const { windowInDays, date } = knownOptions(
    given as { windowInDays: number; date?: number },
    { windowInDays: true, date: true },
    path,
  );
  return defined({
    windowInDays: count(windowInDays, `${path}.windowInDays`),
    date: optional(date, (value) => count(value, `${path}.date`)),
  });
}

function aliasFrom(given: unknown, path: string): Alias {
  const fields = { name: true, accountId: true, region: true, keyId: true, createdAt: true, updatedAt: true } as const;
  const json = knownOptions(given as KmsAliasSnapshot, fields, path);
  const name = pattern(json.name, /^alias\/./, `${path}.name`);
  const { accountId, region } = placeFrom(json, path);
  return {
    arn: aliasArn(region, accountId, name),
    name,
    accountId,
    region,
    keyId: pattern(json.keyId, keyIdForm, `${path}.keyId`),
    createdAt: count(json.createdAt, `${path}.createdAt`),
    updatedAt: count(json.updatedAt, `${path}.updatedAt`),
  };
}
