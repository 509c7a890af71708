import { RecordingKeyStoreError } from "../errors.js";
import type { KeyPairContext } from "./context.js";
import { attestedDigest, untrusted, type ClaimedKeyPair } from "./key-pair.js";
import { isProvenNeverActive, takeUp } from "./never-active.js";
import type { Verdict, VouchedBy, VouchedKeyPair } from "./trust.js";
import { KmsError } from "../kms/kms-error.js";
import { hasPassed } from "../clock.js";

/** A pair that somebody has vouched for, who, and when KMS last did. */
export interface Vouched {
  readonly pair: VouchedKeyPair;
  readonly vouchedBy: VouchedBy;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly confirmedAt: number;
}

/** What comes of asking whether a pair that the store names may become active. */
export type ActivationVerdict =
  ({ readonly status: "confirmed" } & Vouched) | Exclude<Verdict, { status: "confirmed" }>;

type Parts = Pick<KeyPairContext, "trust" | "fleet" | "records" | "calls" | "clock">;

/**
 * Asks fleet and KMS about a pair that the store names as active.
 * @throws RecordingKeyStoreError `ERR_STORE_*`, the signal's reason
 */
export async function vouchForActive(
  parts: Parts,
  claim: ClaimedKeyPair,
  signal?: AbortSignal,
): Promise<ActivationVerdict> {
  return (await byFleet(parts, claim)) ?? byKms(parts, claim, signal);
}

async function byFleet({ fleet, trust, clock }: Parts, claim: ClaimedKeyPair): Promise<ActivationVerdict | undefined> {
  const word = await fleet.word();
  if (!word?.attested.equals(attestedDigest(claim))) return undefined;
  try {
    const confirmedAt = Math.min(word.confirmedAt, clock.now());
    return { status: "confirmed", pair: trust.vouchByFleet(claim, word), vouchedBy: "fleet", confirmedAt };
  } catch (error) {
    return { status: "disowned", error: error as RecordingKeyStoreError };
  }
}

/**
 * What KMS says, and whether it has sealed the word that the pair never was active.
 * @param dryRun - leave no word in the store that the pair is taken up
 * @throws `ERR_STORE_*`, the signal's reason
 */
export async function byKms(
  parts: Parts,
  claim: ClaimedKeyPair,
  signal?: AbortSignal,
  { dryRun = false } = {},
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

/** Asks KMS about a pair that is active. Rejects for nothing. */
export async function askAgain({ trust, clock }: Parts, pair: VouchedKeyPair): Promise<ActivationVerdict> {
  const verdict = await trust.ask(pair);
  return verdict.status === "confirmed" ? { ...verdict, vouchedBy: "kms", confirmedAt: clock.now() } : verdict;
}

/** Bounds of a search on the way of an encryption. */
const bounds = { listed: 5_000, asked: 16 };
/** How long what KMS has refused is not asked about again on the way of an encryption, milliseconds. */
const refusalCounts = 20_000;

/**
 * The newest pair in the store that KMS vouches for, whatever the head says. What is known to be none costs no KMS call, and
 * what was refused lately comes last, so that searches past many forgeries get further each time.
 * @param bounded - on the way of an encryption; an operator's search goes on to the end
 * @param dryRun - as for {@link byKms}
 * @throws RecordingKeyStoreError `ERR_STORE_*`, the signal's reason; KmsError where KMS gives no verdict
 */
export async function newestVouched(
  parts: Parts,
  { bounded, dryRun = false }: { bounded: boolean; dryRun?: boolean },
  signal?: AbortSignal,
): Promise<Vouched | undefined> {
  const { records, trust } = parts;
  const refused: ClaimedKeyPair[] = [];
  let { listed, asked } = bounds;
  for await (const stored of records.list(undefined, () => 50, signal)) {
    if (bounded && (listed === 0 || asked === 0)) break;
    listed -= 1;
    const claim = readable(() => records.claimOf(stored));
    if (!claim || trust.knownToBeNone(claim)) continue;
    const refusedAt = bounded ? trust.refusedAt(claim) : undefined;
    if (refusedAt) {
      if (hasPassed(refusedAt, refusalCounts, parts.clock)) refused.push(claim);
      continue;
    }
    asked -= 1;
    const found = await confirmedByKms(parts, claim, signal, { dryRun });
    if (found) return found;
  }
  refused.sort((one, other) => (trust.refusedAt(one)?.monotonic ?? 0) - (trust.refusedAt(other)?.monotonic ?? 0));
  for (const claim of refused.slice(0, asked)) {
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

/** Of a record that may be anything. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof RecordingKeyStoreError) return undefined;
    throw error;
  }
}
