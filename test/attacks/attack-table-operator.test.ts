import { describe, it } from "vitest";
import { typicalStates } from "./hosts.js";
import { operate } from "./operator.js";
import { rowsOf } from "./rows.js";
import { attacks } from "./toolbox.js";

/*
 * After every attack the operator can change key and settings: directly, or after replaceUntrustedHead(),
 * acceptRestoredStore() or configure() with newHistory. No genuine pair is missing then, but where the store shows an
 * old state to a host that remembers no newer one.
 */
for (const [attack, rows] of rowsOf(attacks, () => typicalStates)) {
  describe(attack.name, () => {
    for (const row of rows)
      it(`leaves ${row.kind.name} a way out, after KMS was ${row.state.name}`, () => operate(row));
  });
}
