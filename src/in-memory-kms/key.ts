import { randomBytes, randomUUID } from "node:crypto";
import { keyArn, partitionOf } from "./arn.js";
import { disabled, invalidKeyUsage, invalidState } from "./aws-error.js";
import type { Grant } from "./grant.js";
import { KeyMaterialHistory } from "./key-material.js";
import { KeySecret } from "./key-secret.js";
import { specFacts, type KeySpec, type KeyUsage } from "./key-specs.js";

export type KeyOrigin = "AWS_KMS" | "EXTERNAL";
export type KeyState = "Enabled" | "Disabled" | "PendingDeletion" | "PendingReplicaDeletion" | "PendingImport";

export interface KmsKeyInit {
  region: string;
  accountId: string;
  policy: string;
  createdAt: number;
  keyId?: string;
  description?: string;
  spec?: KeySpec;
  usage?: KeyUsage;
  origin?: KeyOrigin;
  multiRegion?: "PRIMARY" | "REPLICA";
  material?: KeyMaterialHistory;
  secret?: KeySecret;
  importedDigest?: string;
  secretValidTo?: number;
  tags?: Iterable<readonly [string, string]>;
}

/** A KMS key in one Region. */
export class KmsKey {
  readonly keyId: string;
  readonly region: string;
  readonly accountId: string;
  readonly createdAt: number;
  readonly spec: KeySpec;
  readonly usage: KeyUsage;
  readonly origin: KeyOrigin;
  /** Of symmetric keys. */
  readonly material: KeyMaterialHistory | undefined;
  /** Of asymmetric and HMAC keys. */
  secret: KeySecret | undefined;
  /** Of an imported secret: what it must be when it is imported again. */
  importedDigest: string | undefined;
  /** When an imported secret expires, in ms since the Unix epoch. */
  secretValidTo: number | undefined;
  readonly tags: Map<string, string>;
  readonly grants = new Map<string, Grant>();
  multiRegion: "PRIMARY" | "REPLICA" | undefined;
  description: string;
  policy: string;
  enabled: boolean;
  deletion: { windowInDays: number; date?: number } | undefined;

  constructor(init: KmsKeyInit) {
    this.region = init.region;
    this.accountId = init.accountId;
    this.createdAt = init.createdAt;
    this.spec = init.spec ?? "SYMMETRIC_DEFAULT";
    this.usage = init.usage ?? "ENCRYPT_DECRYPT";
    this.origin = init.origin ?? "AWS_KMS";
    this.multiRegion = init.multiRegion;
    this.keyId = init.keyId ?? (init.multiRegion ? `mrk-${randomBytes(16).toString("hex")}` : randomUUID());
    this.material =
      init.material ??
      (this.isSymmetric ? new KeyMaterialHistory(this.origin === "AWS_KMS" ? undefined : []) : undefined);
    const makesSecret = !this.isSymmetric && this.origin === "AWS_KMS";
    this.secret = init.secret ?? (makesSecret ? new KeySecret(this.spec, this.region) : undefined);
    this.importedDigest = init.importedDigest;
    this.secretValidTo = init.secretValidTo;
    this.description = init.description ?? "";
    this.policy = init.policy;
    this.tags = new Map(init.tags);
    this.enabled = this.origin === "AWS_KMS";
  }

  get arn(): string {
    return keyArn(this.region, this.accountId, this.keyId);
  }

  get partition(): string {
    return partitionOf(this.region);
  }

  /** False for imported material that is not there, or no longer. */
  get hasMaterial(): boolean {
    return this.origin !== "EXTERNAL" || (this.material?.isComplete ?? this.secret !== undefined);
  }

  /** Whether material has ever been imported. */
  get hasImported(): boolean {
    return this.material ? this.material.versions.length > 0 : this.importedDigest !== undefined;
  }

  /** Takes away imported material whose time is over. */
  withdrawExpired(now: number): void {
    if (this.origin !== "EXTERNAL") return;
    this.material?.withdrawExpired(now);
    if (this.secretValidTo !== undefined && this.secretValidTo <= now) this.secret = undefined;
  }

  get isSymmetric(): boolean {
    return this.spec === "SYMMETRIC_DEFAULT";
  }

  get state(): KeyState {
    if (this.deletion) return this.deletion.date === undefined ? "PendingReplicaDeletion" : "PendingDeletion";
    if (!this.hasMaterial) return "PendingImport";
    return this.enabled ? "Enabled" : "Disabled";
  }

  /** @throws AwsError unless the key is in the state that an operation needs */
  requireState(needed: "enabled" | "not-pending-deletion"): void {
    if (this.deletion)
      throw invalidState(`${this.arn} is pending ${this.state === "PendingDeletion" ? "" : "replica "}deletion.`);
    if (needed === "not-pending-deletion") return;
    if (this.state === "PendingImport") throw invalidState(`${this.arn} is pending import.`);
    if (!this.enabled) throw disabled(this.arn);
  }

  /** @throws AwsError unless the key is for `usage`, by `algorithm` */
  requireUsage(usage: KeyUsage, algorithm: string, operation: string): void {
    if (this.usage !== usage)
      throw invalidKeyUsage(`${this.arn} key usage is ${this.usage} which is not valid for ${operation}.`);
    if (!Object.values(this.algorithms).flat().includes(algorithm))
      throw invalidKeyUsage(`Algorithm ${algorithm} is incompatible with key spec ${this.spec}.`);
  }

  /** The key's material. @throws AwsError unless data keys can be made under the key */
  requireDataKeys(operation: string): KeyMaterialHistory {
    if (this.usage === "ENCRYPT_DECRYPT" && !this.isSymmetric)
      throw invalidKeyUsage(`${this.arn} key KeySpec is ${this.spec} which is not valid for ${operation}.`);
    return this.requireSymmetricEncryption(operation);
  }

  /** The key's material. @throws AwsError unless the key can encrypt and decrypt for `operation` */
  requireSymmetricEncryption(operation: string, algorithm = "SYMMETRIC_DEFAULT"): KeyMaterialHistory {
    this.requireUsage("ENCRYPT_DECRYPT", algorithm, operation);
    // A key that is enabled has it.
    return this.material as KeyMaterialHistory;
  }

  /** The secret of an asymmetric or HMAC key that is enabled. */
  requireSecret(): KeySecret {
    return this.secret as KeySecret;
  }

  get algorithms() {
    return specFacts(this.spec, this.usage);
  }
}
