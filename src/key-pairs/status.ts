import type { KmsError, RecordingKeyStoreError } from "../errors.js";
import { diagnose, type Diagnosis } from "../kms/diagnosis.js";
import type { ActiveKeyPairs } from "./active-key-pair.js";
import type { KeyPairContext } from "./context.js";
import { readHead, readHeadPair } from "./head.js";
import { keyPairInfo, type KeyPairInfo } from "./history.js";
import type { KeyPair } from "./key-pair.js";
import { configurationOf, type KeyStoreConfiguration } from "./rotation.js";
import { nextKeyChange } from "./schedule.js";
import type { Confirmation } from "./vocabulary.js";

/** What `status()` tells. Plain data without secrets. */
export interface KeyStoreStatus {
  readonly organizationId: string;
  readonly configured: boolean;
  readonly configuration?: KeyStoreConfiguration;
  readonly activeKeyPair?: KeyPairInfo;
  /** When the schedule changes the key next; absent for `never`. */
  readonly nextKeyChange?: Date;
  /** Absent before this process has asked KMS, or recalled that this host did. */
  readonly confirmation?: Confirmation;
  readonly lastConfirmedAt?: Date;
  /** Encryption goes on with the last known key, because of `trouble`. */
  readonly usedLastKnownKey: boolean;
  readonly trouble?: { readonly since: Date; readonly task: string; readonly error: RecordingKeyStoreError };
  /** The KMS key is known to be disabled, pending deletion or gone: what is encrypted now may never open again. */
  readonly keyAtRisk: boolean;
  readonly lastKmsError?: { readonly at: Date; readonly error: KmsError; readonly diagnosis: Diagnosis };
  /** What some worker of the fleet last heard from KMS about this pair, as the store's status item says (unverified). */
  readonly fleet?: { readonly at: Date; readonly failure?: { readonly kind: string; readonly operation: string; readonly message: string } };
  /** Why the pair that the store names is not used, or why the store could not be read. */
  readonly storeError?: RecordingKeyStoreError;
  /** What decides which KMS keys count. */
  readonly trust: { readonly kind: "configured" } | { readonly kind: "first-use"; readonly kmsKeyAliasArn: string | undefined };
}

/** Reads memory and store; never asks KMS, and reports an outage instead of throwing it. */
export async function readStatus(context: KeyPairContext, active: ActiveKeyPairs, signal?: AbortSignal): Promise<KeyStoreStatus> {
  const { organizationId, health, trust } = context;
  const current = active.current;
  let storeError = active.refusal;
  let pair: KeyPair | undefined = current?.pair;
  if (!pair) {
    try {
      const head = await readHead(context, signal);
      pair = head && (await readHeadPair(context, head, signal));
    } catch (error) {
      signal?.throwIfAborted();
      storeError = error as RecordingKeyStoreError;
    }
  }
  const fleet = pair && (await active.shared.read(pair.digest));
  const { trouble, lastKmsError } = health;
  const change = pair && nextKeyChange(pair.birth);
  return {
    organizationId,
    configured: pair !== undefined,
    ...(pair ? { configuration: configurationOf(pair), activeKeyPair: keyPairInfo(pair, true) } : {}),
    ...(change === undefined ? {} : { nextKeyChange: new Date(change) }),
    ...(current ? { confirmation: current.confirmation } : {}),
    ...(current?.confirmedAt === undefined ? {} : { lastConfirmedAt: new Date(current.confirmedAt) }),
    usedLastKnownKey: active.usesLastKnownKey,
    ...(trouble ? { trouble: { since: new Date(trouble.since), task: trouble.task, error: trouble.error } } : {}),
    keyAtRisk: health.keyAtRisk,
    ...(lastKmsError
      ? {
          lastKmsError: {
            at: new Date(lastKmsError.at),
            error: lastKmsError.error,
            diagnosis: diagnose(lastKmsError.error, { organizationId, ...(pair ? { contextKeyName: pair.birth.contextKeyName } : {}) }),
          },
        }
      : {}),
    ...(fleet ? { fleet: { at: new Date(fleet.at), ...(fleet.failure ? { failure: fleet.failure } : {}) } } : {}),
    ...(storeError ? { storeError } : {}),
    trust: trust.basis,
  };
}
