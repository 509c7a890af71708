import { parseKmsArn, requireRegion } from "./arn.js";
import { KmsCall } from "./call.js";
import type { KeySpec, KeyUsage } from "./key-specs.js";
import { operations } from "./operations/index.js";
import { administratorOf, defaultAccountId } from "./principals.js";
import type { KmsState } from "./state.js";
import { newRequestId } from "./wire.js";

export interface CreateKeyOptions {
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
  /** Alias to create for the key, with its `alias/`. */
  alias?: string;
}

/**
 * Shortcuts for setting up a test. They do what an administrator of the key's account could do, bypass policies and faults,
 * and stay out of the journal. What the service would refuse they throw, as an error with the service's name and message.
 */
export class KmsAdministration {
  readonly #state: KmsState;

  constructor(state: KmsState) {
    this.#state = state;
  }

  /** Creates a key and returns its ARN. @throws TypeError for an account id or Region that can't be one */
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

  /** Creates an alias in the key's account and Region, and returns its ARN. */
  createAlias(aliasName: string, keyArn: string): string {
    this.#runOn(keyArn, "CreateAlias", { AliasName: aliasName, TargetKeyId: keyArn });
    return keyArn.replace(/:key\/.*$/, `:${aliasName}`);
  }

  /** Points an alias at another key of its account and Region, as a manual rotation does. */
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

  /** Schedules the deletion of a key in `windowInDays` days (7 to 30) of the in-memory KMS's clock. */
  scheduleKeyDeletion(keyArn: string, windowInDays = 30): void {
    this.#runOn(keyArn, "ScheduleKeyDeletion", { KeyId: keyArn, PendingWindowInDays: windowInDays });
  }

  /** Cancels the deletion of a key and leaves it disabled, as AWS does. */
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

  /** Creates a replica of a multi-Region key and returns its ARN. */
  replicateKey(primaryKeyArn: string, region: string, options: { policy?: string | object } = {}): string {
    const output = this.#runOn(primaryKeyArn, "ReplicateKey", {
      KeyId: primaryKeyArn,
      ReplicaRegion: region,
      Policy: policyText(options.policy),
      BypassPolicyLockoutSafetyCheck: true,
    }) as { ReplicaKeyMetadata: { Arn: string } };
    return output.ReplicaKeyMetadata.Arn;
  }

  /** Rotates the key material now. The old material still decrypts. */
  rotateKey(keyArn: string): void {
    this.#runOn(keyArn, "RotateKeyOnDemand", { KeyId: keyArn });
  }

  /** Rotates the key material every `periodInDays` days (90 to 2,560) of the in-memory KMS's clock. */
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
    const call = new KmsCall(request, administratorOf(where.accountId, where.region), this.#state, { trusted: true });
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
