import { randomUUID } from "node:crypto";
import { knownOptions } from "../util/check-input.js";
import { InvalidInputError } from "../errors.js";
import { defined } from "../util/defined.js";
import { keyArn, requireAccountId, requireRegion } from "./arn.js";
import { KmsCall } from "./call.js";
import { aliasNamed, keyNamed, type KmsKeyName } from "./key-name.js";
import type { KeySpec, KeyUsage } from "./key-specs.js";
import { KmsKeyStores } from "./key-stores.js";
import { KmsKey } from "./key.js";
import { givenMaterial } from "./material-snapshot.js";
import { pattern } from "./snapshot-fields.js";
import { keyIdForm } from "./snapshot.js";
import { operations } from "./operations/index.js";
import { administratorOf } from "./principals.js";
import type { KmsState } from "./state.js";
import { newRequestId } from "./wire.js";

export interface CreateKeyOptions {
  /** Id of the key, as AWS forms them: a UUID, or `mrk-` and 32 hexadecimal digits for a multi-Region key. Default: a new one. */
  keyId?: string;
  /**
   * Material of a symmetric key: base64 of 32 bytes; of a key that has rotated a list, oldest first. Keys of the same account, id
   * and material open each other's ciphertexts. Default: random.
   */
  material?: string | readonly string[];
  /** Owner of the key, 12 digits. Default `000000000000`. */
  accountId?: string;
  /** Default `us-east-1`. */
  region?: string;
  /** Key policy, as JSON text or object. Default: AWS's, which leaves the key to its account and to IAM there. */
  policy?: string | object;
  description?: string;
  multiRegion?: boolean;
  keySpec?: KeySpec;
  keyUsage?: KeyUsage;
  tags?: Readonly<Record<string, string>>;
  /** Id of a custom key store, of the same account and Region, to create the key in. */
  customKeyStoreId?: string;
  /** Of a key in an external key store: the id of its other half there. Default: a random one. */
  xksKeyId?: string;
  /** Alias to create for the key, with its `alias/`. */
  alias?: string;
}

export interface CreateGrantOptions {
  /** ARN of the principal that may use the key. */
  granteePrincipal: string;
  /** Such as `Decrypt`. */
  operations: readonly string[];
  retiringPrincipal?: string;
  name?: string;
  /** The grant counts only under an encryption context that has these pairs. */
  encryptionContextSubset?: Readonly<Record<string, string>>;
  /** The grant counts only under this encryption context. */
  encryptionContextEquals?: Readonly<Record<string, string>>;
}

const createGrantOptions = {
  granteePrincipal: true,
  operations: true,
  retiringPrincipal: true,
  name: true,
  encryptionContextSubset: true,
  encryptionContextEquals: true,
} as const;

/** What a key is made of, here and in a seed. */
export const keyOptions = {
  keyId: true,
  material: true,
  region: true,
  policy: true,
  description: true,
  multiRegion: true,
  keySpec: true,
  keyUsage: true,
  tags: true,
  customKeyStoreId: true,
  xksKeyId: true,
} as const;

const createKeyOptions = { ...keyOptions, accountId: true, alias: true } as const;

type Body = Record<string, unknown>;

/**
 * Shortcuts for setting up a test. They do what an administrator of the key's account could do, bypass policies and faults,
 * and stay out of the journal. What the service would refuse they throw, as an error with the service's name and message.
 */
export class KmsAdministration {
  /** Custom key stores: external ones, and those on CloudHSM. */
  readonly keyStores: KmsKeyStores;
  readonly #state: KmsState;
  readonly #accountId: string;

  /** @internal @param accountId - owner of keys of which none is named */
  constructor(state: KmsState, accountId: string) {
    this.keyStores = new KmsKeyStores(state, accountId);
    this.#state = state;
    this.#accountId = accountId;
  }

