import { createHash } from "node:crypto";
import type { KeyPairSpec, PeriodicKeyChange } from "../../format/vocabulary.js";

const dayMs = 86_400_000;

/**
 * The `index`-th slot after the anchor, UTC milliseconds. Months and years are calendar ones, always counted from the
 * anchor: from 31 January come 28 February, then 31 March.
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

/**
 * When the pair made at `createdAt` is to be changed: the first slot after it, plus the organization's jitter.
 * `undefined` for `never`. Slots that passed unused are skipped, so a long outage makes one change and not many.
 */
export function nextRotation(pair: {
  organizationId: string;
  spec: KeyPairSpec;
  createdAt: number;
  scheduleAnchor: number;
  periodicKeyChange: PeriodicKeyChange;
}): number | undefined {
  const { periodicKeyChange: change, scheduleAnchor: anchor, createdAt } = pair;
  if (change === "never") return undefined;
  const longest = { daily: 1, weekly: 7, monthly: 31, yearly: 366 }[change] * dayMs;
  // A slot never lies later than the longest period says, so this starts at or before the wanted one.
  let index = Math.max(1, Math.floor((createdAt - anchor) / longest));
  while (slotTime(anchor, change, index) <= createdAt) index += 1;
  return slotTime(anchor, change, index) + jitter(pair.organizationId, pair.spec);
}

/** Whether a pair's periodic change has come due. */
export function isRotationDue(pair: Parameters<typeof nextRotation>[0], now: number): boolean {
  const at = nextRotation(pair);
  return at !== undefined && now >= at;
}

/** KMS's quota of key pairs per second for the whole calling account; X25519 counts as plain symmetric calls. */
const quotaPerSecond: Record<KeyPairSpec, number> = { X25519: 1_000, RSA_2048: 20, RSA_3072: 4, RSA_4096: 1 };
const organizationsPerAccount = 10_000;
const shortestWindowMs = 15 * 60_000;

/** Over how many milliseconds 10,000 organizations with one and the same slot spread: at half the quota of their spec. */
export function jitterWindow(spec: KeyPairSpec): number {
  return Math.max(shortestWindowMs, (organizationsPerAccount / (quotaPerSecond[spec] / 2)) * 1_000);
}

/** An organization's own place in the window: the same in every process, without coordination. */
export function jitter(organizationId: string, spec: KeyPairSpec): number {
  const hash = createHash("sha256").update("recording-keystore schedule jitter\0").update(organizationId).digest();
  return Math.floor((hash.readUInt32BE(0) / 2 ** 32) * jitterWindow(spec));
}
