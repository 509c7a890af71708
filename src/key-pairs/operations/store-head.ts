import { RecordingKeyStoreError } from "../../errors.js";
import type { ActiveKeyPairs } from "../active/active-key-pair.js";
import type { KeyPairContext } from "../context.js";
import { keyPairInfo, type KeyPairInfo } from "./history.js";
import { untrusted, type ClaimedKeyPair } from "../key-pair.js";
import type { ClaimedHead } from "../records.js";
import { unconfirmed, type VouchedBy } from "../trust.js";
import { byKms, newestVouched, type ActivationVerdict, type Vouched } from "../vouching.js";

/*
 * The operator's two ways out where store and memory disagree. Neither takes up a pair that nobody has vouched for.
 */

/** What an operator's call about the store's head is about to believe, or has believed. */
export interface StoreHeadReport {
  /** What the store's head says; absent where it has none, or one that can't be read. Nobody vouches for these words. */
  readonly storeHead?: { readonly keyPairId: string; readonly sequence: number; readonly digest: string };
  /** Why the store's head was not followed; absent where it was. */
  readonly storeError?: RecordingKeyStoreError;
  /** The pair that was in use until now. */
  readonly before?: KeyPairInfo;
  /** The pair that is believed, and encrypted with from now on. */
  readonly believed: KeyPairInfo;
  /** Who vouches for it. */
  readonly vouchedBy: VouchedBy;
  /** False with `dryRun`: nothing has changed. */
  readonly done: boolean;
}

/**
 * Takes the pair that a restored store names, behind what was seen before, once KMS has vouched for it.
 * @throws RecordingKeyStoreError `ERR_NOT_CONFIGURED` where the store names none, `ERR_KEY_PAIR_UNTRUSTED`,
 * `ERR_KEY_UNCONFIRMED` where KMS refuses, `ERR_STORE_*`; KmsError `ERR_KMS_UNAVAILABLE`. Nothing has changed then
 */
export async function acceptRestored(
  context: KeyPairContext,
  active: ActiveKeyPairs,
  { dryRun }: { dryRun: boolean },
  signal?: AbortSignal,
): Promise<StoreHeadReport> {
  await active.loadLastConfirmed(signal);
  const head = await context.records.readHead(signal);
  if (!head) {
    throw new RecordingKeyStoreError(
      "ERR_NOT_CONFIGURED",
      "the store names no key pair to go back to: replaceUntrustedHead() puts the one in use there, configure() makes a new one",
    );
  }
  const verdict = await byKms(context, await context.records.readHeadPair(head, signal), signal, { dryRun });
  if (verdict.status !== "confirmed") throw refusalOf(verdict);
  const report = reportOf(active, { head, storeError: active.refusal }, verdict, !dryRun);
  if (!dryRun) await active.goBackTo(verdict);
  return report;
}

/**
 * Points the store's head, which nobody vouches for, at the newest pair that somebody does vouch for: the one in use, or
 * else the newest one in the store that KMS vouches for.
 * @throws RecordingKeyStoreError `ERR_STORE_CONFLICT` where the head has moved meanwhile; `ERR_NOT_CONFIGURED` where there is
 * no head; `ERR_KEY_UNCONFIRMED` where nobody vouches for any pair; `ERR_STORE_*`; KmsError
 */
export async function replaceUntrustedHead(
  context: KeyPairContext,
  active: ActiveKeyPairs,
  { dryRun }: { dryRun: boolean },
  signal?: AbortSignal,
): Promise<StoreHeadReport> {
  const { records } = context;
  await active.loadLastConfirmed(signal);
  const raw = await records.readRawHead(signal);
  const { head, named, error } = await headOf(context, signal);
  const verdict = named && (await byKms(context, named, signal, { dryRun }));
  if (verdict?.status === "no-verdict") throw verdict.error;
  const genuine = verdict?.status === "confirmed" ? verdict : undefined;
  const held = active.vouched;
  // A genuine head is followed, unless it is not ahead of the pair in use: then that takes its place.
  const isAhead =
    genuine &&
    (!held || genuine.pair.birth.sequence > held.pair.birth.sequence || genuine.pair.digest.equals(held.pair.digest));
  const best = isAhead ? genuine : (held ?? (await newestVouched(context, { bounded: false, dryRun }, signal)));
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

/** What the store's head says, and which pair it names, as far as that can be read; it may be anything. */
async function headOf({ records }: KeyPairContext, signal: AbortSignal | undefined): Promise<HeadFound> {
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

function refusalOf(verdict: ActivationVerdict | undefined): RecordingKeyStoreError | undefined {
  if (!verdict || verdict.status === "confirmed") return undefined;
  return verdict.status === "refused" ? unconfirmed(verdict.error) : verdict.error;
}

function reportOf(
  active: ActiveKeyPairs,
  { head, storeError }: { head: ClaimedHead | undefined; storeError: RecordingKeyStoreError | undefined },
  { pair, vouchedBy }: Vouched,
  done: boolean,
): StoreHeadReport {
  const before = active.current?.pair;
  const isActive = (digest: Buffer) => digest.equals(pair.digest);
  return {
    ...(head
      ? { storeHead: { keyPairId: head.keyPairId, sequence: head.sequence, digest: head.digest.toString("base64url") } }
      : {}),
    ...(storeError ? { storeError } : {}),
    ...(before ? { before: keyPairInfo(before, isActive(before.digest)) } : {}),
    believed: keyPairInfo(pair, true),
    vouchedBy,
    done,
  };
}

function nobody(noHead: boolean): RecordingKeyStoreError {
  if (noHead)
    return new RecordingKeyStoreError(
      "ERR_NOT_CONFIGURED",
      "no KMS key is configured for this organization: call configure() first",
    );
  return unconfirmed(
    untrusted("the store has no pair that KMS vouches for; configure() with newHistory begins anew"),
    "any key pair of the store",
  );
}
