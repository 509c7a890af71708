import { RecordingKeyStoreError } from "../../errors.js";
import type { Confirmation, KeyStoreConfiguration } from "../../format/vocabulary.js";
import { diagnoseAliasDrift, type AliasDriftDiagnosis, type KeyChangeAfterDrift } from "../../kms/alias-drift.js";
import { diagnose, type Diagnosis } from "../../kms/diagnosis.js";
import type { KmsError, KmsFailureKind } from "../../kms/kms-error.js";
import { diagnoseStoreFailure, type StoreDiagnosis } from "../../stores/store-diagnosis.js";
import { StoreError } from "../../stores/store-error.js";
import { abortable } from "../../util/abort.js";
import { defined } from "../../util/defined.js";
import type { ActiveKeyPairs } from "../active/active-key-pair.js";
import { configurationOf } from "../active/rotation.js";
import { nextRotation } from "../active/schedule.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import type { VouchedBy, VouchedKeyPair } from "../trust.js";
import { keyPairInfo, type KeyPairInfo } from "./history.js";

/** That the alias leads to another KMS key than that of the active pair, as KMS said when a worker looked last. */
export interface AliasDriftStatus {
  readonly kmsKeyAliasArn: string;
  /** ARN of the KMS key to which it points now; missing where KMS did not name it. */
  readonly kmsKeyArn?: string;
  /** Why KMS refuses what the alias leads to. To other accounts it does not tell a missing alias from a forbidden key. */
  readonly refusal?: KmsFailureKind;
  /** When a worker first saw it. */
  readonly since: Date;
  /** What the next change of key is expected to do: it `moves` recordings to that KMS key, or `fails`. */
  readonly keyChange: KeyChangeAfterDrift;
  /** What to do about it. */
  readonly diagnosis: AliasDriftDiagnosis;
}

/** Result of `status()`. Plain data without secrets. */
export interface KeyStoreStatus {
  readonly organizationId: string;
  /** True when there is a vouched pair, or one that the store names. */
  readonly configured: boolean;
  /** Settings of the active pair; missing where there is none, as in a process that has not asked KMS yet. */
  readonly configuration?: KeyStoreConfiguration;
  readonly activeKeyPair?: KeyPairInfo;
  /** Who vouches for the active pair: KMS to this process, this host's last confirmed record, or the fleet's word. */
  readonly vouchedBy?: VouchedBy;
  /** The pair that the store's head names, where it is not the active one. Whoever can write to the store can say so. */
  readonly claimed?: { readonly configuration: KeyStoreConfiguration; readonly keyPair: KeyPairInfo };
  /** Time of the next change of key by the schedule; missing for `never`. */
  readonly nextKeyChange?: Date;
  /** Whether the active pair is vouched for; missing before anybody was asked. */
  readonly confirmation?: Confirmation;
  /** When KMS last vouched for the active pair. */
  readonly lastConfirmedAt?: Date;
  /** True while encryption goes on with the last known key, because of `trouble`. */
  readonly usedLastKnownKey: boolean;
  readonly trouble?: { readonly since: Date; readonly task: string; readonly error: RecordingKeyStoreError };
  /** True when the KMS key is disabled, pending deletion or gone: recordings encrypted now may never open again. */
  readonly keyAtRisk: boolean;
  /** Where the alias leads, where that is not the KMS key of the active pair: an organization has pointed it elsewhere. */
  readonly aliasDrift?: AliasDriftStatus;
  /** The last failure of KMS, and what to do about it. */
  readonly lastKmsError?: { readonly at: Date; readonly error: KmsError; readonly diagnosis: Diagnosis };
  /** KMS's latest answer about the pair to any worker, by the store's status item. */
  readonly fleet?: {
    readonly at: Date;
    readonly failure?: { readonly kind: string; readonly operation: string; readonly message: string };
    /** True where the fleet's secret authenticates it. Otherwise whoever can write to the store can have written it. */
    readonly authentic: boolean;
  };
  /** Why the pair that the store names is not used, or why the store could not be read. */
  readonly storeError?: RecordingKeyStoreError;
  /** What to do about `storeError`, where the store could not be reached or used. For the people who run the service. */
  readonly storeDiagnosis?: StoreDiagnosis;
  /** What decides which KMS keys count: `trustedKmsKeys`, or the alias trusted on first use. */
  readonly trust:
    { readonly kind: "configured" } | { readonly kind: "first-use"; readonly kmsKeyAliasArn: string | undefined };
}

