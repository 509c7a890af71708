import { RecordingKeyStoreError, type ErrorCode } from "../../src/errors.js";
import { Random } from "./random.js";

/** One or more parsers, and a kind of input for them. */
export interface FuzzTarget {
  readonly name: string;
  /** The next input, decided by `random` alone. */
  input(random: Random): Buffer;
  /** Feeds an input to the parsers. Returns whether they accept it. @throws Error if a promise is broken */
  run(input: Buffer, random: Random): Promise<boolean> | boolean;
}

export interface FuzzSummary {
  readonly target: string;
  inputs: number;
  taken: number;
  /** In ms. */
  slowest: number;
  failure?: FuzzFailure;
}

interface FuzzFailure {
  readonly index: number;
  readonly input: Buffer;
  readonly reason: string;
}

/** Limits for one input, in ms and bytes: far above what any needs, far below what hurts. */
const deadline = 5_000;
const mostMemory = 64 * 1_048_576;

/** A promise of the library does not hold. */
class BrokenPromise extends Error {}

export function promise(kept: boolean, what: string): asserts kept {
  if (!kept) throw new BrokenPromise(what);
}

/** The result of a task, or `undefined` if it refused with one of these codes. Every other error is a broken promise. */
export async function refusable<T>(codes: readonly ErrorCode[], task: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await task();
  } catch (error) {
    if (error instanceof BrokenPromise) throw error;
    promise(
      error instanceof RecordingKeyStoreError && codes.includes(error.code),
      `none of ${codes.join(", ")}, but ${describe(error)}`,
    );
    return undefined;
  }
}

/** Feeds an input, and records a failure in the summary. */
export async function feed(target: FuzzTarget, seed: number, index: number, summary: FuzzSummary): Promise<void> {
  const input = target.input(new Random(seed, target.name, index));
  const before = process.memoryUsage();
  const start = performance.now();
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new BrokenPromise(`not done after ${deadline} ms`)), deadline);
    });
    const taken = await Promise.race([
      target.run(Buffer.from(input), new Random(seed, target.name, index, "run")),
      late,
    ]);
    const elapsed = performance.now() - start;
    const after = process.memoryUsage();
    promise(elapsed < deadline, `took ${Math.round(elapsed)} ms`);
    promise(
      after.arrayBuffers - before.arrayBuffers < mostMemory,
      `${after.arrayBuffers - before.arrayBuffers} bytes of buffers`,
    );
    promise(after.heapUsed - before.heapUsed < mostMemory, `${after.heapUsed - before.heapUsed} bytes of heap`);
    summary.slowest = Math.max(summary.slowest, elapsed);
    if (taken) summary.taken += 1;
  } catch (error) {
    summary.failure = { index, input, reason: describe(error) };
  } finally {
    clearTimeout(timer);
    summary.inputs += 1;
  }
}

/**
 * Feeds all targets in turn until `enough` returns true. Skips targets that have failed.
 * @param about - called before each input, so that another process can report a hang
 */
export async function fuzz(
  targets: readonly FuzzTarget[],
  seed: number,
  enough: (round: number) => boolean,
  about: (target: number, index: number) => void = () => undefined,
): Promise<FuzzSummary[]> {
  const summaries = targets.map(({ name }): FuzzSummary => ({ target: name, inputs: 0, taken: 0, slowest: 0 }));
  for (let round = 0; !enough(round); round += 1) {
    for (const [position, target] of targets.entries()) {
      const summary = summaries[position] as FuzzSummary;
      if (summary.failure) continue;
      about(position, round);
      await feed(target, seed, round, summary);
    }
  }
  return summaries;
}

function describe(error: unknown): string {
  if (error instanceof BrokenPromise) return error.message;
  return error instanceof Error ? (error.stack ?? String(error)) : String(error);
}
