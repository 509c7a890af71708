import { hasPassed, type Moment } from "../clock.js";
import { RecordingKeyStoreError } from "../errors.js";
import { KmsError } from "../kms/kms-error.js";
import { abortable } from "../util/abort.js";
import { confirmedAtOf } from "./active/fleet-word.js";
import type { KeyPairContext } from "./context.js";
import { untrusted } from "./failures.js";
import { attestedDigest, type ClaimedKeyPair } from "./key-pair.js";
import { isProvenNeverActive, takeUp } from "./never-active.js";
import type { Verdict, VouchedBy, VouchedKeyPair } from "./trust.js";

/** A vouched pair, and who vouches for it. */
export interface Vouched {
  readonly pair: VouchedKeyPair;
  readonly vouchedBy: VouchedBy;
  /** When KMS last vouched for it, in ms since the Unix epoch. */
  readonly confirmedAt: number;
}

/** Whether a pair that the store names may become active. */
export type ActivationVerdict =
  ({ readonly status: "confirmed" } & Vouched) | Exclude<Verdict, { status: "confirmed" }>;

type KmsParts = Pick<KeyPairContext, "trust" | "records" | "calls" | "clock" | "pendingTakeUps">;
export type VouchingParts = KmsParts & Pick<KeyPairContext, "fleet">;

/** How KMS is asked about a pair of the store. */
interface AskOptions {
  /** Leaves no record in the store that the pair is taken up. */
  readonly dryRun?: boolean;
}

/**
 * Asks fleet and KMS about a pair that the store names as active.
 * @throws RecordingKeyStoreError `ERR_STORE_*`, the signal's reason
 */
export async function vouchForActive(
  parts: VouchingParts,
  claim: ClaimedKeyPair,
  signal?: AbortSignal,
): Promise<ActivationVerdict> {
  return (await abortable(byFleet(parts, claim), signal)) ?? byKms(parts, claim, signal);
}

async function byFleet(
  { fleet, trust, clock }: Pick<VouchingParts, "fleet" | "trust" | "clock">,
  claim: ClaimedKeyPair,
): Promise<ActivationVerdict | undefined> {
  const word = await fleet.word();
  if (!word?.attested.equals(attestedDigest(claim))) return undefined;
  try {
    const confirmedAt = confirmedAtOf(word, clock);
    return { status: "confirmed", pair: trust.vouchByFleet(claim, word), vouchedBy: "fleet", confirmedAt };
  } catch (error) {
    if (!(error instanceof RecordingKeyStoreError)) throw error; // a bug is no verdict
    return { status: "disowned", error };
  }
}

/**
 * Asks KMS about a pair that the store names as active, and whether it has sealed the mark that the pair never was active.
 * @throws `ERR_STORE_*`, the signal's reason
 */
export async function byKms(
  parts: KmsParts,
  claim: ClaimedKeyPair,
  signal?: AbortSignal,
  { dryRun = false }: AskOptions = {},
): Promise<ActivationVerdict> {
  const verdict = await parts.trust.ask(claim, signal);
  if (verdict.status !== "confirmed") return verdict;
  try {
    if (dryRun ? await isProvenNeverActive(parts, claim, signal) : !(await takeUp(parts, claim, signal))) {
      return {
        status: "disowned",
        error: untrusted(`key pair ${claim.birth.keyPairId} lost its race to become active, and is not used`),
      };
    }
  } catch (error) {
    if (error instanceof KmsError) return { status: "no-verdict", error };
    throw error;
  }
  return { ...verdict, vouchedBy: "kms", confirmedAt: parts.clock.now() };
}

/** Asks KMS about the active pair. Never rejects for KMS. */
export async function askAgain(
  { trust, clock }: Pick<KmsParts, "trust" | "clock">,
  pair: VouchedKeyPair,
): Promise<ActivationVerdict> {
  const verdict = await trust.ask(pair);
  return verdict.status === "confirmed" ? { ...verdict, vouchedBy: "kms", confirmedAt: clock.now() } : verdict;
}

/** Most pairs listed, and most asked about, in a search on the way of an encryption. */
const bounds = { listed: 5_000, asked: 16 };
/** Time for which a refusal of KMS counts in a search on the way of an encryption, in ms. */
const refusalCounts = 20_000;

interface SearchOptions extends AskOptions {
  /** Bounds the search, for one on the way of an encryption; an operator's goes on to the end. */
  readonly bounded: boolean;
}

/**
 * The newest pair in the store that KMS vouches for, whatever the head says. Claims known to be false cost no KMS call, and
 * claims refused before come last, so that searches past many forgeries get further each time.
 * @throws RecordingKeyStoreError `ERR_STORE_*`, the signal's reason; KmsError where KMS gives no verdict
 */
export async function newestVouched(
  parts: KmsParts,
  { bounded, dryRun = false }: SearchOptions,
  signal?: AbortSignal,
): Promise<Vouched | undefined> {
  const { records, trust } = parts;
  const refused: { readonly claim: ClaimedKeyPair; readonly at: Moment }[] = [];
  let { listed, asked } = bounds;
  for await (const stored of records.list(undefined, () => 50, signal)) {
    if (bounded && (listed === 0 || asked === 0)) break;
    listed -= 1;
    const claim = readable(() => records.claimOf(stored));
    if (!claim || trust.knownToBeNone(claim)) continue;
    const refusedAt = bounded ? trust.refusedAt(claim) : undefined;
    if (refusedAt) {
      if (hasPassed(refusedAt, refusalCounts, parts.clock)) refused.push({ claim, at: refusedAt });
      continue;
    }
    asked -= 1;
    const found = await confirmedByKms(parts, claim, signal, { dryRun });
    if (found) return found;
  }
  refused.sort((one, other) => one.at.monotonic - other.at.monotonic);
  for (const { claim } of refused.slice(0, asked)) {
    const found = await confirmedByKms(parts, claim, signal);
    if (found) return found;
  }
  return undefined;
}

async function confirmedByKms(...asked: Parameters<typeof byKms>): Promise<Vouched | undefined> {
  const verdict = await byKms(...asked);
  if (verdict.status === "no-verdict") throw verdict.error;
  return verdict.status === "confirmed" ? verdict : undefined;
}

/** Reads a record that may be anything; `undefined` where it can't be read. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof RecordingKeyStoreError) return undefined;
    throw error;
  }
}
