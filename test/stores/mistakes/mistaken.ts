import type { KeyPairStore } from "../../../src/stores/key-pair-store.js";
import { MemoryKeyPairStore } from "../../../src/stores/memory.js";
import type { KeyPairStoreUnderTest } from "../../../src/testing/index.js";
import { storeMethods } from "../../support/store-methods.js";

/** A store with one mistake, as real ones make them. */
export type Mistake = () => KeyPairStoreUnderTest;
export type Changes = Partial<KeyPairStore>;

/** A store of some methods of its own, and for the rest those of a correct one. */
export function changed(real: MemoryKeyPairStore, changes: Changes): KeyPairStore {
  const rest = storeMethods.map((name) => [
    name,
    (...given: never[]) => Reflect.apply(real[name], real, given) as unknown,
  ]);
  return Object.assign(Object.fromEntries(rest) as KeyPairStore, changes);
}

/** Two handles on one memory, each with the mistake. What a handle holds of its own is made anew for each. */
export function mistaken(changes: (real: MemoryKeyPairStore) => Changes): Mistake {
  return () => {
    const real = new MemoryKeyPairStore();
    return { store: changed(real, changes(real)), other: changed(real, changes(real)) };
  };
}

/** The same where what both handles hold is part of the mistake. */
export function mistakenTogether(changes: (real: MemoryKeyPairStore) => Changes): Mistake {
  return () => {
    const real = new MemoryKeyPairStore();
    return { store: changed(real, changes(real)) };
  };
}

/** A step that others can come between. */
export const aMoment = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
