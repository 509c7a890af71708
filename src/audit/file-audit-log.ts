import { randomUUID } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import { canonicalJson } from "../format/canonical-json.js";
import { PrivateFolder } from "../stores/file/private-folder.js";
import { isBytes } from "../util/bytes.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";
import { describeErrno, syncFile, syncFolder } from "../util/file-system.js";
import { createFile, removeTemporary } from "../util/new-file.js";
import { AnchoredHeads, type AuditAnchorOptions } from "./anchoring.js";
import {
  ChainKey,
  fileOfChain,
  firstMac,
  headOf,
  longestLine,
  sealLine,
  shortestAuditSecret,
  type ChainEntry,
  type ChainHead,
} from "./chain.js";
import type { AuditEvent } from "./event.js";
import type { AuditSink } from "./sink.js";

/** Options of {@link FileAuditLog}. */
export interface FileAuditLogOptions {
  /** Folder of the log, made if it is missing, refused if other users can write to it. Any number of processes may share it. */
  readonly directory: string;
  /**
   * What the entries are authenticated with: 32 bytes or more of random, from the service's secret manager. Of a list, the
   * first one is for new files, so that the secret can be changed. Copied at once.
   */
  readonly secret: Uint8Array | readonly Uint8Array[];
  /** Size at which the log goes on in another file, in bytes: 4,096 to 1,073,741,824, default 67,108,864. */
  readonly maxFileSize?: number;
  /** Anchors the log in the CloudTrail of the account that owns a KMS key. Default: none. */
  readonly anchor?: AuditAnchorOptions;
}

/** What {@link FileAuditLog.status} tells. */
export interface FileAuditLogStatus {
  /** The last entry that is on disk; missing before the first one. */
  readonly head?: ChainHead;
  /** The head anchored last. */
  readonly anchored?: ChainHead;
  /** Why the latest attempt to anchor has failed. */
  readonly anchorError?: RecordingKeyStoreError;
}

interface Pending {
  readonly event: AuditEvent;
  readonly resolve: () => void;
  readonly reject: (error: RecordingKeyStoreError) => void;
}

/** The file that is written to. */
interface Chain {
  readonly id: string;
  readonly handle: FileHandle;
  mac: Buffer;
  /** Of the next entry. */
  sequence: number;
  size: number;
}

/** Most entries that wait for the disk, and most that one write and one sync carry. */
const mostPending = 10_000;
const mostPerWrite = 256;
/** Longest event, in bytes of JSON. */
const longestEvent = longestLine - 1_024;

/**
 * Audit log in a folder. Each instance writes a file of its own, so that processes need no lock: a chain of lines in which
 * each authenticates all before it. An entry counts as written once it is on disk (`fsync`); entries that come at once share
 * one. After a failure of the disk the log goes on in a new file, which names the last good entry of the one before.
 * `verifyAuditLog` says whether anything was changed.
 */
export class FileAuditLog implements AuditSink {
  readonly #directory: string;
  readonly #folder: PrivateFolder;
  readonly #key: ChainKey;
  readonly #maxFileSize: number;
  readonly #anchors: AnchoredHeads | undefined;
  readonly #pending: Pending[] = [];
  #chain: Chain | undefined;
  /** The last entry on disk. */
  #head: ChainHead | undefined;
  #writing: Promise<void> | undefined;
  #closed = false;

