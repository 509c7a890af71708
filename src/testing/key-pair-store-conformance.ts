import { checkEveryCall } from "./key-pair-store-conformance/every-call.js";
import { checkHead, checkStatus } from "./key-pair-store-conformance/head-and-status.js";
import { checkHeadChanges } from "./key-pair-store-conformance/head-changes.js";
import { checkHistory, checkLargeHistory } from "./key-pair-store-conformance/history.js";
import { checkInterruptions } from "./key-pair-store-conformance/interruptions.js";
import { checkOutages } from "./key-pair-store-conformance/outages.js";
import { checkCrashes } from "./key-pair-store-conformance/crashes.js";
import { checkKeyPairs, checkWrappings } from "./key-pair-store-conformance/records.js";
import { checkRemoval } from "./key-pair-store-conformance/removal.js";
import { checkEmptiness } from "./key-pair-store-conformance/emptiness.js";
import { checkOf, defaultCallTimeout, notChecked } from "./key-pair-store-conformance/check.js";
import type {
  ConformanceRunner,
  KeyPairStoreConformanceOptions,
  KeyPairStoreUnderTest,
} from "./key-pair-store-conformance/subject.js";

/**
 * Declares the tests of everything that `KeyPairStore` promises, under any test runner. The test of a part that is not asked
 * for is named `not checked: …`. A failure says what the mistake means for recordings, and where to look.
 *
 * @example
 * ```ts
 * keyPairStoreConformance({ describe, it }, async () => ({ store: new MyStore(await emptyDatabase()) }));
 * ```
 * @param open - makes an empty store for one test
 */
export function keyPairStoreConformance(
  runner: ConformanceRunner,
  open: () => Promise<KeyPairStoreUnderTest>,
  options: KeyPairStoreConformanceOptions = {},
): void {
  const { describe } = runner;
  const { processes = false, outages = false, largeHistory = false, removal = "exact", headChanges = false } = options;
  const large = largeHistory === true ? 2_500 : Number(largeHistory);
  const check = checkOf(runner, open, options);
  const none = notChecked(runner);
  describe("key pair store", () => {
    describe("under test", () => checkEmptiness(check, options));
    describe("head", () => checkHead(check, large === 0 ? 400 : large));
    describe("changes of heads", () => {
      if (headChanges) checkHeadChanges(check, large === 0 ? 100 : large, processes);
      else none("what is told of changes to heads", "`headChanges` is not set");
    });
    describe("key pairs", () => checkKeyPairs(check));
    describe("wrappings", () => checkWrappings(check));
    describe("history", () => checkHistory(check));
    describe("large history", () => {
      if (large === 0) none("large histories", "`largeHistory` is not set");
      else checkLargeHistory(check, large);
    });
    describe("status", () => checkStatus(check));
    describe("removal", () => {
      if (removal === "none") none("removal", '`removal` is "none"');
      else checkRemoval(check, removal);
    });
    describe("every call", () => checkEveryCall(check));
    describe("interrupted calls", () => checkInterruptions(check));
    describe("a second process", () => {
      if (!processes) {
        none("a second process, and its crash", "`processes` is not set");
        return;
      }
      const across = checkOf(runner, open, options, { inProcess: true });
      describe("head", () => checkHead(across, 100));
      if (headChanges) describe("changes of heads", () => checkHeadChanges(across, 100, false));
      describe("key pairs", () => checkKeyPairs(across));
      describe("wrappings", () => checkWrappings(across));
      if (removal !== "none") describe("removal", () => checkRemoval(across, removal));
      describe("a crash", () => checkCrashes(check));
    });
    describe("outages", () => {
      if (outages) checkOutages(check, 2 * (options.callTimeout ?? defaultCallTimeout));
      else none("what is behind the store being away", "`outages` is not set");
    });
  });
}