export type StatusParts = Pick<
  KeyPairContext,
  "organizationId" | "contextKeyName" | "health" | "trust" | "fleet" | "alias" | "records" | "clock"
>;

/** Reads memory and store, never asks KMS, and reports an outage instead of throwing it. */
export async function readStatus(
  parts: StatusParts,
  active: ActiveKeyPairs,
  signal?: AbortSignal,
): Promise<KeyStoreStatus> {
  const { organizationId, contextKeyName, health, trust, fleet, records, clock } = parts;
  await active.loadLastConfirmed(signal);
  const { pair: claim, error } = await headPair(records, signal);
  active.noteStore(error);
  const { current } = active;
  const pair = current?.pair;
  const told = pair && (await abortable(fleet.told(pair), signal));
  const { trouble, lastKmsError } = health;
  const { vouched } = active;
  if (vouched && told?.word) parts.alias.learn(vouched.pair, told.word);
  const rotation = vouched && nextRotation(vouched.pair.birth, clock.now());
  const storeError = active.refusal ?? error;
  const other = pair && claim?.digest.equals(pair.digest) ? undefined : claim;
  return {
    organizationId,
    configured: pair !== undefined || claim !== undefined,
    ...defined({
      configuration: pair && configurationOf(pair),
      activeKeyPair: pair && keyPairInfo(pair, true),
      vouchedBy: vouched?.vouchedBy,
      lastConfirmedAt: vouched && new Date(vouched.confirmedAt),
      claimed: other && { configuration: configurationOf(other), keyPair: keyPairInfo(other, false) },
      nextKeyChange: rotation === undefined ? undefined : new Date(rotation),
      confirmation: current?.confirmation,
      trouble: trouble && { since: new Date(trouble.since), task: trouble.task, error: trouble.error },
      lastKmsError: lastKmsError && {
        at: new Date(lastKmsError.at),
        error: lastKmsError.error,
        diagnosis: diagnose(lastKmsError.error, { organizationId, contextKeyName }),
      },
      aliasDrift: vouched && aliasDriftOf(parts, vouched.pair),
      fleet: told && {
        at: new Date(told.status.at),
        ...defined({ failure: told.status.failure }),
        authentic: told.word !== undefined,
      },
      storeError,
      storeDiagnosis: storeError instanceof StoreError ? diagnoseStoreFailure(storeError) : undefined,
    }),
    usedLastKnownKey: active.usesLastKnownKey,
    keyAtRisk: health.keyAtRisk,
    trust: trust.basis,
  };
}

function aliasDriftOf({ alias, trust }: StatusParts, pair: VouchedKeyPair): AliasDriftStatus | undefined {
  const drift = alias.driftOf(pair);
  if (!drift) return undefined;
  const { kmsKeyArn, refusal, since } = drift;
  const { kmsKeyAliasArn } = pair.birth;
  const isTaken = kmsKeyArn !== undefined && trust.takesUnder(kmsKeyArn, pair);
  const activeKmsKeyArn = pair.wrapping.kmsKeyArn;
  return {
    kmsKeyAliasArn,
    ...defined({ kmsKeyArn, refusal }),
    since: new Date(since),
    ...diagnoseAliasDrift({ kmsKeyAliasArn, activeKmsKeyArn, kmsKeyArn, refusal, isTaken }),
  };
}

/** The pair that the store's head names now, if it can be read. */
async function headPair(
  records: KeyPairContext["records"],
  signal: AbortSignal | undefined,
): Promise<{ pair?: ClaimedKeyPair; error?: RecordingKeyStoreError }> {
  try {
    const head = await records.readHead(signal);
    return head ? { pair: await records.readHeadPair(head, signal) } : {};
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof RecordingKeyStoreError) return { error };
    throw error;
  }
}
