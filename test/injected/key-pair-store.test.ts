import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { storeMethods } from "../support/store-methods.js";
import {
  audio,
  configuration,
  expectConfirmed,
  expectHealed,
  expectTyped,
  minute,
  organization,
  recording,
  resultOf,
  settle,
  states,
} from "./organization.js";
import { expectNothingUnhandled } from "./unhandled.js";
import { everyWay, late, someWays, spoil } from "./ways-to-fail.js";

expectNothingUnhandled();
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

describe.each(storeMethods)("a store whose %s()", (method) => {
  it.each(["readHead", "writeStatus"].includes(method) ? everyWay : someWays)(
    "$name stops no process that knows its key, and heals",
    async (way) => {
      const { keyStoreIn, store, clock } = await organization();
      const keyStore = keyStoreIn("warm");
      const mend = spoil(store, method, way);
      for (const pause of [16 * minute, 24 * 60 * minute]) {
        clock.advance(pause);
        expect(await resultOf(() => keyStore.encryptRecording(audio, recording))).toMatchObject({
          confirmation: "confirmed",
        });
        await settle();
      }
      await expectTyped(() => keyStore.rotate());
      mend();
      await expectHealed(keyStore, clock);
      expect(await resultOf(() => keyStore.status())).not.toHaveProperty("storeError");
      await vi.advanceTimersByTimeAsync(late);
    },
  );

  describe.each(states)("in a process that is %s", (state) => {
    it.each([true, false])("fails as this library does, with background %s", async (background) => {
      for (const way of someWays) {
        const { keyStoreIn, store, body, clock } = await organization({ background });
        clock.advance(16 * minute);
        const keyStore = keyStoreIn(state);
        const mend = spoil(store, method, way);
        const encrypted = await expectTyped(() => keyStore.encryptRecording(audio, recording));
        if (state !== "fresh") expect(encrypted, way.name).toMatchObject({ result: { confirmation: "confirmed" } });
        await resultOf(() => keyStore.status());
        for (const call of [
          () => keyStore.decryptRecording(body, recording),
          () => keyStore.confirm(),
          () => keyStore.configure(configuration),
          () => keyStore.rotateIfDue(),
          () => keyStore.keyPairs(),
          () => keyStore.rewrapKeyPairs(),
          () => keyStore.removeOrphanedKeyPairs({ dryRun: true }),
          () => keyStore.acceptRestoredStore({ dryRun: true }),
          () => keyStore.replaceUntrustedHead({ dryRun: true }),
        ])
          await expectTyped<unknown>(call);
        mend();
        await expectConfirmed(keyStore, clock);
        await vi.advanceTimersByTimeAsync(late);
        await resultOf(() => keyStore.close());
      }
    });
  });
});
