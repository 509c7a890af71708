import { describe, it } from "vitest";
import { keyPairStoreConformance } from "../../src/testing/key-pair-store-conformance.js";
import { openerOf, storeKinds } from "./store-kinds.js";

describe.each(Object.entries(storeKinds))("%s", (_name, kind) => {
  keyPairStoreConformance({ describe, it }, openerOf(kind), kind.checked);
});