  /**
   * Touches no file; the first entry does.
   * @throws InvalidInputError
   */
  constructor(options: FileAuditLogOptions) {
    const { directory, secret, maxFileSize, anchor } = knownOptions(options, {
      directory: true,
      secret: true,
      maxFileSize: true,
      anchor: true,
    });
    this.#folder = new PrivateFolder(directory);
    this.#directory = resolve(directory);
    const [first] = chainKeys(secret);
    this.#key = first;
    this.#maxFileSize = maxFileSize ?? 67_108_864;
    if (!Number.isInteger(this.#maxFileSize) || this.#maxFileSize < 4_096 || this.#maxFileSize > 1_073_741_824)
      throw new InvalidInputError("maxFileSize", "must be a whole number from 4096 to 1073741824", maxFileSize);
    this.#anchors = anchor && new AnchoredHeads(anchor);
  }

  /** The chain's state, from memory. */
  status(): FileAuditLogStatus {
    return defined({ head: this.#head, anchored: this.#anchors?.anchored, anchorError: this.#anchors?.error });
  }

  /**
   * Resolves once the event is on disk.
   * @throws InvalidInputError for what is no JSON object, or one of more than 63 KiB; `ERR_AUDIT_UNAVAILABLE`: it may be on disk
   * all the same; `ERR_CLOSED`
   */
  async append(event: AuditEvent): Promise<void> {
    if (this.#closed) throw new RecordingKeyStoreError("ERR_CLOSED", "the audit log is closed");
    const copy = plainCopy(event);
    if (this.#pending.length >= mostPending) throw unavailable(`${mostPending} entries wait for the disk`);
    const written = new Promise<void>((resolve, reject) => this.#pending.push({ event: copy, resolve, reject }));
    this.#start();
    return written;
  }

  /** Writes what waits, anchors the head, and says in the log that it was closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writing;
    if (this.#head) await this.#anchors?.anchorLast(this.#head);
    await this.#anchors?.settled();
    await this.#closeChain();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Node's `util.inspect` shows the folder, and nothing else. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `FileAuditLog { directory: ${JSON.stringify(this.#directory)} }`;
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
        for (const { reject } of batch) reject(unavailable(`cannot write the log: ${describeErrno(error)}`, error));
      }
    }
  }

  #anchoredEntries(): { anchored: ChainHead }[] {
    return (this.#anchors?.takeNews() ?? []).map((anchored) => ({ anchored }));
  }

  async #openChain(): Promise<Chain> {
    if (this.#chain && this.#chain.size >= this.#maxFileSize) await this.#closeChain();
    if (this.#chain) return this.#chain;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#folder.check();
    const id = randomUUID();
    const handle = await createFile(join(this.#directory, fileOfChain(id)), { mode: 0o600, denied: 0o077 }, "ax");
    const chain: Chain = { id, handle, mac: firstMac, sequence: 0, size: 0 };
    this.#chain = chain;
    const genesis = { format: 1 as const, chain: id, key: this.#key.id, ...defined({ previous: this.#head }) };
    await this.#write(chain, [{ genesis }]);
    await syncFolder(this.#directory);
    return chain;
  }

  /** Appends entries, and makes them survive a power cut. */
  async #write(chain: Chain, entries: readonly Unnumbered[]): Promise<void> {
    let { mac, sequence } = chain;
    const lines: string[] = [];
    for (const entry of entries) {
      const sealed = sealLine(this.#key, mac, { sequence, ...entry });
      lines.push(sealed.line);
      ({ mac } = sealed);
      sequence += 1;
    }
    const bytes = Buffer.from(lines.join(""));
    await chain.handle.writeFile(bytes); // which appends, by the flags of the file
    await syncFile(chain.handle);
    Object.assign(chain, { mac, sequence, size: chain.size + bytes.length });
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

  /** Leaves a file as it is: whatever a failed write has left in it is its end. One without an event is removed. */
  async #abandonChain({ failed }: { readonly failed: boolean }): Promise<void> {
    const chain = this.#chain;
    this.#chain = undefined;
    if (!chain) return;
    await chain.handle.close().catch(() => undefined);
    // A full disk must not fill up with empty files.
    if (failed && chain.sequence <= 1) await removeTemporary(join(this.#directory, fileOfChain(chain.id)));
  }
}

function headOfChain({ id, sequence, mac }: Chain): ChainHead {
  return headOf(id, sequence - 1, mac);
}

type Unnumbered = ChainEntry extends infer E ? (E extends unknown ? Omit<E, "sequence"> : never) : never;

/** The keys of one or several secrets. @throws InvalidInputError */
export function chainKeys(secret: Uint8Array | readonly Uint8Array[]): [ChainKey, ...ChainKey[]] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  const good = secrets.filter((one): one is Uint8Array => isBytes(one) && one.length >= shortestAuditSecret);
  const [first, ...rest] = good;
  if (!first || good.length < secrets.length || good.length > 16)
    throw new InvalidInputError("secret", "must be a Uint8Array of at least 32 bytes, or a list of 1 to 16 of them");
  return [new ChainKey(first), ...rest.map((one) => new ChainKey(one))];
}

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
