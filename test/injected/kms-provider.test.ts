import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
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

const methods = ["describeKey", "encrypt", "decrypt", "generateDataKeyPair"] as const;

expectNothingUnhandled();
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

describe.each(methods)("a KMS provider whose %s()", (method) => {
  it.each(method === "decrypt" ? everyWay : someWays)(
    "$name stops no process that knows its key, and heals",
    async (way) => {
      const { keyStoreIn, kms, clock, body } = await organization();
      const keyStore = keyStoreIn("warm");
      const mend = spoil(kms, method, way);
      for (const pause of [16 * minute, 24 * 60 * minute]) {
        clock.advance(pause);
        expect(await resultOf(() => keyStore.encryptRecording(audio, recording))).toMatchObject({
          confirmation: "confirmed",
        });
        await settle();
      }
      await expectTyped(() => keyStore.decryptRecording(body, recording));
      await expectTyped(() => keyStore.rotate());
      mend();
      const after = await expectHealed(keyStore, clock);
      expect(audio.equals((await resultOf(() => keyStore.decryptRecording(after.body, recording))).body)).toBe(true);
      await vi.advanceTimersByTimeAsync(late);
    },
  );

  describe.each(states)("in a process that is %s", (state) => {
    it.each([true, false])("fails as this library does, with background %s", async (background) => {
      for (const way of someWays) {
        const { keyStoreIn, kms, body, clock } = await organization({ background });
        clock.advance(16 * minute);
        const keyStore = keyStoreIn(state);
        const mend = spoil(kms, method, way);
        const encrypted = await expectTyped(() => keyStore.encryptRecording(audio, recording));
        if (state !== "fresh") expect(encrypted, way.name).toMatchObject({ result: { confirmation: "confirmed" } });
        await expectTyped(() => keyStore.decryptRecording(body, recording));
        await expectTyped(() => keyStore.confirm());
        await expectTyped(() => keyStore.test(configuration));
        await expectTyped(() => keyStore.configure(configuration));
        await expectTyped(() => keyStore.rotateIfDue());
        await expectTyped(() => keyStore.rewrapKeyPairs());
        await resultOf(() => keyStore.status());
        await expectTyped(() => keyStore.keyPairs());
        mend();
        await expectConfirmed(keyStore, clock);
        await resultOf(() => keyStore.decryptRecording(body, recording));
        await vi.advanceTimersByTimeAsync(late);
        await resultOf(() => keyStore.close());
      }
    });
  });
});
