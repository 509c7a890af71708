/*
 * What may encrypt after each thing that can come together: an oracle written from the words of DESIGN.md section 5
 * ("Trust"), row 7 and section 3, and from nothing in src.
 */

export type PairName = "O" | "P" | "Q" | "F";
/** Older than what is in use, in use, newer, and forged: ahead of all, with every word of it as it should be. */
export const sequences: Readonly<Record<PairName, number>> = { O: 1, P: 2, Q: 3, F: 9 };

export const helds = ["nothing", "unconfirmed P", "P by kms", "P by host", "P by fleet"] as const;
const heads = ["none", "P", "Q", "O", "F", "garbage"] as const;
/** What KMS does: disowns the head's pair alone, refuses, stays away or comes late for all. */
const kmsModes = ["answers", "disowns", "refuses", "is away", "comes late"] as const;
/** `stale` and `replayed` are the fleet's own words of yesterday, of P and of O. */
const words = ["none", "of P", "of Q", "stale", "replayed", "forged"] as const;

export interface VerdictCase {
  readonly held: (typeof helds)[number];
  readonly head: (typeof heads)[number];
  readonly kms: (typeof kmsModes)[number];
  readonly word: (typeof words)[number];
  readonly requireConfirmedKey: boolean;
}

type VouchedBy = "kms" | "host" | "fleet";

export interface Expected {
  /** Which pair encrypts, or the error's code. */
  readonly uses: string;
  readonly confirmation?: "confirmed" | "unconfirmed";
  readonly vouchedBy?: readonly VouchedBy[];
  readonly usedLastKnownKey?: boolean;
  readonly mostKmsCalls: number;
}

interface Known {
  readonly pair: PairName;
  readonly by: VouchedBy;
  /** Whether this process has KMS asked, or another worker has a short while ago. */
  readonly isFresh: boolean;
}

type Verdict = "confirmed" | "disowned" | "refused" | "no verdict";

/** Every combination. */
export function* allCases(): Generator<VerdictCase> {
  for (const held of helds) {
    for (const head of heads) {
      for (const kms of kmsModes) {
        for (const word of words) {
          for (const requireConfirmedKey of [false, true]) yield { held, head, kms, word, requireConfirmedKey };
        }
      }
    }
  }
}

export function expectedOf(given: VerdictCase): Expected {
  const expected = withoutRequirement(given);
  // `requireConfirmedKey` refuses what is unconfirmed.
  const isRefused = given.requireConfirmedKey && expected.confirmation === "unconfirmed";
  return isRefused ? { uses: "ERR_KEY_UNCONFIRMED", mostKmsCalls: expected.mostKmsCalls } : expected;
}

function withoutRequirement(given: VerdictCase): Expected {
  const { head, held } = given;
  const known = knownOf(given);
  if (head === "none" || head === "garbage") {
    if (known) return goesOn(given, known);
    if (held === "unconfirmed P") return asksAboutP(given);
    return nobodyKnows(given, 0);
  }
  if (known?.pair === head) return usesOwn(given, known);
  // "Refuses a head whose sequence went backwards."
  if (known && sequences[head] < sequences[known.pair]) return goesOn(given, known);
  if (wordOf(given) === head) {
    return { uses: head, confirmation: "confirmed", vouchedBy: ["fleet"], usedLastKnownKey: false, mostKmsCalls: 0 };
  }
  const calls = callsPerQuestion(given);
  const verdict = verdictOn(head, given);
  if (verdict === "confirmed") {
    const mostKmsCalls = calls + (known && !known.isFresh ? calls : 0);
    return { uses: head, confirmation: "confirmed", vouchedBy: ["kms"], usedLastKnownKey: false, mostKmsCalls };
  }
  // "A pair vouched for earlier goes on", whatever is said of another.
  if (known) return goesOn(given, known, calls);
  if (verdict === "disowned")
    return held === "unconfirmed P" && head !== "P" ? asksAboutP(given, calls) : nobodyKnows(given, calls);
  if (verdict === "refused") return { uses: "ERR_KEY_UNCONFIRMED", mostKmsCalls: calls * (1 + stored) };
  return { uses: head, confirmation: "unconfirmed", usedLastKnownKey: true, mostKmsCalls: calls };
}

