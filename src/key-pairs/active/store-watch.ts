import type { RecordingKeyStoreError } from "../../errors.js";
import { StoreError } from "../../stores/store-error.js";
import { unref } from "../../util/realms.js";
import type { KeyPairContext } from "../context.js";
import type { ClaimedHead } from "../records.js";

/** Time after which a store that has not answered is in trouble, in ms: long before it counts as away. */
const slowStore = 1_000;

type Parts = Pick<KeyPairContext, "records" | "health">;

/** Reads the store's head, and keeps the health of whoever holds a pair informed about the store. */
export class StoreWatch {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws as `KeyPairRecords.readHead` */
  readHead(): Promise<ClaimedHead | undefined> {
    const { records, health } = this.#parts;
    const message = `the key pair store has not answered for ${slowStore} ms`;
    const slow = () => health.failed("read-store", new StoreError("timeout", { operation: "readHead", message }));
    const timer = unref(setTimeout(slow, slowStore));
    return records.readHead().finally(() => clearTimeout(timer));
  }

  /** Takes note of what came of a read. @param error - why it failed */
  note(error?: RecordingKeyStoreError): void {
    const { health } = this.#parts;
    if (!error) health.succeeded("read-store");
    else if (error.code === "ERR_STORE_UNAVAILABLE") health.failed("read-store", error);
  }
}
