import { createHash } from "node:crypto";
import type { BirthRecord } from "../../format/birth-record.js";
import type { KeyPairSpec, PeriodicKeyChange } from "../../format/vocabulary.js";

const dayMs = 86_400_000;

/**
 * Time of the `index`-th slot after the anchor, in ms since the Unix epoch. Months and years are those of the UTC calendar,
 * counted from the anchor: 31 January, 28 February, 31 March.
 */
export function slotTime(anchor: number, change: Exclude<PeriodicKeyChange, "never">, index: number): number {
  if (change === "daily") return anchor + index * dayMs;
  if (change === "weekly") return anchor + index * 7 * dayMs;
  const start = new Date(anchor);
  const month = start.getUTCMonth() + (change === "monthly" ? index : 12 * index);
  const lastDay = new Date(Date.UTC(start.getUTCFullYear(), month + 1, 0)).getUTCDate();
  const day = Math.min(start.getUTCDate(), lastDay);
  return (
    Date.UTC(start.getUTCFullYear(), month, day) +
    (anchor - Date.UTC(start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate()))
  );
}

/** What of a birth record the schedule depends on. */
type Scheduled = Pick<
  BirthRecord,
  "organizationId" | "spec" | "createdAt" | "scheduleAnchor" | "periodicKeyChange" | "reason"
>;

/** How much too early a scheduler may call, in ms: so much the starts of a daily job differ, and more. */
const schedulerLead = 15 * 60_000;

/**
 * Time of the rotation of a pair, in ms since the Unix epoch: the first slot after its creation, plus the organization's
 * jitter; `undefined` for `never`. Missed slots make one rotation. Due at once for a pair whose maker's clock was ahead. A
 * pair that the schedule has made serves the slot of the next minutes too, for which a scheduler may have called early.
 */
export function nextRotation(pair: Scheduled, now = Infinity): number | undefined {
  if (pair.periodicKeyChange === "never") return undefined;
  if (isFromFuture(pair, now)) return now;
  let at = rotations.get(pair);
  if (at === undefined) rotations.set(pair, (at = rotationOf(pair, pair.periodicKeyChange)));
  return at;
}

/** Rotations by birth record: every recording asks for that of the active pair. */
const rotations = new WeakMap<Scheduled, number>();

function rotationOf(
  { scheduleAnchor: anchor, createdAt, organizationId, spec, reason }: Scheduled,
  change: Exclude<PeriodicKeyChange, "never">,
): number {
  const longest = { daily: 1, weekly: 7, monthly: 31, yearly: 366 }[change] * dayMs;
  // No period is longer than that, so the search starts at the wanted slot or before it.
  let index = Math.max(1, Math.floor((createdAt - anchor) / longest));
  const served = reason === "schedule" ? createdAt + schedulerLead : createdAt;
  while (slotTime(anchor, change, index) <= served) index += 1;
  return slotTime(anchor, change, index) + jitter(organizationId, spec);
}

/** Longest time by which the maker of a pair may have been ahead, in ms: such a rotation is that much late at most. */
const longestLead = dayMs;

/** Whether the clock of a pair's maker was so far ahead that the schedule would stand still until then. */
export function isFromFuture({ createdAt }: Pick<Scheduled, "createdAt">, now: number): boolean {
  return createdAt - now > longestLead;
}

/** Whether the periodic rotation of a pair is due. */
export function isRotationDue(pair: Scheduled, now: number): boolean {
  const at = nextRotation(pair, now);
  return at !== undefined && now >= at;
}

/**
 * Whether a rotation is due for a scheduler that calls once in a period: also where a whole period, but for a few minutes,
 * has passed since the pair was made. Slots are spread by minutes, and a call at the minute of the one before would be too
 * early for every second one.
 */
export function isDueForScheduler(pair: Scheduled, now: number): boolean {
  const { periodicKeyChange: change, createdAt } = pair;
  return isRotationDue(pair, now) || (change !== "never" && now >= slotTime(createdAt, change, 1) - schedulerLead);
}

/** KMS's quota of key pairs per second and calling account. X25519 counts as plain symmetric calls. */
const quotaPerSecond: Record<KeyPairSpec, number> = { X25519: 1_000, RSA_2048: 20, RSA_3072: 4, RSA_4096: 1 };
const organizationsPerAccount = 10_000;
const shortestWindowMs = 15 * 60_000;

/** Time over which 10,000 organizations with the same slot spread, at half the quota of their spec, in ms. */
export function jitterWindow(spec: KeyPairSpec): number {
  return Math.max(shortestWindowMs, (organizationsPerAccount / (quotaPerSecond[spec] / 2)) * 1_000);
}

/** An organization's own place in the window, in ms: the same in every process, without coordination. */
export function jitter(organizationId: string, spec: KeyPairSpec): number {
  const hash = createHash("sha256").update("recording-keystore schedule jitter\0").update(organizationId).digest();
  return Math.floor((hash.readUInt32BE(0) / 2 ** 32) * jitterWindow(spec));
}
