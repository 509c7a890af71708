import { describe, it } from "vitest";
import { typicalStates } from "./hosts.js";
import { operate } from "./operator.js";
import { record } from "./row.js";
import { rowsOf } from "./rows.js";
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

for (const [attack, rows] of rowsOf(chosen, () => typicalStates)) {
  describe(`${attack.name}, in a store of files`, () => {
    for (const row of rows) {
      const { kind, state } = row;
      it(`gets no recording from ${kind.name}, with KMS ${state.name}`, () => record(row, "file"));
      it(`leaves ${kind.name} a way out, after KMS was ${state.name}`, () => operate(row, "file"));
    }
  });
}
