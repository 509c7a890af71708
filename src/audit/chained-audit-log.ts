import { randomUUID } from "node:crypto";
import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import { canonicalJson } from "../format/canonical-json.js";
import { defined } from "../util/defined.js";
import { AnchoredHeads, type AuditAnchorOptions } from "./anchoring.js";
import {
  chainKeys,
  firstMac,
  headOf,
  longestLine,
  sealLine,
  type ChainEntry,
  type ChainHead,
  type ChainKey,
} from "./chain.js";
import type { AuditEvent } from "./event.js";
import type { AuditSink } from "./sink.js";

/** Options of every chained log. */
export interface ChainedAuditLogOptions {
  /**
   * What the entries are authenticated with: 32 bytes or more of random, from the service's secret manager. Of a list, the
   * first one is for new chains, so that the secret can be changed. Copied at once.
   */
  readonly secret: Uint8Array | readonly Uint8Array[];
  /** Anchors the log in the CloudTrail of the account that owns a KMS key. Default: none. */
  readonly anchor?: AuditAnchorOptions;
}

/** State of a chained log. */
export interface AuditLogStatus {
  /** The last entry that is safe; missing before the first one. */
  readonly head?: ChainHead;
  /** The head anchored last. */
  readonly anchored?: ChainHead;
  /** Why the latest attempt to anchor has failed. */
  readonly anchorError?: RecordingKeyStoreError;
}

/** Where one chain is written. Calls follow each other. */
export interface ChainPlace {
  /** Whether the log should go on in another chain. */
  readonly full: boolean;
  /** Appends lines, which survive a power cut once it resolves. After it has rejected nothing more is appended. */
  append(lines: readonly string[]): Promise<void>;
  /**
   * Leaves the chain as it is: whatever a failed write has left in it is its end.
   * @param useless - whether a failure has left it without an event
   */
  leave(useless: boolean): Promise<void>;
}

/** Where chains are written. */
export interface ChainMedium {
  begin(chain: string): Promise<ChainPlace>;
  /** What went wrong, in words without secrets. */
  describe(error: unknown): string;
}

interface Pending {
  readonly event: AuditEvent;
  readonly resolve: () => void;
  readonly reject: (error: RecordingKeyStoreError) => void;
}

/** The chain that is written to. */
interface Chain {
  readonly id: string;
  readonly place: ChainPlace;
  mac: Buffer;
  /** Of the next entry. */
  sequence: number;
}

/** Most entries that wait, and most that one write carries. */
const mostPending = 10_000;
const mostPerWrite = 256;
/** Longest event, in bytes of JSON. */
const longestEvent = longestLine - 1_024;

/**
 * An audit log whose instances each write a chain of their own, so that processes need no lock, can't fork each other's chain and
 * never wait for each other. Entries that come at once share one write. After a failure the log goes on in a new chain, which
 * names the last good entry of the one before.
 */
