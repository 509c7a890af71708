/**
 * Whether the tests run once for each of thousands of mutants (mutation/vitest.config.ts), where a second more for each
 * is an hour. Repetitions are then fewer than under `npm test`.
 */
export const mutating = process.env["RECORDING_KEYSTORE_MUTATION"] !== undefined;

/** Number of repetitions: all, or enough to notice a mutant. */
export const effort = <T>(all: T, enough: T): T => (mutating ? enough : all);
