import type { KeyPairContext } from "./context.js";
import { decodeDocument, encodeDocument } from "./documents.js";
import { storeCall } from "./head.js";
import { parseKeyPair, storedKeyPair, type KeyPair } from "./key-pair.js";

/** What this host keeps outside the shared store: the pair that KMS vouched for last. */
export class HostMemory {
  readonly #context: KeyPairContext;
  #recalled = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(context: KeyPairContext) {
    this.#context = context;
  }

  /**
   * What was confirmed in an earlier life of this host, once; `undefined` afterwards. Its absence or damage is no error: it
   * is only a memory.
   */
  async recall(): Promise<{ pair: KeyPair; confirmedAt: number } | undefined> {
    if (this.#recalled) return undefined;
    const { lastConfirmed, organizationId, trust } = this.#context;
    try {
      const document = await lastConfirmed.load(organizationId);
      this.#recalled = true;
      if (!document) return undefined;
      const record = decodeDocument("lastConfirmed", document, "last confirmed record");
      if (record.organizationId !== organizationId) return undefined;
      const pair = parseKeyPair(record.keyPair, { organizationId, what: "last confirmed key pair" });
      trust.adoptIfFirst(pair.birth.kmsKeyAliasArn);
      trust.checkActive(pair);
      return { pair, confirmedAt: record.confirmedAt };
    } catch (error) {
      process.emitWarning(`recording-keystore: the last confirmed record of this host can't be used (${(error as Error).message})`);
      return undefined;
    }
  }

  /** Saves one after the other: an earlier pair saved late would take a later one's place. Never rejects. */
  remember(pair: KeyPair, confirmedAt: number): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save(pair, confirmedAt));
    return this.#saving;
  }

  async #save(pair: KeyPair, confirmedAt: number): Promise<void> {
    const { lastConfirmed, organizationId } = this.#context;
    const { document: keyPair } = storedKeyPair(pair);
    const document = encodeDocument("lastConfirmed", { organizationId, keyPair: Buffer.from(keyPair), confirmedAt });
    try {
      await storeCall(undefined, () => lastConfirmed.save(organizationId, document));
    } catch (error) {
      process.emitWarning(`recording-keystore: the last confirmed record could not be saved (${(error as Error).message})`);
    }
  }
}