export abstract class ChainedAuditLog implements AuditSink {
  readonly #medium: ChainMedium;
  readonly #key: ChainKey;
  readonly #anchors: AnchoredHeads | undefined;
  readonly #pending: Pending[] = [];
  #chain: Chain | undefined;
  /** The last entry on disk. */
  #head: ChainHead | undefined;
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** @throws InvalidInputError */
  protected constructor({ secret, anchor }: ChainedAuditLogOptions, medium: ChainMedium) {
    this.#medium = medium;
    [this.#key] = chainKeys(secret);
    this.#anchors = anchor && new AnchoredHeads(anchor);
  }

  /** The chain's state, from memory. */
  status(): AuditLogStatus {
    return defined({ head: this.#head, anchored: this.#anchors?.anchored, anchorError: this.#anchors?.error });
  }

  /**
   * Resolves once the event is safe.
   * @throws InvalidInputError for what is no JSON object, or one of more than 63 KiB; `ERR_AUDIT_UNAVAILABLE`: it may be in the
   * log all the same; `ERR_CLOSED`
   */
  async append(event: AuditEvent): Promise<void> {
    if (this.#closing) throw new RecordingKeyStoreError("ERR_CLOSED", "the audit log is closed");
    const copy = plainCopy(event);
    if (this.#pending.length >= mostPending) throw unavailable(`${mostPending} entries wait to be written`);
    const written = new Promise<void>((resolve, reject) => this.#pending.push({ event: copy, resolve, reject }));
    this.#start();
    return written;
  }

  /** Writes what waits, anchors the head, and says in the log that it was closed. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    while (this.#writing) await this.#writing; // another one may have begun when one ends
    if (this.#head) await this.#anchors?.anchorLast(this.#head);
    await this.#anchors?.settled();
    await this.#closeChain();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
      if (this.#pending.length > 0) this.#start();
    });
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    await Promise.resolve(); // what is appended in this turn goes into one write
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, mostPerWrite);
      try {
        const chain = await this.#openChain();
        await this.#write(chain, [...this.#anchoredEntries(), ...batch.map(({ event }) => ({ event }))]);
        this.#head = headOfChain(chain);
        this.#anchors?.wrote(this.#head, batch.length);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        await this.#abandonChain({ failed: true });
        for (const { reject } of batch)
          reject(unavailable(`cannot write the log: ${this.#medium.describe(error)}`, error));
      }
    }
  }

  #anchoredEntries(): { anchored: ChainHead }[] {
    return (this.#anchors?.takeNews() ?? []).map((anchored) => ({ anchored }));
  }

  async #openChain(): Promise<Chain> {
    if (this.#chain?.place.full) await this.#closeChain();
    if (this.#chain) return this.#chain;
    const id = randomUUID();
    const chain: Chain = { id, place: await this.#medium.begin(id), mac: firstMac, sequence: 0 };
    this.#chain = chain;
    const genesis = { format: 1 as const, chain: id, key: this.#key.id, ...defined({ previous: this.#head }) };
    await this.#write(chain, [{ genesis }]);
    return chain;
  }

  async #write(chain: Chain, entries: readonly Unnumbered[]): Promise<void> {
    let { mac, sequence } = chain;
    const lines: string[] = [];
    for (const entry of entries) {
      const sealed = sealLine(this.#key, mac, { sequence, ...entry });
      lines.push(sealed.line);
      ({ mac } = sealed);
      sequence += 1;
    }
    await chain.place.append(lines);
    Object.assign(chain, { mac, sequence });
  }

  async #closeChain(): Promise<void> {
    const chain = this.#chain;
    if (!chain) return;
    try {
      await this.#write(chain, [...this.#anchoredEntries(), { closed: true }]);
      this.#head = headOfChain(chain);
    } catch {
      // The log is whole without it; a verifier takes the process for one that was killed.
    }
    await this.#abandonChain({ failed: false });
  }

  async #abandonChain({ failed }: { readonly failed: boolean }): Promise<void> {
    const chain = this.#chain;
    this.#chain = undefined;
    await chain?.place.leave(failed && chain.sequence <= 1);
  }
}

function headOfChain({ id, sequence, mac }: Chain): ChainHead {
  return headOf(id, sequence - 1, mac);
}

type Unnumbered = ChainEntry extends infer E ? (E extends unknown ? Omit<E, "sequence"> : never) : never;

/** The event as a reader will see it. @throws InvalidInputError */
function plainCopy(event: AuditEvent): AuditEvent {
  let text = "";
  try {
    text = canonicalJson(JSON.parse(JSON.stringify(event)));
  } catch {
    // told below
  }
  if (!text.startsWith("{") || Buffer.byteLength(text) > longestEvent)
    throw new InvalidInputError("event", `must be a JSON object of at most ${longestEvent} bytes`);
  return JSON.parse(text) as AuditEvent;
}

function unavailable(message: string, cause?: unknown): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_AUDIT_UNAVAILABLE", message, {
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}
