import { stat } from "node:fs/promises";
import { errnoOf } from "../../util/file-system.js";
import { StoreError } from "../store-error.js";
import { unavailable } from "./failures.js";

/**
 * Tells a store that is not there yet from one that is gone: a disk that is not mounted shows an empty folder, or none. A
 * store that this process has seen is away until it is back, and is never made anew, empty.
 */
export class Presence {
  readonly #root: string;
  readonly #folder: string;
  #expected: boolean;
  #seen = false;

  /**
   * @param folder - the first folder that a store makes inside its root
   * @param expected - whether the store must be there from the beginning
   */
  constructor(root: string, folder: string, expected: boolean) {
    this.#root = root;
    this.#folder = folder;
    this.#expected = expected;
  }

  /** Takes note that the store has been written to, so that it is there. */
  written(): void {
    this.#expected = this.#seen = true;
  }

  /** @throws StoreError `not-set-up` where the store is gone */
  async check(): Promise<void> {
    try {
      await stat(this.#folder);
      this.#expected = this.#seen = true;
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw unavailable(`look at ${this.#folder}`, error);
      if (this.#expected) throw this.#gone(error);
    }
  }

  #gone(cause: unknown): StoreError {
    const message = this.#seen
      ? `The key pairs in ${this.#root} are gone: is its disk mounted? Nothing is made anew there. Once they are back, the ` +
        "store works again by itself; if they are lost, restore them from a backup."
      : `There are no key pairs in ${this.#root}: nothing has been configured there yet, or its disk is not mounted.`;
    return new StoreError("not-set-up", {
      operation: "look for the store",
      message,
      serviceErrorName: errnoOf(cause),
      cause,
    });
  }
}
