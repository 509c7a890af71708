import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import {
  keyOptions,
  type CreateGrantOptions,
  type CreateKeyOptions,
  type KmsAdministration,
} from "./administration.js";
import { AwsError } from "./aws-error.js";
import { PolicyProblem } from "../key-policy/language/document.js";
import { createKeyStoreOptions, type CreateKeyStoreOptions } from "./key-stores.js";
import type { KmsPrincipalInit } from "./principals.js";
import { flag, listOf, optional, text } from "./snapshot-fields.js";

/** What an in-memory KMS begins with, as JSON: callers, and each account's keys. */
export interface KmsSeed {
  /** Account of callers whom nobody introduced; 12 digits. Default `000000000000`. */
  readonly defaultAccountId?: string;
  /** IAM policy of principals that have none of their own. Default: none. */
  readonly defaultIdentityPolicy?: string | object;
  readonly principals?: readonly KmsPrincipalInit[];
  readonly accounts?: readonly KmsSeedAccount[];
}

/** The keys of one account. */
export interface KmsSeedAccount {
  /** 12 digits. */
  readonly accountId: string;
  /** Region of keys that name none. Default `us-east-1`. */
  readonly region?: string;
  /** Custom key stores, of the account and Region unless they name others. */
  readonly keyStores?: readonly CreateKeyStoreOptions[];
  readonly keys?: readonly KmsSeedKey[];
}

/** A key, with what hangs on it. */
export interface KmsSeedKey extends Omit<CreateKeyOptions, "accountId" | "alias"> {
  /** With their `alias/`. */
  readonly aliases?: readonly string[];
  readonly grants?: readonly CreateGrantOptions[];
  /** Replicas of a multi-Region key. */
  readonly replicas?: readonly KmsSeedReplica[];
  /** Automatic rotation, in days from 90 to 2,560. */
  readonly rotationPeriodInDays?: number;
  /** Default true. */
  readonly enabled?: boolean;
}

/** A replica in another Region. */
export interface KmsSeedReplica {
  readonly region: string;
  readonly policy?: string | object;
  readonly aliases?: readonly string[];
}

const seedFields = { defaultAccountId: true, defaultIdentityPolicy: true, principals: true, accounts: true } as const;

/** The seed itself, looked at as far as its own members go. @throws InvalidInputError naming what there is not */
export function checkedSeed(seed: KmsSeed): KmsSeed {
  const checked = knownOptions(seed, seedFields, "seed");
  if (checked.principals !== undefined) listOf(checked.principals, "seed.principals", (item) => item);
  return checked;
}

/** Creates the keys of a seed. @throws InvalidInputError naming the place of what is wrong */
export function sow(kms: KmsAdministration, { accounts }: KmsSeed): void {
  optional(accounts, (list) => listOf(list, "seed.accounts", (account, path) => sowAccount(kms, account, path)));
}

function sowAccount(kms: KmsAdministration, given: unknown, path: string): void {
  const fields = { accountId: true, region: true, keyStores: true, keys: true } as const;
  const { accountId, region = "us-east-1", keyStores, keys } = knownOptions(given as KmsSeedAccount, fields, path);
  text(accountId, `${path}.accountId`);
  optional(keyStores, (list) =>
    listOf(list, `${path}.keyStores`, (given, at) => {
      const store = knownOptions(given as CreateKeyStoreOptions, createKeyStoreOptions, at);
      return placed(at, () => kms.keyStores.create({ accountId, region, ...defined(store) }));
    }),
  );
  optional(keys, (list) => listOf(list, `${path}.keys`, (key, at) => sowKey(kms, key, at, { accountId, region })));
}

const keyFields = {
  ...keyOptions,
  aliases: true,
  grants: true,
  replicas: true,
  rotationPeriodInDays: true,
  enabled: true,
} as const;

function sowKey(
  kms: KmsAdministration,
  given: unknown,
  path: string,
  home: { accountId: string; region: string },
): void {
  const known = knownOptions(given as KmsSeedKey, keyFields, path);
  const { aliases, grants, replicas, rotationPeriodInDays, enabled, ...options } = known;
  const arn = placed(path, () => kms.createKey({ ...home, ...defined(options) }));
  named(kms, aliases, arn, `${path}.aliases`);
  optional(grants, (list) =>
    listOf(list, `${path}.grants`, (grant, at) => placed(at, () => kms.createGrant(arn, grant as CreateGrantOptions))),
  );
  optional(replicas, (list) =>
    listOf(list, `${path}.replicas`, (replica, at) => {
      const fields = { region: true, policy: true, aliases: true } as const;
      const { region, policy, aliases: names } = knownOptions(replica as KmsSeedReplica, fields, at);
      named(
        kms,
        names,
        placed(at, () => kms.replicateKey(arn, region, defined({ policy }))),
        `${at}.aliases`,
      );
    }),
  );
  if (rotationPeriodInDays !== undefined)
    placed(`${path}.rotationPeriodInDays`, () => kms.enableKeyRotation(arn, rotationPeriodInDays));
  if (enabled !== undefined && !flag(enabled, `${path}.enabled`)) kms.disableKey(arn);
}

function named(kms: KmsAdministration, aliases: unknown, arn: string, path: string): void {
  optional(aliases, (list) =>
    listOf(list, path, (alias, at) => placed(at, () => kms.createAlias(text(alias, at), arn))),
  );
}

/** Says where in a seed what was refused stands. */
export function placed<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof InvalidInputError && error.field.startsWith(path)) throw error;
    if (error instanceof InvalidInputError) throw new InvalidInputError(`${path}.${error.field}`, error.rule);
    if (error instanceof AwsError || error instanceof TypeError || error instanceof PolicyProblem)
      throw new InvalidInputError(path, `is refused: ${error.name}: ${error.message}`);
    throw error;
  }
}
