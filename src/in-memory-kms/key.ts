import { randomBytes, randomUUID } from "node:crypto";
import { keyArn, partitionOf } from "./arn.js";
import { disabled, invalidKeyUsage, invalidState, wrongOrigin } from "./aws-error.js";
import type { CustomKeyStore } from "./custom-key-store.js";
import type { Grant } from "./grant.js";
import { KeyMaterialHistory } from "./key-material.js";
import { KeySecret } from "./key-secret.js";
import type { LastUsage } from "./last-usage.js";
import { specFacts, type KeySpec, type KeyUsage } from "./key-specs.js";

export const keyOrigins = ["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"] as const;
type KeyOrigin = (typeof keyOrigins)[number];
type KeyState = "Enabled" | "Disabled" | "PendingDeletion" | "PendingReplicaDeletion" | "PendingImport" | "Unavailable";

/** What a key must be in for an operation: enabled, and for cryptography in a connected key store too. */
export type NeededState = "usable" | "enabled" | "not-pending-deletion";

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
  /** Default `CUSTOMER`. */
  manager?: "AWS" | "CUSTOMER";
  lastUsage?: LastUsage;
  keyStore?: CustomKeyStore;
  xksKeyId?: string;
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
  /** Absent for KMS's own. */
  readonly keyStore: CustomKeyStore | undefined;
  /** Of a key in an external key store: its other half there. */
  readonly xksKeyId: string | undefined;
  readonly grants = new Map<string, Grant>();
  readonly manager: "AWS" | "CUSTOMER";
  lastUsage: LastUsage | undefined;
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
      (this.isSymmetric ? new KeyMaterialHistory(this.origin === "EXTERNAL" ? [] : undefined) : undefined);
    const makesSecret = !this.isSymmetric && this.origin === "AWS_KMS";
    this.secret = init.secret ?? (makesSecret ? new KeySecret(this.spec, this.region) : undefined);
    this.importedDigest = init.importedDigest;
    this.secretValidTo = init.secretValidTo;
    this.description = init.description ?? "";
    this.policy = init.policy;
    this.manager = init.manager ?? "CUSTOMER";
    this.lastUsage = init.lastUsage;
    this.tags = new Map(init.tags);
    this.keyStore = init.keyStore;
    this.xksKeyId = init.xksKeyId;
    this.enabled = this.origin !== "EXTERNAL";
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

  /** False while the key's custom key store is not connected. */
  get isAvailable(): boolean {
    return this.keyStore?.isConnected ?? true;
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
    if (!this.isAvailable) return "Unavailable";
    return this.enabled ? "Enabled" : "Disabled";
  }

  /** @throws AwsError unless the key is in the state that an operation needs */
  requireState(needed: NeededState): void {
    if (this.deletion)
      throw invalidState(`${this.arn} is pending ${this.state === "PendingDeletion" ? "" : "replica "}deletion.`);
    if (needed === "not-pending-deletion") return;
    if (this.state === "PendingImport") throw invalidState(`${this.arn} is pending import.`);
    if (needed === "usable" && !this.isAvailable) throw invalidState(`${this.arn} is unavailable.`);
    if (!this.enabled) throw disabled(this.arn);
  }

  /** @throws AwsError unless the key is for `usage`, by `algorithm` */
  requireUsage(usage: KeyUsage, algorithm: string, operation: string): void {
    if (this.usage !== usage)
      throw invalidKeyUsage(`${this.arn} key usage is ${this.usage} which is not valid for ${operation}.`);
    if (!Object.values(this.algorithms).flat().includes(algorithm))
      throw invalidKeyUsage(`Algorithm ${algorithm} is incompatible with key spec ${this.spec}.`);
  }

  /** @throws AwsError for a key in a custom key store, which an operation can't use */
  refuseKeyStore(): void {
    if (this.keyStore) throw wrongOrigin(this);
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
