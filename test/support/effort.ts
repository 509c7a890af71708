/**
 * Whether the tests run once for each of thousands of changes to the code (mutation/vitest.config.ts), where a second
 * more for each is an hour. What is tried over and over is then tried less often; `npm test` tries it all.
 */
export const mutating = process.env["RECORDING_KEYSTORE_MUTATION"] !== undefined;

/** How much of something: all of it, or what is enough to notice a change to the code. */
export const effort = <T>(all: T, enough: T): T => (mutating ? enough : all);
