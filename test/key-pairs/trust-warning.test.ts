import { expect, it, vi } from "vitest";
import { DisownedClaims } from "../../src/key-pairs/disowned-claims.js";
import { TrustAnchor } from "../../src/key-pairs/trust-anchor.js";
import { TestClock } from "../../src/testing/index.js";
import { accountId, contextKeyName, homeRegion, kmsKeyAliasArn, world } from "./world.js";

it("trust on first use is warned of once in a process, and never with trustedKmsKeys", async () => {
  vi.resetModules();
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  const { Trust } = await import("../../src/key-pairs/trust.js");
  const { calls } = world().worker();
  const parts = {
    homeRegion,
    contextKeyNames: [contextKeyName],
    calls,
    disowned: new DisownedClaims(),
    clock: new TestClock(),
  };
  new Trust({ ...parts, anchor: new TrustAnchor([accountId]) }).adopt(kmsKeyAliasArn);
  expect(warn.mock.calls).toEqual([]);
  for (let organization = 0; organization < 2; organization += 1) {
    const trust = new Trust({ ...parts, anchor: undefined });
    trust.adopt(kmsKeyAliasArn);
    trust.adopt(`${kmsKeyAliasArn}-2`);
  }
  const text =
    "recording-keystore: without trustedKmsKeys the first KMS key alias met is trusted, whoever put it into the store";
  expect(warn.mock.calls).toEqual([[text]]);
  warn.mockRestore();
});
