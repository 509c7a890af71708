import { describe, it } from "vitest";
import { keyPairStoreConformance } from "../../src/testing/key-pair-store-conformance.js";
import { openerOf, storeKinds } from "./store-kinds.js";

/** The conformance suite of the kinds whose name begins so. In several files, so that they take two cores. */
export function conforms(...prefixes: readonly string[]): void {
  const kinds = Object.entries(storeKinds).filter(([name]) => prefixes.some((prefix) => name.startsWith(prefix)));
  describe.each(kinds)("%s", (_name, kind) => {
    keyPairStoreConformance({ describe, it }, openerOf(kind), kind.checked);
  });
}
