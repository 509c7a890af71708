import assert from "node:assert/strict";
import type { Check } from "./check.js";
import type { KeyPairStoreConformanceOptions } from "./subject.js";
import { assertSame, fill, organizationId, readsOf } from "./fixtures.js";

/** Whether what is opened is what the suite was told. */
export function checkEmptiness(check: Check, options: KeyPairStoreConformanceOptions): void {
  const explanation = {
    means: "The suite would check something else than was asked for.",
    look: "The arguments of keyPairStoreConformance.",
  };
  check("is empty, anew for each test", explanation, async (store) => {
    for (const read of readsOf(store, organizationId)) assertSame((await read()) ?? [], []);
    await fill(store, organizationId);
  });

  check("is empty for the next test too", explanation, async (store, other) => {
    for (const each of [store, other])
      for (const read of readsOf(each, organizationId)) assertSame((await read()) ?? [], []);
  });

  check("has what the options say", explanation, async (_store, _other, opened) => {
    const { processes = false, outages = false, removal = "exact", headChanges = false } = options;
    const removes = [opened.store, opened.other ?? opened.store].map(
      (each) => typeof each.removeKeyPair === "function",
    );
    for (const each of removes)
      assert.equal(each, removal !== "none", 'whether the store has removeKeyPair; without it, say `removal: "none"`');
    assert.equal(
      typeof opened.store.headChanges === "function",
      headChanges,
      "whether the store has headChanges, and `headChanges` is set",
    );
    assert.equal(
      opened.startProcess !== undefined,
      processes,
      "whether there is `startProcess`, and `processes` is set",
    );
    assert.equal(opened.outages !== undefined, outages, "whether there are `outages`, and `outages` is set");
  });
}
