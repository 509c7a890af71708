import type { KmsError } from "../errors.js";
import type { KeyPairContext } from "./context.js";
import { decodeDocument, encodeDocument, type StatusDocument } from "./documents.js";

/** The store's status item is written at most this often unless the news has changed, milliseconds. */
const writeAtMostEvery = 60_000;

/**
 * What the workers of a fleet tell each other about the active pair, through a small item in the store: so that one
 * worker's question to KMS serves all. It is about health only. Nobody trusts a key because of it, since whoever can
 * write to the store can write this item too.
 */
export class SharedHealth {
  readonly #context: KeyPairContext;
  #written: { readonly at: number; readonly news: string } | undefined;

  constructor(context: KeyPairContext) {
    this.#context = context;
  }

  /** What some worker found out last, if it is about this pair. An unreadable item is no news. */
  async read(digest: Buffer): Promise<StatusDocument | undefined> {
    const { store, organizationId } = this.#context;
    try {
      const stored = await store.readStatus(organizationId);
      const status = stored && decodeDocument("status", stored, "status item");
      return status?.digest.equals(digest) ? status : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether another worker has had KMS confirm this pair less than `confirmEvery` ago. */
  async isFresh(digest: Buffer): Promise<boolean> {
    const { clock, times } = this.#context;
    const status = await this.read(digest);
    if (!status || status.failure) return false;
    const age = clock.now() - status.at;
    return age >= 0 && age < times.confirmEvery;
  }

  /** Tells the others. Failing to is no trouble of its own. */
  async write(digest: Buffer, error?: KmsError): Promise<void> {
    const { store, organizationId, clock } = this.#context;
    const at = clock.now();
    const news = `${digest.toString("hex")} ${error?.kind ?? "ok"}`;
    if (this.#written?.news === news && at - this.#written.at < writeAtMostEvery) return;
    this.#written = { at, news };
    const failure = error && { kind: error.kind, operation: error.operation, message: error.message.slice(0, 1_000) };
    await store.writeStatus(organizationId, encodeDocument("status", { digest, at, failure })).catch(() => undefined);
  }
}
