import { RecordingKeyStoreError } from "../../errors.js";
import { diagnose, type Diagnosis } from "../../kms/diagnosis.js";
import type { ActiveKeyPairs } from "../active/active-key-pair.js";
import type { KeyPairContext } from "../context.js";
import { keyPairInfo, type KeyPairInfo } from "./history.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import { configurationOf } from "../active/rotation.js";
import { nextRotation } from "../active/schedule.js";
import type { VouchedBy } from "../trust.js";
import type { Confirmation, KeyStoreConfiguration } from "../../format/vocabulary.js";
import type { KmsError } from "../../kms/kms-error.js";

/** What `status()` tells. Plain data without secrets. */
export interface KeyStoreStatus {
  readonly organizationId: string;
  /** There is a pair that somebody has vouched for, or that the store names. */
  readonly configured: boolean;
  /** Of the active pair; absent where nobody has vouched for one, as in a process that has not asked KMS yet. */
  readonly configuration?: KeyStoreConfiguration;
  readonly activeKeyPair?: KeyPairInfo;
  /** Who vouches for the active pair: KMS to this process, this host's record of it, or the fleet's word. */
  readonly vouchedBy?: VouchedBy;
  /** What the store's head names, where that is another pair than the active one: whoever can write to the store can say so. */
  readonly claimed?: { readonly configuration: KeyStoreConfiguration; readonly keyPair: KeyPairInfo };
  /** When the schedule changes the key next; absent for `never`. */
  readonly nextKeyChange?: Date;
  /** Absent before anybody has been asked. */
  readonly confirmation?: Confirmation;
  readonly lastConfirmedAt?: Date;
  /** Encryption goes on with the last known key, because of `trouble`. */
  readonly usedLastKnownKey: boolean;
  readonly trouble?: { readonly since: Date; readonly task: string; readonly error: RecordingKeyStoreError };
  /** The KMS key is known to be disabled, pending deletion or gone: what is encrypted now may never open again. */
  readonly keyAtRisk: boolean;
  readonly lastKmsError?: { readonly at: Date; readonly error: KmsError; readonly diagnosis: Diagnosis };
  /** What some worker last heard from KMS about this pair, by the store's status item. */
  readonly fleet?: {
    readonly at: Date;
    readonly failure?: { readonly kind: string; readonly operation: string; readonly message: string };
    /** Whether it is authenticated with the fleet's secret; otherwise anybody who can write to the store may have said so. */
    readonly authentic: boolean;
  };
  /** Why the pair that the store names is not used, or why the store could not be read. */
  readonly storeError?: RecordingKeyStoreError;
  /** What decides which KMS keys count. */
  readonly trust:
    { readonly kind: "configured" } | { readonly kind: "first-use"; readonly kmsKeyAliasArn: string | undefined };
}

/** Reads memory and store; never asks KMS, and reports an outage instead of throwing it. */
export async function readStatus(
  context: KeyPairContext,
  active: ActiveKeyPairs,
  signal?: AbortSignal,
): Promise<KeyStoreStatus> {
  const { organizationId, contextKeyName, health, trust, fleet } = context;
  await active.loadLastConfirmed(signal);
  const { pair: claim, error } = await headPair(context, signal);
  const { current } = active;
  const pair = current?.pair;
  const told = pair && (await fleet.told(pair));
  const { trouble, lastKmsError } = health;
  const change = active.vouched && nextRotation(active.vouched.pair.birth);
  const storeError = active.refusal ?? error;
  const shown = (of: ClaimedKeyPair, isActive: boolean) => ({
    configuration: configurationOf(of),
    keyPair: keyPairInfo(of, isActive),
  });
  return {
    organizationId,
    configured: pair !== undefined || claim !== undefined,
    ...(pair ? { configuration: configurationOf(pair), activeKeyPair: keyPairInfo(pair, true) } : {}),
    ...(active.vouched
      ? { vouchedBy: active.vouched.vouchedBy, lastConfirmedAt: new Date(active.vouched.confirmedAt) }
      : {}),
    ...(claim && !pair?.digest.equals(claim.digest) ? { claimed: shown(claim, false) } : {}),
    ...(change === undefined ? {} : { nextKeyChange: new Date(change) }),
    ...(current ? { confirmation: current.confirmation } : {}),
    usedLastKnownKey: active.usesLastKnownKey,
    ...(trouble ? { trouble: { since: new Date(trouble.since), task: trouble.task, error: trouble.error } } : {}),
    keyAtRisk: health.keyAtRisk,
    ...(lastKmsError
      ? {
          lastKmsError: {
            at: new Date(lastKmsError.at),
            error: lastKmsError.error,
            diagnosis: diagnose(lastKmsError.error, { organizationId, contextKeyName }),
          },
        }
      : {}),
    ...(told
      ? {
          fleet: {
            at: new Date(told.status.at),
            ...(told.status.failure ? { failure: told.status.failure } : {}),
            authentic: told.authentic,
          },
        }
      : {}),
    ...(storeError ? { storeError } : {}),
    trust: trust.basis,
  };
}

/** The pair that the store's head names now, if it can be read. */
async function headPair(
  { records }: KeyPairContext,
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
