import { RecordingKeyStoreError } from "../../errors.js";
import { defined } from "../../util/defined.js";
import type { ActiveKeyPairs } from "../active/active-key-pair.js";
import type { KeyPairContext } from "../context.js";
import { notConfigured, unconfirmed, untrusted } from "../failures.js";
import type { ClaimedKeyPair } from "../key-pair.js";
import type { ClaimedHead } from "../records.js";
import type { VouchedBy } from "../trust.js";
import { byKms, newestVouched, type ActivationVerdict, type Vouched } from "../vouching.js";
import { keyPairInfo, type KeyPairInfo } from "./history.js";
import type { DryRun } from "./orphans.js";

/*
 * The operator's two ways out where store and host disagree. Neither takes up a pair that nobody has vouched for.
 */

/** Result of `acceptRestoredStore()` and `replaceUntrustedHead()`. */
export interface StoreHeadReport {
  /** The store's head, which nobody vouches for; missing where there is none, or none that can be read. */
  readonly storeHead?: { readonly keyPairId: string; readonly sequence: number; readonly digest: string };
  /** Why the store's head was not followed; missing where it was. */
  readonly storeError?: RecordingKeyStoreError;
  /** The pair in use until now. */
  readonly before?: KeyPairInfo;
  /** The pair that encrypts from now on. */
  readonly believed: KeyPairInfo;
  /** Who vouches for `believed`. */
  readonly vouchedBy: VouchedBy;
  /** False with `dryRun`: nothing has changed. */
  readonly done: boolean;
}

type Parts = Pick<KeyPairContext, "records" | "trust" | "calls" | "clock" | "pendingTakeUps">;

/**
 * Takes up the pair that a restored store names, behind the newest one, once KMS has vouched for it.
 * @throws RecordingKeyStoreError `ERR_NOT_CONFIGURED` where the store names none, `ERR_KEY_PAIR_UNTRUSTED`,
 * `ERR_KEY_UNCONFIRMED` where KMS refuses, `ERR_STORE_*`; KmsError `ERR_KMS_UNAVAILABLE`. Nothing has changed then
 */
export async function acceptRestored(
  parts: Parts,
  active: ActiveKeyPairs,
  { dryRun }: DryRun,
  signal?: AbortSignal,
): Promise<StoreHeadReport> {
  await active.loadLastConfirmed(signal);
  const head = await parts.records.readHead(signal);
  if (!head) {
    throw new RecordingKeyStoreError(
      "ERR_NOT_CONFIGURED",
      "the store names no key pair to go back to: replaceUntrustedHead() puts the one in use there, configure() makes a new one",
    );
  }
  const verdict = await byKms(parts, await parts.records.readHeadPair(head, signal), signal, { dryRun });
  if (verdict.status !== "confirmed") throw refusalOf(verdict);
  const report = reportOf(active, { head, storeError: active.refusal }, verdict, !dryRun);
  if (dryRun) return report;
  await active.putBack();
  await active.goBackTo(verdict);
  return report;
}

/**
 * Points the store's head, which nobody vouches for, at the newest vouched pair: the one in use, or else the newest one in the
 * store that KMS vouches for.
 * @throws RecordingKeyStoreError `ERR_STORE_CONFLICT` where the head has moved meanwhile; `ERR_NOT_CONFIGURED` where there is
 * no head; `ERR_KEY_UNCONFIRMED` where nobody vouches for any pair; `ERR_STORE_*`; KmsError
 */
export async function replaceUntrustedHead(
  parts: Parts,
  active: ActiveKeyPairs,
  { dryRun }: DryRun,
  signal?: AbortSignal,
): Promise<StoreHeadReport> {
  const { records } = parts;
  await active.loadLastConfirmed(signal);
  const raw = await records.readRawHead(signal);
  const { head, named, error } = await headOf(records, signal);
  const verdict = named && (await byKms(parts, named, signal, { dryRun }));
  if (verdict?.status === "no-verdict") throw verdict.error;
  const genuine = verdict?.status === "confirmed" ? verdict : undefined;
  const held = active.vouched;
  // A genuine head is followed where it is ahead of the pair in use, and replaced by that where it is not.
  const isAhead =
    genuine &&
    (!held || genuine.pair.birth.sequence > held.pair.birth.sequence || genuine.pair.digest.equals(held.pair.digest));
  const best = isAhead ? genuine : (held ?? (await newestVouched(parts, { bounded: false, dryRun }, signal)));
  if (!best) throw nobody(raw === undefined);
  const storeError = best === genuine ? undefined : (error ?? refusalOf(verdict) ?? active.refusal);
  const report = reportOf(active, { head, storeError }, best, !dryRun && best !== genuine);
  if (dryRun || best === genuine) return report;
  await records.putPair(best.pair, signal);
  if (!(await records.swapHead(best.pair, raw?.revision))) {
    throw new RecordingKeyStoreError("ERR_STORE_CONFLICT", "the store's head has moved meanwhile", { retryable: true });
  }
  await active.adopt(best);
  return report;
}

/** The store's head and the pair that it names, as far as they can be read. */
async function headOf(records: KeyPairContext["records"], signal: AbortSignal | undefined): Promise<HeadFound> {
  let head: ClaimedHead | undefined;
  try {
    head = await records.readHead(signal);
    return { head, named: head && (await records.readHeadPair(head, signal)) };
  } catch (error) {
    if (error instanceof RecordingKeyStoreError && error.code !== "ERR_STORE_UNAVAILABLE") return { head, error };
    throw error;
  }
}

interface HeadFound {
  readonly head: ClaimedHead | undefined;
  readonly named?: ClaimedKeyPair | undefined;
  readonly error?: RecordingKeyStoreError;
}

interface HeadSeen {
  readonly head: ClaimedHead | undefined;
  /** Why it is not followed. */
  readonly storeError: RecordingKeyStoreError | undefined;
}

function refusalOf(verdict: ActivationVerdict | undefined): RecordingKeyStoreError | undefined {
  if (!verdict || verdict.status === "confirmed") return undefined;
  return verdict.status === "refused" ? unconfirmed(verdict.error) : verdict.error;
}

function reportOf(
  active: ActiveKeyPairs,
  { head, storeError }: HeadSeen,
  { pair, vouchedBy }: Vouched,
  done: boolean,
): StoreHeadReport {
  const before = active.current?.pair;
  return {
    ...defined({
      storeHead: head && {
        keyPairId: head.keyPairId,
        sequence: head.sequence,
        digest: head.digest.toString("base64url"),
      },
      storeError,
      before: before && keyPairInfo(before, before.digest.equals(pair.digest)),
    }),
    believed: keyPairInfo(pair, true),
    vouchedBy,
    done,
  };
}

function nobody(noHead: boolean): RecordingKeyStoreError {
  if (noHead) return notConfigured();
  return unconfirmed(
    untrusted("the store has no pair that KMS vouches for; configure() with newHistory begins anew"),
    "any key pair of the store",
  );
}
