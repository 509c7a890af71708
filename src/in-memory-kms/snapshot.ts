import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import type { Alias } from "./alias.js";
import { aliasArn } from "./arn.js";
import { grantOperations, type Grant } from "./grant.js";
import { KmsKey } from "./key.js";
import { keySpecs, usagesOf, type KeySpec, type KeyUsage } from "./key-specs.js";
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
}

/** A key in one Region. Times are in ms since the Unix epoch. */
export interface KmsKeySnapshot {
  readonly keyId: string;
  readonly accountId: string;
  readonly region: string;
  readonly createdAt: number;
  readonly spec: KeySpec;
  readonly usage: KeyUsage;
  readonly origin: "AWS_KMS" | "EXTERNAL";
  readonly multiRegion?: "PRIMARY" | "REPLICA";
  readonly description: string;
  readonly policy: string;
  readonly enabled: boolean;
  /** Without a date while replicas are left. */
  readonly deletion?: { readonly windowInDays: number; readonly date?: number };
  readonly tags: Readonly<Record<string, string>>;
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

export interface KmsGrantSnapshot {
  readonly id: string;
  readonly tokens: readonly string[];
  readonly name?: string;
  readonly createdAt: number;
  readonly granteePrincipal: string;
  readonly retiringPrincipal?: string;
  readonly issuingAccount: string;
  readonly operations: readonly string[];
  readonly constraints?: {
    readonly subset?: Readonly<Record<string, string>>;
    readonly equals?: Readonly<Record<string, string>>;
  };
}

const format = "in-memory-kms-snapshot";
const version = 1;

export function snapshotOf(keys: Iterable<KmsKey>, aliases: Iterable<Alias>): KmsSnapshot {
  const owners = new Map<SharedMaterial, string>();
  return {
    format,
    version,
    keys: [...keys].map((key) => keyJson(key, owners)),
    aliases: [...aliases].map(({ arn: _, ...alias }) => alias),
  };
}

function keyJson(key: KmsKey, owners: Map<SharedMaterial, string>): KmsKeySnapshot {
  const { keyId, accountId, region, createdAt, spec, usage, origin, multiRegion, description, policy, enabled } = key;
  return defined({
    ...{ keyId, accountId, region, createdAt, spec, usage, origin, multiRegion, description, policy, enabled },
    deletion: key.deletion && { ...key.deletion },
    tags: Object.fromEntries(key.tags),
    grants: [...key.grants.values()],
    material: materialJson(key, owners),
  });
}

/** @throws InvalidInputError naming the field, for what is no snapshot of a version that this one reads */
export function contentsOf(given: unknown): { keys: KmsKey[]; aliases: Alias[] } {
  if (typeof given !== "object" || given === null || (given as Partial<KmsSnapshot>).format !== format)
    throw new InvalidInputError("snapshot", "must be what snapshot() of an in-memory KMS gave");
  const read = (given as { version?: unknown }).version;
  if (read !== version)
    throw new InvalidInputError("snapshot.version", `must be ${version}, the version that is read here`, read);
  const all = { format: true, version: true, keys: true, aliases: true } as const;
  const snapshot = knownOptions(given as KmsSnapshot, all, "snapshot");
  const owners = new Map<string, SharedMaterial>();
  const keys = listOf(snapshot.keys, "snapshot.keys", (key, path) => keyFrom(key as KmsKeySnapshot, path, owners));
  return { keys, aliases: listOf(snapshot.aliases, "snapshot.aliases", aliasFrom) };
}

const keyFields = {
  keyId: true,
  accountId: true,
  region: true,
  createdAt: true,
  spec: true,
  usage: true,
  origin: true,
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

function keyFrom(given: KmsKeySnapshot, path: string, owners: Map<string, SharedMaterial>): KmsKey {
  const json = knownOptions(given, keyFields, path);
  const at = (name: string) => `${path}.${name}`;
  const spec = oneOf(json.spec, keySpecs, at("spec"));
  const place = {
    keyId: pattern(json.keyId, keyIdForm, at("keyId")),
    accountId: pattern(json.accountId, accountForm, at("accountId")),
    region: pattern(json.region, regionForm, at("region")),
  };
  const key = new KmsKey(
    defined({
      ...place,
      spec,
      createdAt: count(json.createdAt, at("createdAt")),
      usage: oneOf(json.usage, usagesOf(spec), at("usage")),
      origin: oneOf(json.origin, ["AWS_KMS", "EXTERNAL"] as const, at("origin")),
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

const grantFields = {
  id: true,
  tokens: true,
  name: true,
  createdAt: true,
  granteePrincipal: true,
  retiringPrincipal: true,
  issuingAccount: true,
  operations: true,
  constraints: true,
} as const;

function grantFrom(given: unknown, path: string): Grant {
  const json = knownOptions(given as Grant, grantFields, path);
  const at = (name: string) => `${path}.${name}`;
  const texts = (value: unknown, name: string) => optional(value, (known) => text(known, at(name)));
  const constraints = optional(json.constraints, (value) =>
    knownOptions(value as NonNullable<Grant["constraints"]>, { subset: true, equals: true }, at("constraints")),
  );
  const context = (name: "subset" | "equals") =>
    optional(constraints?.[name], (value) => textMap(value, at(`constraints.${name}`)));
  return defined({
    id: text(json.id, at("id")),
    tokens: listOf(json.tokens, at("tokens"), text),
    name: texts(json.name, "name"),
    createdAt: count(json.createdAt, at("createdAt")),
    granteePrincipal: text(json.granteePrincipal, at("granteePrincipal")),
    retiringPrincipal: texts(json.retiringPrincipal, "retiringPrincipal"),
    issuingAccount: text(json.issuingAccount, at("issuingAccount")),
    operations: listOf(json.operations, at("operations"), (name, place) => oneOf(name, grantOperations, place)),
    constraints: constraints && defined({ subset: context("subset"), equals: context("equals") }),
  });
}

function aliasFrom(given: unknown, path: string): Alias {
  const fields = { name: true, accountId: true, region: true, keyId: true, createdAt: true, updatedAt: true } as const;
  const json = knownOptions(given as KmsAliasSnapshot, fields, path);
  const name = pattern(json.name, /^alias\/./, `${path}.name`);
  const accountId = pattern(json.accountId, accountForm, `${path}.accountId`);
  const region = pattern(json.region, regionForm, `${path}.region`);
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
