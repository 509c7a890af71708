import { expect, it } from "vitest";
import { fuzz } from "./fuzzer.js";
import { targets } from "./targets.js";

/** `npm run fuzz` runs for as long as wanted. */
const rounds = 250;

it(
  `${rounds} mutated inputs for each parser: typed errors, no hang, no memory spike, never wrong plaintext`,
  { timeout: 120_000 },
  async () => {
    const summaries = await fuzz(targets, 1, (round) => round === rounds);
    for (const { target, failure } of summaries)
      expect.soft(failure && { ...failure, input: failure.input.toString("base64") }, target).toBeUndefined();
    for (const { target, taken } of summaries)
      expect.soft(taken, `${target}: none was taken, so nothing behind the first check was tried`).toBeGreaterThan(0);
    console.table(
      summaries.map(({ target, inputs, taken, slowest }) => ({ target, inputs, taken, slowest: Math.round(slowest) })),
    );
  },
);
