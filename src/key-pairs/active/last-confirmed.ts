import type { Moment } from "../../clock.js";
import type { LastConfirmedStore, ProcessLastConfirmedStore } from "../../stores/last-confirmed-store.js";
import { boundedCall } from "../../util/abort.js";
import { textOfThrown } from "../../util/safe-cause.js";
import { decodeDocument, encodeDocument } from "../documents.js";
import { claimedKeyPair } from "../key-pair.js";
import { keyPairDocument } from "../records.js";
import type { Trust, VouchedKeyPair } from "../trust.js";

/** Where the last confirmed pair is kept: for the life of the process, on the host, or both. */
export interface LastConfirmedPlaces {
  readonly inProcess?: ProcessLastConfirmedStore | undefined;
  readonly onHost?: LastConfirmedStore | undefined;
}

/** A pair that KMS vouched for earlier. */
interface RememberedKeyPair {
  readonly pair: VouchedKeyPair;
  readonly confirmedAt: number;
}

/** The pair that KMS vouched for last, as this host remembers it outside the shared store. */
export class LastConfirmedKeyPair {
  readonly #organizationId: string;
  readonly #places: LastConfirmedPlaces;
  readonly #trust: Trust;
  readonly #timeout: number;
  #loaded = false;
  #loading: Promise<RememberedKeyPair | undefined> | undefined;
  #saving: Promise<void> = Promise.resolve();
  /** What is to be remembered in the end. */
  #latest: Buffer | undefined;

  /** @param timeout - longest time one call to the places may take, in ms */
  constructor(organizationId: string, places: LastConfirmedPlaces, trust: Trust, timeout: number) {
    this.#organizationId = organizationId;
    this.#places = places;
    this.#trust = trust;
    this.#timeout = timeout;
  }

  /** When this very process had the pair confirmed; `undefined` if it was an earlier one. */
  get confirmedAt(): Moment | undefined {
    return this.#places.inProcess?.confirmedAt(this.#organizationId);
  }

  /**
   * The pair that was confirmed before this key store began: once, and `undefined` afterwards. Where it is damaged or can't be
   * read, the process warns and goes on without. One call at a time, shared by all callers.
   */
  load(): Promise<RememberedKeyPair | undefined> {
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #load(): Promise<RememberedKeyPair | undefined> {
    if (this.#loaded) return undefined;
    const organizationId = this.#organizationId;
    const { inProcess, onHost } = this.#places;
    try {
      const document = await this.#call(
        async () => (await inProcess?.load(organizationId)) ?? onHost?.load(organizationId),
      );
      this.#loaded = true;
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

  /** Saves one after the other, so that an earlier pair never replaces a later one. Never rejects. */
  save(pair: VouchedKeyPair, confirmedAt: number): Promise<void> {
    const organizationId = this.#organizationId;
    const document = encodeDocument("lastConfirmed", { organizationId, keyPair: keyPairDocument(pair), confirmedAt });
    this.#latest = document;
    return this.#saveInTurn(document);
  }

  #saveInTurn(document: Buffer): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save(document));
    return this.#saving;
  }

  async #save(document: Buffer): Promise<void> {
    const organizationId = this.#organizationId;
    const { inProcess, onHost } = this.#places;
    let writing: Promise<void> | undefined;
    try {
      await this.#call(async () => {
        await inProcess?.save(organizationId, document);
        writing = (async () => onHost?.save(organizationId, Uint8Array.from(document)))();
        await writing;
      });
    } catch (error) {
      warn("could not be saved", error);
      // A write that was given up may still replace a later one.
      writing?.then(
        () => void (this.#latest && this.#latest !== document && this.#saveInTurn(this.#latest)),
        () => undefined,
      );
    }
  }

  /** Bounds a call: a disk may hang as a network does. */
  #call<T>(call: () => Promise<T>): Promise<T> {
    return boundedCall(call, { deadline: this.#timeout });
  }
}

function warn(what: string, error: unknown): void {
  process.emitWarning(`recording-keystore: the last confirmed record of this host ${what} (${textOfThrown(error)})`);
}
