import { boundedCall } from "../../util/abort.js";
import { decodeDocument, encodeDocument } from "../documents.js";
import { claimedKeyPair } from "../key-pair.js";
import { keyPairDocument } from "../records.js";
import type { Trust, VouchedKeyPair } from "../trust.js";
import type { LastConfirmedMemory } from "../../stores/last-confirmed-store.js";

/** What this host keeps outside the shared store: the pair that KMS vouched for last. */
export class HostMemory {
  readonly #organizationId: string;
  readonly #store: LastConfirmedMemory;
  readonly #trust: Trust;
  #recalled = false;
  readonly #timeout: number;
  #saving: Promise<void> = Promise.resolve();

  /** @param timeout - how long one call to the host's record may take, milliseconds */
  constructor(organizationId: string, store: LastConfirmedMemory, trust: Trust, timeout: number) {
    this.#organizationId = organizationId;
    this.#store = store;
    this.#trust = trust;
    this.#timeout = timeout;
  }

  /** When this process had the organization's key confirmed, if it was this process. */
  get confirmedAt() {
    return this.#store.confirmedAt?.(this.#organizationId);
  }

  /**
   * What was confirmed in an earlier life of this host, once; `undefined` afterwards. Its absence or damage is no error: it
   * is only a memory.
   */
  async recall(): Promise<{ pair: VouchedKeyPair; confirmedAt: number } | undefined> {
    if (this.#recalled) return undefined;
    const organizationId = this.#organizationId;
    try {
      const document = await this.#call(async () => this.#store.load(organizationId));
      this.#recalled = true;
      if (!document) return undefined;
      const record = decodeDocument("lastConfirmed", document, "last confirmed record");
      if (record.organizationId !== organizationId) return undefined;
      const what = "last confirmed key pair";
      const claim = claimedKeyPair(decodeDocument("keyPair", record.keyPair, what), { organizationId, what });
      return { pair: this.#trust.vouchByHost(claim), confirmedAt: record.confirmedAt };
    } catch (error) {
      warn("can't be used", error);
      return undefined;
    }
  }

  /** Saves one after the other: an earlier pair saved late would take a later one's place. Never rejects. */
  remember(pair: VouchedKeyPair, confirmedAt: number): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save(pair, confirmedAt));
    return this.#saving;
  }

  async #save(pair: VouchedKeyPair, confirmedAt: number): Promise<void> {
    const organizationId = this.#organizationId;
    const document = encodeDocument("lastConfirmed", { organizationId, keyPair: keyPairDocument(pair), confirmedAt });
    try {
      await this.#call(async () => this.#store.save(organizationId, document));
    } catch (error) {
      warn("could not be saved", error);
    }
  }

  /** A disk may hang as a network does. */
  #call<T>(call: () => Promise<T>): Promise<T> {
    return boundedCall(call, { deadline: this.#timeout });
  }
}

function warn(what: string, error: unknown): void {
  process.emitWarning(
    `recording-keystore: the last confirmed record of this host ${what} (${error instanceof Error ? error.message : String(error)})`,
  );
}