  /**
   * Creates a key and returns its ARN.
   * @throws InvalidInputError for options that there are not; TypeError for an account id or Region that can't be one
   */
  createKey(given: CreateKeyOptions = {}): string {
    const options = knownOptions(given, createKeyOptions);
    const { accountId = this.#accountId, region = "us-east-1", policy, tags = {} } = options;
    requireAccountId(accountId);
    requireRegion(region);
    this.#checkFixed(options, { accountId, region });
    const output = this.#run(
      "CreateKey",
      { accountId, region },
      {
        Policy: policyText(policy),
        BypassPolicyLockoutSafetyCheck: true,
        Description: options.description,
        MultiRegion: options.multiRegion,
        KeySpec: options.keySpec,
        KeyUsage: options.keyUsage,
        ...this.#keyStoreOf(options),
        Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      },
    ) as { KeyMetadata: { Arn: string } };
    const arn = this.#withFixed(options, output.KeyMetadata.Arn);
    if (options.alias !== undefined) this.createAlias(options.alias, arn);
    return arn;
  }

  /** What CreateKey needs for a key in a custom key store. */
  #keyStoreOf({ customKeyStoreId, xksKeyId }: CreateKeyOptions): Body {
    if (customKeyStoreId === undefined) return { XksKeyId: xksKeyId };
    const store = this.#state.keyStores().find(({ id }) => id === customKeyStoreId);
    if (!store) throw new InvalidInputError("customKeyStoreId", "must be the id of a custom key store");
    const isExternal = store.type === "EXTERNAL_KEY_STORE";
    return {
      Origin: store.type,
      CustomKeyStoreId: customKeyStoreId,
      XksKeyId: xksKeyId ?? (isExternal ? randomUUID() : undefined),
    };
  }

  /** @throws InvalidInputError for an id or material that this key can't have */
  #checkFixed(options: CreateKeyOptions, { accountId, region }: { accountId: string; region: string }): void {
    const { keyId, material, multiRegion = false, keySpec = "SYMMETRIC_DEFAULT" } = options;
    if (keyId !== undefined) {
      pattern(keyId, keyIdForm, "keyId");
      if (keyId.startsWith("mrk-") !== multiRegion)
        throw new InvalidInputError("keyId", "must begin with mrk- for a multi-Region key, and for no other");
      if (this.#state.key(keyArn(region, accountId, keyId))) throw new InvalidInputError("keyId", "is taken", keyId);
    }
    if (material === undefined) return;
    if (keySpec !== "SYMMETRIC_DEFAULT") throw new InvalidInputError("material", "is taken for symmetric keys only");
    givenMaterial([material].flat(), { accountId, keyId: keyId ?? "" }, "material", 0);
  }

  /** Gives a new key its fixed id and material. */
  #withFixed({ keyId, material }: CreateKeyOptions, arn: string): string {
    const made = this.#state.key(arn);
    if (!made || (keyId === undefined && material === undefined)) return arn;
    const place = { accountId: made.accountId, keyId: keyId ?? made.keyId };
    const given =
      material === undefined ? made.material : givenMaterial([material].flat(), place, "material", made.createdAt);
    const { region, policy, createdAt, description, spec, usage, multiRegion, tags, secret } = made;
    const { origin, keyStore, xksKeyId } = made;
    const key = new KmsKey(
      defined({
        ...place,
        region,
        policy,
        createdAt,
        description,
        spec,
        usage,
        multiRegion,
        tags,
        secret,
        origin,
        keyStore,
        xksKeyId,
        material: given,
      }),
    );
    this.#state.replaceKey(made, key);
    return key.arn;
  }

  /** Creates a grant on a key. */
  createGrant(key: KmsKeyName, given: CreateGrantOptions): { grantId: string; grantToken: string } {
    const options = knownOptions(given, createGrantOptions);
    const { output } = this.#runOn(key, "CreateGrant", {
      GranteePrincipal: options.granteePrincipal,
      RetiringPrincipal: options.retiringPrincipal,
      Operations: options.operations,
      Name: options.name,
      Constraints: defined({
        EncryptionContextSubset: options.encryptionContextSubset,
        EncryptionContextEquals: options.encryptionContextEquals,
      }),
    });
    const { GrantId: grantId, GrantToken: grantToken } = output as { GrantId: string; GrantToken: string };
    return { grantId, grantToken };
  }

  /** Creates an alias in the key's account and Region, and returns its ARN. */
  createAlias(aliasName: string, key: KmsKeyName): string {
    const { arn } = this.#runOn(key, "CreateAlias", ({ arn: TargetKeyId }) => ({ AliasName: aliasName, TargetKeyId }));
    return arn.replace(/:key\/.*$/, `:${aliasName}`);
  }

  /** Points an alias at another key of its account and Region, as a manual rotation does. */
  pointAlias(alias: KmsKeyName, key: KmsKeyName): void {
    const { id: AliasName, ...where } = aliasNamed(this.#state, alias);
    this.#run("UpdateAlias", where, { AliasName, TargetKeyId: keyNamed(this.#state, key).arn });
  }

  deleteAlias(alias: KmsKeyName): void {
    const { id: AliasName, ...where } = aliasNamed(this.#state, alias);
    this.#run("DeleteAlias", where, { AliasName });
  }

  disableKey(key: KmsKeyName): void {
    this.#runOn(key, "DisableKey");
  }

  enableKey(key: KmsKeyName): void {
    this.#runOn(key, "EnableKey");
  }

  /** Schedules the deletion of a key in `windowInDays` days (7 to 30) of the in-memory KMS's clock. */
  scheduleKeyDeletion(key: KmsKeyName, windowInDays = 30): void {
    this.#runOn(key, "ScheduleKeyDeletion", { PendingWindowInDays: windowInDays });
  }

  /** Cancels the deletion of a key and leaves it disabled, as AWS does. */
  cancelKeyDeletion(key: KmsKeyName): void {
    this.#runOn(key, "CancelKeyDeletion");
  }

  getKeyPolicy(key: KmsKeyName): string {
    return (this.#runOn(key, "GetKeyPolicy").output as { Policy: string }).Policy;
  }

  /** Replaces the key's policy. */
  putKeyPolicy(key: KmsKeyName, policy: string | object): void {
    this.#runOn(key, "PutKeyPolicy", { Policy: policyText(policy), BypassPolicyLockoutSafetyCheck: true });
  }

  /** Creates a replica of a multi-Region key and returns its ARN. */
  replicateKey(primaryKey: KmsKeyName, region: string, options: { policy?: string | object } = {}): string {
    const { policy } = knownOptions(options, { policy: true });
    const { output } = this.#runOn(primaryKey, "ReplicateKey", {
      ReplicaRegion: region,
      Policy: policyText(policy),
      BypassPolicyLockoutSafetyCheck: true,
    });
    return (output as { ReplicaKeyMetadata: { Arn: string } }).ReplicaKeyMetadata.Arn;
  }

  /** Rotates the key material now. The old material still decrypts. */
  rotateKey(key: KmsKeyName): void {
    this.#runOn(key, "RotateKeyOnDemand");
  }

  /** Rotates the key material every `periodInDays` days (90 to 2,560) of the in-memory KMS's clock. */
  enableKeyRotation(key: KmsKeyName, periodInDays = 365): void {
    this.#runOn(key, "EnableKeyRotation", { RotationPeriodInDays: periodInDays });
  }

  /** Runs an operation on a key, whose ARN is its `KeyId` unless `body` names it otherwise. */
  #runOn(
    name: KmsKeyName,
    operation: string,
    body: Body | ((key: { arn: string }) => Body) = {},
  ): { arn: string; output: object | undefined } {
    const { arn, ...where } = keyNamed(this.#state, name);
    const members = typeof body === "function" ? body({ arn }) : { KeyId: arn, ...body };
    return { arn, output: this.#run(operation, where, members) };
  }

  #run(operation: string, where: { accountId: string; region: string }, body: Body): object | undefined {
    const request = { requestId: newRequestId(), operation, region: where.region, accessKeyId: "", body };
    const call = new KmsCall(request, administratorOf(where.accountId, where.region), this.#state, { trusted: true });
    this.#state.changed();
    return operations.get(operation)?.execute(call);
  }
}

function policyText(policy: string | object | undefined): string | undefined {
  return typeof policy === "object" ? JSON.stringify(policy) : policy;
}
