import { describe, it } from "vitest";
import { effort } from "../support/effort.js";
import { hostKinds, typicalStates } from "./hosts.js";
import { operate } from "./operator.js";
import { record } from "./row.js";
import { attacks } from "./toolbox.js";

/* Of the table's attacks those that differ most in what they leave in the store, on a store of files. */
const names = [
  "forged under the real KMS key",
  "an old genuine head",
  "a genuine pair that never was active, marked",
  "a lost pair with its private half spoilt",
  "a head of garbage",
];
const chosen = attacks.filter(({ name }) => names.includes(name));

for (const attack of effort(chosen, chosen.slice(0, 1))) {
  describe(`${attack.name}, in a store of files`, () => {
    for (const kind of hostKinds) {
      for (const state of typicalStates) {
        const row = { attack, kind, state };
        it(`gets no recording from ${kind.name}, with KMS ${state.name}`, () => record(row, "file"));
      }
      const [state] = typicalStates;
      it(`leaves ${kind.name} a way out`, () => operate({ attack, kind, state: state! }, "file"));
    }
  });
}