/** The newest pair for which somebody vouches who need not be asked now. */
function knownOf(given: VerdictCase): Known | undefined {
  const { held, word } = given;
  const by = ({ "P by kms": "kms", "P by host": "host", "P by fleet": "fleet" } as const)[held as string];
  const own: Known | undefined = by && { pair: "P", by, isFresh: by !== "host" || word === "of P" };
  // Who starts, or holds nothing vouched for, hears the fleet; others do when there is something to be asked.
  const hears = held === "nothing" || held === "unconfirmed P" || held === "P by host";
  const said = hears ? wordOf(given) : undefined;
  if (said === undefined || (own && sequences[said] <= sequences[own.pair])) return own;
  return { pair: said, by: "fleet", isFresh: word === "of P" || word === "of Q" };
}

/** For which pair the fleet vouches: an old word does as well, since it was true once. */
function wordOf({ word }: VerdictCase): PairName | undefined {
  return ({ none: undefined, "of P": "P", "of Q": "Q", stale: "P", replayed: "O", forged: undefined } as const)[word];
}

/** The head names the pair that is vouched for. What only a memory knows is asked about once, the rest not yet. */
function usesOwn(given: VerdictCase, { pair, by, isFresh }: Known): Expected {
  const used = { uses: pair, confirmation: "confirmed", vouchedBy: [by], usedLastKnownKey: false } as const;
  if (isFresh) return { ...used, mostKmsCalls: 0 };
  const calls = callsPerQuestion(given);
  const verdict = verdictOn(pair, given);
  if (verdict === "confirmed") return { ...used, vouchedBy: ["kms"], mostKmsCalls: calls };
  // "A pair held on a memory's word ends when KMS disowns that memory itself."
  if (verdict === "disowned") return nobodyKnows(given, calls);
  return { ...used, usedLastKnownKey: true, mostKmsCalls: calls };
}

/** Another pair than the head's stays in use, and says so. KMS may be asked about a memory on the way. */
function goesOn(given: VerdictCase, { pair, by, isFresh }: Known, calls = 0): Expected {
  const vouchedBy: VouchedBy[] = !isFresh && verdictOn(pair, given) === "confirmed" ? [by, "kms"] : [by];
  const mostKmsCalls = calls + (isFresh ? 0 : callsPerQuestion(given));
  return { uses: pair, confirmation: "confirmed", vouchedBy, usedLastKnownKey: true, mostKmsCalls };
}

/** Nobody has vouched for P, which serves while nobody can be asked about it. */
function asksAboutP(given: VerdictCase, calls = 0): Expected {
  const mostKmsCalls = calls + callsPerQuestion(given);
  const verdict = verdictOn("P", given);
  if (verdict === "no verdict") return { uses: "P", usedLastKnownKey: true, mostKmsCalls, confirmation: "unconfirmed" };
  if (verdict !== "confirmed") return nobodyKnows(given, mostKmsCalls);
  const used: Expected = { uses: "P", mostKmsCalls, confirmation: "confirmed", vouchedBy: ["kms"] };
  // Where there is no head, nobody knew of one before.
  return given.head === "none" ? used : { ...used, usedLastKnownKey: true };
}

/** How many pairs the store has. */
const stored = 4;

/** The head can't be right and nobody remembers better: the newest stored pair serves for which KMS vouches. */
function nobodyKnows(given: VerdictCase, calls: number): Expected {
  if (given.head === "none") return { uses: "ERR_NOT_CONFIGURED", mostKmsCalls: calls };
  const mostKmsCalls = calls + stored * callsPerQuestion(given);
  const found = (["F", "Q", "P", "O"] as const).find((pair) => verdictOn(pair, given) === "confirmed");
  if (!found) return { uses: "ERR_STORE_CORRUPT", mostKmsCalls };
  return { uses: found, confirmation: "confirmed", vouchedBy: ["kms"], usedLastKnownKey: true, mostKmsCalls };
}

function verdictOn(pair: PairName, { kms, head }: VerdictCase): Verdict {
  if (kms === "refuses") return "refused";
  if (kms === "is away") return "no verdict";
  return pair === "F" || (kms === "disowns" && pair === head) ? "disowned" : "confirmed";
}

/** How KMS refuses, so that both ways are met: one says that the key is disabled, the other that the caller may not. */
export function refusalOf({ requireConfirmedKey }: VerdictCase): "key-disabled" | "access-denied" {
  return requireConfirmedKey ? "key-disabled" : "access-denied";
}

/** Who may not decrypt attestations is asked for the private half instead. */
function callsPerQuestion(given: VerdictCase): number {
  return given.kms === "refuses" && refusalOf(given) === "access-denied" ? 2 : 1;
}
