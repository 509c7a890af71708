/**
 * Whether the tests run once for each of thousands of mutants (mutation/vitest.config.ts), where a second more for each
 * is an hour. Repetitions are then fewer than under `npm test`.
 */
export const mutating = process.env["RECORDING_KEYSTORE_MUTATION"] !== undefined;

/** Number of repetitions: all, or enough to notice a mutant. */
export const effort = <T>(all: T, enough: T): T => (mutating ? enough : all);

const long = process.env["RECORDING_KEYSTORE_LONG_TESTS"] !== undefined;

/**
 * Number of repetitions: all under `npm run test:long`, which runs every file that calls this, and a few under `npm test`,
 * which is to take minutes only.
 */
export const atLength = <T>(all: T, few: T): T => (long ? all : few);

/** Each so many-th of a list, beginning with the first. */
export const everyOf = <T>(step: number, list: readonly T[]): T[] => list.filter((_, index) => index % step === 0);
