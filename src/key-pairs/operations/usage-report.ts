import type { RecordingKeyStoreError } from "../../errors.js";

/**
 * States of a key pair, in the words of NIST SP 800-57 part 1, section 7: `active` encrypts and decrypts; `deactivated` decrypts
 * only; `suspended` can't decrypt now, because KMS refuses every KMS key that wraps it; `destroyed` never will, because KMS has none of
 * them any more; `pre-activation` was made and is not active yet; `compromised` is what the operator says is compromised.
 */
export const keyPairStates = [
  "pre-activation",
  "active",
  "deactivated",
  "suspended",
  "compromised",
  "destroyed",
] as const;
export type KeyPairState = (typeof keyPairStates)[number];

/** A key pair, and the KMS keys that wrap its private half. */
export interface KeyPairUsage {
  readonly keyPairId: string;
  readonly sequence: number;
  /** SHA-256 of the birth record, base64url. */
  readonly digest: string;
  readonly state: KeyPairState;
  /** When it was made. */
  readonly activeFrom: Date;
  /**
   * When the next one was made; missing for the active one. Workers followed within their `headTtl`, or once store and KMS were
   * back.
   */
  readonly activeUntil?: Date;
  /** ARNs of the KMS keys that wrap its private half, the one that it was made under first. */
  readonly kmsKeyArns: readonly string[];
  /** With `probe`: those of `kmsKeyArns` under which KMS has opened it now. */
  readonly opensUnder?: readonly string[];
  /** With `probe`: the key material of each of `opensUnder` that wraps it, of those whose KMS key has told. */
  readonly keyMaterials?: readonly { readonly kmsKeyArn: string; readonly keyMaterialId: string }[];
}

/** What wraps private halves of key pairs, and until when it is needed. */
export interface WrapperUsage {
  /** Number of key pairs that it wraps. */
  readonly keyPairs: number;
  /** Number of those that no other KMS key wraps or, with `probe`, that KMS opens under no other. */
  readonly keyPairsOnlyHere: number;
  /** Whether the active pair is under it. */
  readonly active: boolean;
  /** When the last of its pairs ceased to be active; missing while one is. */
  readonly lastActive?: Date;
  /**
   * With `retention`: from when on no recording that is still kept was encrypted under it, so that it may be retired; missing while
   * it is active. Before that it may be retired where `keyPairsOnlyHere` is 0, except for recordings that are opened without the store.
   */
  readonly retirableFrom?: Date;
}

/** A key material of a KMS key, and the key pairs whose private halves it wraps. */
export interface KeyMaterialUsage extends WrapperUsage {
  /** 64 hexadecimal digits, as KMS shows it. */
  readonly keyMaterialId: string;
}

/** A KMS key, and the key pairs whose private halves it wraps. */
export interface KmsKeyUsage extends WrapperUsage {
  readonly kmsKeyArn: string;
  /**
   * With `probe`: its key materials that wrap what KMS has opened, that of the newest key pair first. A KMS key has several once its
   * material was rotated; of imported ones each can be deleted alone.
   */
  readonly keyMaterials?: readonly KeyMaterialUsage[];
  /**
   * With `probe`: number of `keyPairs` of which the key material is not known, since KMS did not open them or did not tell. Only where
   * it is 0 does no key pair need a key material that is not in `keyMaterials`.
   */
  readonly keyPairsOfUnknownMaterial?: number;
  /** With `probe`: whether KMS opens everything under it (`yes`), something (`some`), nothing (`no`), or gave no verdict. */
  readonly opens?: "yes" | "some" | "no" | "unknown";
  /** With `probe`: the first failure. */
  readonly error?: RecordingKeyStoreError;
}

/** Result of `keyUsage()`. */
export interface KeyUsageReport {
  readonly organizationId: string;
  readonly at: Date;
  /** Whether KMS was asked. Without that, states know nothing of KMS keys that are disabled or gone. */
  readonly probed: boolean;
  /** By the newest key pair that each wraps, newest first. */
  readonly kmsKeys: readonly KmsKeyUsage[];
  /** The history, newest first, and before it what is ahead of the active pair. */
  readonly keyPairs: readonly KeyPairUsage[];
}
