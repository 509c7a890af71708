import { describe, it } from "vitest";
import { effort } from "../support/effort.js";
import { hostKinds, typicalStates } from "./hosts.js";
import { operate } from "./operator.js";
import { attacks } from "./toolbox.js";

/*
 * After every attack the operator can change key and settings: directly, or after replaceUntrustedHead(),
 * acceptRestoredStore() or configure() with newHistory. No genuine pair is missing then, but where the store shows an
 * old state to a host that remembers no newer one.
 */
for (const attack of effort(attacks, attacks.slice(0, 3))) {
  describe(attack.name, () => {
    for (const kind of hostKinds) {
      for (const state of typicalStates) {
        it(`leaves ${kind.name} a way out, after KMS was ${state.name}`, () => operate({ attack, kind, state }));
      }
    }
  });
}
