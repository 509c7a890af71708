import { parseKmsArn, requireRegion } from "./arn.js";
import { KmsCall } from "./call.js";
import { operations } from "./operations/index.js";
import { administratorOf, defaultAccountId } from "./principals.js";
import type { KeySpec, KeyUsage } from "./key-specs.js";
import type { KmsState } from "./state.js";
import { newRequestId } from "./wire.js";

export interface CreateKeyOptions {
  /** `000000000000` unless given. */
  accountId?: string;
  /** `us-east-1` unless given. */
  region?: string;
  /** A key policy, JSON text or object. Without one the key's account, and IAM in it, decides. */
  policy?: string | object;
  description?: string;
  multiRegion?: boolean;
  keySpec?: KeySpec;
  keyUsage?: KeyUsage;
  tags?: Readonly<Record<string, string>>;
  /** An alias to make for it, with its `alias/`. */
  alias?: string;
}

/**
 * Shortcuts by which a test sets the scene: they do what an administrator of the key's account could, bypass policies
 * and faults, and stay out of the journal.
 */
export class KmsAdministration {
  readonly #state: KmsState;

  constructor(state: KmsState) {
    this.#state = state;
  }

  /** Makes a key, and gives its ARN. */
  createKey(options: CreateKeyOptions = {}): string {
    const { accountId = defaultAccountId, region = "us-east-1", policy, tags = {} } = options;
    if (!/^\d{12}$/.test(accountId))
      throw new TypeError(`accountId must be 12 digits, and is ${JSON.stringify(accountId)}`);
    requireRegion(region);
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
        Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      },
    ) as { KeyMetadata: { Arn: string } };
    const arn = output.KeyMetadata.Arn;
    if (options.alias !== undefined) this.createAlias(options.alias, arn);
    return arn;
  }

  /** Makes an alias in the key's account and Region, and gives its ARN. */
  createAlias(aliasName: string, keyArn: string): string {
    this.#runOn(keyArn, "CreateAlias", { AliasName: aliasName, TargetKeyId: keyArn });
    return keyArn.replace(/:key\/.*$/, `:${aliasName}`);
  }

  /** Points an alias at another key of its account and Region: a manual rotation. */
  pointAlias(aliasArn: string, keyArn: string): void {
    this.#runOn(aliasArn, "UpdateAlias", { AliasName: named(aliasArn).id, TargetKeyId: keyArn });
  }

  deleteAlias(aliasArn: string): void {
    this.#runOn(aliasArn, "DeleteAlias", { AliasName: named(aliasArn).id });
  }

  disableKey(keyArn: string): void {
    this.#runOn(keyArn, "DisableKey", { KeyId: keyArn });
  }

  enableKey(keyArn: string): void {
    this.#runOn(keyArn, "EnableKey", { KeyId: keyArn });
  }

  /** The key is gone once the clock has moved on by `windowInDays` (7 to 30). */
  scheduleKeyDeletion(keyArn: string, windowInDays = 30): void {
    this.#runOn(keyArn, "ScheduleKeyDeletion", { KeyId: keyArn, PendingWindowInDays: windowInDays });
  }

  /** The key is then disabled, as with AWS. */
  cancelKeyDeletion(keyArn: string): void {
    this.#runOn(keyArn, "CancelKeyDeletion", { KeyId: keyArn });
  }

  getKeyPolicy(keyArn: string): string {
    return (this.#runOn(keyArn, "GetKeyPolicy", { KeyId: keyArn }) as { Policy: string }).Policy;
  }

  /** Replaces the key's policy. */
  putKeyPolicy(keyArn: string, policy: string | object): void {
    this.#runOn(keyArn, "PutKeyPolicy", {
      KeyId: keyArn,
      Policy: policyText(policy),
      BypassPolicyLockoutSafetyCheck: true,
    });
  }

  /** Makes a replica of a multi-Region key, and gives its ARN. */
  replicateKey(primaryKeyArn: string, region: string, options: { policy?: string | object } = {}): string {
    const output = this.#runOn(primaryKeyArn, "ReplicateKey", {
      KeyId: primaryKeyArn,
      ReplicaRegion: region,
      Policy: policyText(options.policy),
      BypassPolicyLockoutSafetyCheck: true,
    }) as { ReplicaKeyMetadata: { Arn: string } };
    return output.ReplicaKeyMetadata.Arn;
  }

  /** New key material now; the old decrypts on. */
  rotateKey(keyArn: string): void {
    this.#runOn(keyArn, "RotateKeyOnDemand", { KeyId: keyArn });
  }

  /** New key material every so many days of the clock (90 to 2,560). */
  enableKeyRotation(keyArn: string, periodInDays = 365): void {
    this.#runOn(keyArn, "EnableKeyRotation", { KeyId: keyArn, RotationPeriodInDays: periodInDays });
  }

  #runOn(arn: string, operation: string, body: Record<string, unknown>): object | undefined {
    return this.#run(operation, named(arn), body);
  }

  #run(
    operation: string,
    where: { accountId: string; region: string },
    body: Record<string, unknown>,
  ): object | undefined {
    const request = { requestId: newRequestId(), operation, region: where.region, accessKeyId: "", body };
    const call = new KmsCall(request, administratorOf(where.accountId), this.#state, { trusted: true });
    return operations.get(operation)?.execute(call);
  }
}

function policyText(policy: string | object | undefined): string | undefined {
  return typeof policy === "object" ? JSON.stringify(policy) : policy;
}

function named(arn: string) {
  const parsed = parseKmsArn(arn);
  if (!parsed) throw new TypeError(`Not the ARN of a KMS key or alias: ${arn}`);
  return parsed;
}
