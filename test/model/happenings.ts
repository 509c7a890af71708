import type { StoreMethod } from "./scheduled-store.js";

/** What can come to pass with one store call: to itself, its caller, or its answer. */
export interface Happening {
  readonly does: string;
  /** Which of the things that may disturb a run it uses up. */
  readonly costs?: "lost" | "aborts" | "crashes";
  readonly calls?: readonly StoreMethod[];
  /** Whether the store does it now, later, or never. */
  readonly done: "now" | "later" | "never";
  /** What the caller is told: what came of it, that another was first, or that the store is away. */
  readonly told?: "result" | "lost" | "away";
}

const writes: readonly StoreMethod[] = ["createKeyPair", "swapHead", "createWrapping", "removeKeyPair"];
const swap: readonly StoreMethod[] = ["swapHead"];

export const happenings: readonly Happening[] = [
  { does: "is answered", done: "now", told: "result" },
  { does: "fails, and was not done", costs: "lost", done: "never", told: "away" },
  { does: "fails, and was done", costs: "lost", calls: writes, done: "now", told: "away" },
  { does: "fails, and is done later", costs: "lost", calls: swap, done: "later", told: "away" },
  {
    does: "is done, repeated by the store's client, and refused",
    costs: "lost",
    calls: swap,
    done: "now",
    told: "lost",
  },
  { does: "is given up, and was not done", costs: "aborts", done: "never", told: "result" },
  { does: "is given up, and was done", costs: "aborts", calls: writes, done: "now", told: "result" },
  { does: "is its worker's last, and was not done", costs: "crashes", done: "never" },
  { does: "is its worker's last, and was done", costs: "crashes", calls: writes, done: "now" },
  { does: "is its worker's last, and is done later", costs: "crashes", calls: swap, done: "later" },
];
