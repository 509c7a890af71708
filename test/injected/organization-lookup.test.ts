import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RecordingKeyStoreRegistry, type OrganizationResolver } from "../../src/index.js";
import { isError } from "../../src/util/realms.js";
import { homeRegion } from "../key-pairs/world.js";
import { audio, expectTyped, organization, recording, resultOf, turns } from "./organization.js";
import { expectNothingUnhandled } from "./unhandled.js";
import { oddErrors } from "./odd-values.js";
import { everyWay, late, type WayToFail } from "./ways-to-fail.js";

expectNothingUnhandled();
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** A registry whose lookup can be spoilt. */
async function registry() {
  const { kms, store, clock, inMemoryKms: _kms, ...parts } = await organization();
  let lookUp: OrganizationResolver = () => ({});
  const keyStores = new RecordingKeyStoreRegistry({
    ...{ kms, store, clock, homeRegion },
    lastConfirmed: parts.lastConfirmed,
    resolveOrganization: (...args) => lookUp(...args),
    maintenanceInterval: 60_000,
  });
  const spoilLookup = (way: WayToFail) => {
    const original = lookUp;
    lookUp = way.inPlaceOf(original as never) as OrganizationResolver;
    return () => void (lookUp = original);
  };
  return { keyStores, spoilLookup };
}

const throwing: readonly WayToFail[] = oddErrors.map(({ name, make }) => ({
  name: `throws ${name}`,
  inPlaceOf: () => () => {
    throw make();
  },
}));
/** What gives an organization nothing of its own is no failure of the lookup. */
const ways = [...everyWay, ...throwing].filter(({ name }) => !/is missing|does its work late|bytes/.test(name));
const answers = new Set(["resolves with an empty object", "resolves with a list of nothing"]);

describe.each(ways)("a lookup of organizations that $name", (way) => {
  it("fails the call with an error, leaves nothing behind, and heals", async () => {
    const { keyStores, spoilLookup } = await registry();
    const mend = spoilLookup(way);
    const calls = [1, 2].map(() =>
      keyStores.for("org-1").then(
        () => undefined,
        (error: unknown) => ({ error }),
      ),
    );
    await vi.advanceTimersByTimeAsync(late);
    await turns();
    const failed = await Promise.all(calls);
    if (!answers.has(way.name)) for (const each of failed) expect(isError(each?.error)).toBe(true);
    mend();
    const keyStore = await resultOf(() => keyStores.for("org-1"));
    expect(await resultOf(() => keyStore.encryptRecording(audio, recording))).toMatchObject({
      confirmation: "confirmed",
    });
    await resultOf(() => keyStores.close());
  });
});

describe("a lookup of organizations", () => {
  it.each([undefined, null, 7, "", "no id", "a".repeat(200), Symbol("odd"), {}, Proxy.revocable({}, {})])(
    "is not asked about what can be no id",
    async (id) => {
      const { keyStores } = await registry();
      expect(await expectTyped(() => keyStores.for(id as string))).toMatchObject({
        error: { code: "ERR_INVALID_INPUT", field: "organizationId" },
      });
    },
  );
});
