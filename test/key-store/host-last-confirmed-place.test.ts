import { describe, expect, it } from "vitest";
import { MemoryKeyPairStore, MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { RecordingKeyStoreError, type KeyPairStore } from "../../src/index.js";
import { kmsKeyAliasArn, organizationId, setup } from "../support/setup.js";

const storeGiving = (hostLastConfirmed: unknown): KeyPairStore =>
  Object.assign(new MemoryKeyPairStore(), { hostLastConfirmed } as Pick<KeyPairStore, "hostLastConfirmed">);
const notAPlace = "must give an object with load() and save() by hostLastConfirmed(), or undefined";

describe("the place for the last confirmed pair that a store offers", () => {
  it("is used", async () => {
    const place = new MemoryLastConfirmedStore();
    const { keyStoreWith } = setup();
    await keyStoreWith({ store: storeGiving(() => place) }).configure({ kmsKeyAliasArn });
    expect(await place.load(organizationId)).toBeDefined();
  });

  it.each([undefined, "no function", null])("is none where the store offers %s", (offer) => {
    const { keyStoreWith } = setup();
    expect(() => keyStoreWith({ store: storeGiving(offer) })).not.toThrow();
    expect(() => keyStoreWith({ store: storeGiving(() => undefined) })).not.toThrow();
  });

  it.each<[what: string, offer: () => unknown]>([
    ["null", () => null],
    ["a text", () => "here"],
    ["a promise that fails", () => Promise.reject(new Error("nobody hears of this"))],
    ["an object that can only load", () => ({ load: async () => undefined })],
    ["an object that can only save", () => ({ save: async () => undefined })],
  ])("is refused by name where it is %s", (_, offer) => {
    const { keyStoreWith } = setup();
    expect(() => keyStoreWith({ store: storeGiving(offer) })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_INPUT", field: "store", rule: notAPlace }),
    );
  });

  it("is refused by name where the store fails at that, but for an error of this library", () => {
    const { keyStoreWith } = setup();
    const failing = (error: unknown) => () =>
      keyStoreWith({
        store: storeGiving(() => {
          throw error;
        }),
      });
    const rule = "must give a place by hostLastConfirmed(), which fails: no home";
    expect(failing(new Error("no home"))).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_INPUT", field: "store", rule }),
    );
    const own = new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "unmounted");
    expect(failing(own)).toThrow(own);
  });
});
