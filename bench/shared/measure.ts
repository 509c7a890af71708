import type { Scale } from "./subject.js";

export const KiB = 1_024;
export const MiB = 1_048_576;
export const GiB = 1_073_741_824;

/** One value for each scale. */
export function byScale<T>(scale: Scale, values: Record<Scale, T>): T {
  return values[scale];
}

/** Wall-clock seconds. Without a forced collection before: it makes V8 collect so often that all takes twice as long. */
export async function seconds(task: () => unknown): Promise<number> {
  const start = performance.now();
  await task();
  return (performance.now() - start) / 1_000;
}

/**
 * Seconds by task, one value per round. Each round runs every task once, beginning with another one, so that whatever
 * slows the machine down for a while hits all of them; a first round that does not count warms up.
 */
export async function interleaved<N extends string>(
  rounds: number,
  tasks: Record<N, () => unknown>,
): Promise<Record<N, number[]>> {
  const names = Object.keys(tasks) as N[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<N, number[]>;
  for (let round = 0; round <= rounds; round += 1) {
    const from = round % names.length;
    for (const name of [...names.slice(from), ...names.slice(0, from)]) {
      const time = await seconds(tasks[name]);
      if (round > 0) times[name].push(time);
    }
  }
  return times;
}

/** Runs a task so often that the clock has something to measure. */
export function repeated(times: number, task: () => unknown): () => Promise<void> {
  return async () => {
    for (let run = 0; run < times; run += 1) await task();
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[sorted.length / 2 - 1] ?? NaN)) / 2;
}

/** Of what each second gives, by round. */
export function perSecond(amount: number, times: readonly number[]): number[] {
  return times.map((time) => amount / time);
}

/** How many times as fast as the other one was in the same round. */
export function speedRatios(own: readonly number[], other: readonly number[]): number[] {
  return own.map((time, round) => (other[round] ?? NaN) / time);
}

/** `3.21 (3.02–3.40)`: median and range. Cut, not rounded: a promise of 0.85 is not met by 0.849. */
export function spread(values: readonly number[], digits = 2): string {
  const cut = (value: number) =>
    (Math.floor(value * 10 ** digits + 1e-9) / 10 ** digits).toLocaleString("en-US", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
  return `${cut(median(values))} (${cut(Math.min(...values))}–${cut(Math.max(...values))})`;
}

/** `64 KiB` */
export function bytesShown(bytes: number): string {
  if (bytes >= GiB) return `${bytes / GiB} GiB`;
  return bytes >= MiB ? `${bytes / MiB} MiB` : `${bytes / KiB} KiB`;
}
