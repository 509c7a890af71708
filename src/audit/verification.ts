import { timingSafeEqual } from "node:crypto";
import { InvalidInputError } from "../errors.js";
import { defined } from "../util/defined.js";
import {
  chainKeys,
  firstMac,
  headOf,
  longestLine,
  parseLine,
  type ChainEntry,
  type ChainHead,
  type ChainKey,
  type Genesis,
} from "./chain.js";
import type { AuditEvent } from "./event.js";
import { headsOf, WantedHeads } from "./wanted-heads.js";

/** Options of every verification. */
export interface VerificationOptions {
  /** The secret of the log, or all that it ever had. */
  readonly secret: Uint8Array | readonly Uint8Array[];
  /** Heads that CloudTrail has, by `auditAnchorsFromCloudTrail`. Without them a cut-off end does not show. */
  readonly anchors?: Iterable<ChainHead>;
  /**
   * Told of each event once it is verified, file by file and in order. A promise that it gives is waited for. What it throws, or
   * rejects with, ends the call.
   */
  readonly onEvent?: (event: AuditEvent, place: { readonly file: string; readonly line: number }) => unknown;
}

/** What is wrong with a log. */
export interface AuditLogProblem {
  /**
   * - `altered`: a line is not what was written there: changed, removed, moved, or added
   * - `unknown-secret`: none of the secrets given is this file's
   * - `misplaced`: the file is another chain's, under this name
   * - `cut-off`: entries at the end of a file are missing
   * - `rewritten`: the file verifies, but is not the one that was anchored: whoever wrote it had the secret
   * - `missing`: there is no file of an anchored chain
   * - `unreadable`: the file can't be read, or is no file but a link, a folder or the like
   */
  readonly problem: "altered" | "unknown-secret" | "misplaced" | "cut-off" | "rewritten" | "missing" | "unreadable";
  readonly file: string;
  /** From 1; what follows it in the file is not verified. */
  readonly line?: number;
}

/** What a file of the log holds. */
export interface AuditLogFile {
  readonly file: string;
  /** Number of verified entries. */
  readonly entries: number;
  /**
   * `closed` by its process; `open` still, or its process was killed; `torn`: its last line is not whole, as after a crash in
   * the middle of a write. No call was told that such an entry is written.
   */
  readonly end: "closed" | "open" | "torn";
  /** Last entry that an anchor vouches for. */
  readonly anchoredTo?: number;
}

/** Result of {@link verifyAuditLog}. */
export interface AuditLogReport {
  /** Whether there is no problem. It does not say that a file which is `open` or `torn` had no more entries: only an anchor can. */
  readonly ok: boolean;
  readonly files: readonly AuditLogFile[];
  readonly problems: readonly AuditLogProblem[];
}

/** The chains of a log, wherever they are read from. */
export class Verification {
  readonly #anchors: readonly ChainHead[];
  readonly #parts: ConstructorParameters<typeof ReadChain>[1];
  readonly #chains: ReadChain[] = [];

  /**
   * @param nameOf - name of a chain's file or whatever holds it
   * @throws InvalidInputError
   */
  constructor({ secret, anchors, onEvent }: VerificationOptions, nameOf: (chain: string) => string) {
    if (onEvent !== undefined && typeof onEvent !== "function")
      throw new InvalidInputError("onEvent", "must be a function", onEvent);
    this.#anchors = headsOf(anchors ?? []);
    this.#parts = { nameOf, keys: chainKeys(secret), wanted: new WantedHeads(this.#anchors), onEvent };
  }

  /** Begins a chain, whose lines are given to it. */
  chain(file: string): ReadChain {
    const chain = new ReadChain(file, this.#parts);
    this.#chains.push(chain);
    return chain;
  }

  report(): AuditLogReport {
    const [chains, { nameOf }] = [this.#chains, this.#parts];
    const problems = new Problems();
    for (const { problem } of chains) if (problem) problems.add(problem);
    // By its name, as one that was emptied does not say which chain it was.
    const known = new Map(chains.map((chain) => [chain.file, chain]));
    for (const head of this.#anchors) {
      const file = nameOf(head.chain);
      const chain = known.get(file);
      const problem = chain ? chain.disagrees(head) : "missing";
      if (problem) problems.add({ problem, file });
    }
    for (const { genesis } of chains) {
      if (!genesis?.previous) continue;
      const file = nameOf(genesis.previous.chain);
      // A file that was removed after its time is none that is missed.
      if (known.get(file)?.endsBefore(genesis.previous)) problems.add({ problem: "cut-off", file });
    }
    return { ok: problems.all.length === 0, files: chains.map((chain) => chain.report()), problems: problems.all };
  }
}

/** Problems, each of a file told once. */
class Problems {
  readonly all: AuditLogProblem[] = [];
  readonly #told = new Set<string>();

  add(problem: AuditLogProblem): void {
    const key = `${problem.problem} ${problem.file}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.all.push(problem);
  }
}

/** One chain, read line by line. */
export class ReadChain {
  readonly file: string;
  readonly #nameOf: (chain: string) => string;
  readonly #keys: readonly ChainKey[];
  readonly #wanted: WantedHeads;
  readonly #onEvent: VerificationOptions["onEvent"];
  readonly #digests = new Map<number, string>();
  #anchoredTo: number | undefined;
  #key: ChainKey | undefined;
  #mac: Buffer = firstMac;
  #entries = 0;
  #closed = false;
  #torn = false;
  genesis: Genesis | undefined;
  problem: AuditLogProblem | undefined;

  constructor(
    file: string,
    parts: {
      readonly nameOf: (chain: string) => string;
      readonly keys: readonly ChainKey[];
      readonly wanted: WantedHeads;
      readonly onEvent: VerificationOptions["onEvent"];
    },
  ) {
    this.file = file;
    this.#nameOf = parts.nameOf;
    this.#keys = parts.keys;
    this.#wanted = parts.wanted;
    this.#onEvent = parts.onEvent;
  }

  report(): AuditLogFile {
    return {
      file: this.file,
      entries: this.#entries,
      end: this.#torn ? "torn" : this.#closed ? "closed" : "open",
      ...defined({ anchoredTo: this.#anchoredTo }),
    };
  }

  /** What an anchored head says against what was read. */
  disagrees({ sequence, digest }: ChainHead): AuditLogProblem["problem"] | undefined {
    if (sequence >= this.#entries) return this.problem ? undefined : "cut-off";
    return this.#digests.get(sequence) === digest ? undefined : "rewritten";
  }

  endsBefore({ sequence }: ChainHead): boolean {
    return !this.problem && sequence >= this.#entries;
  }

  /** Takes the next line, without its line feed. There must be no problem yet. @throws what the listener throws */
  async line(line: Buffer): Promise<void> {
    const event = this.#verified(line);
    if (event) await this.#onEvent?.(event, { file: this.file, line: this.#entries });
  }

  /** The event of a line that verifies and has one. */
  #verified(line: Buffer): AuditEvent | undefined {
    const parsed = line.length <= longestLine ? parseLine(line) : undefined;
    const { entry } = parsed ?? {};
    if (!parsed || !entry || entry.sequence !== this.#entries || this.#closed) return this.#wrong("altered");
    if (this.#entries === 0) {
      if (!this.#begins(entry)) return undefined;
    } else if ("genesis" in entry) return this.#wrong("altered");
    const mac = this.#key?.mac(this.#mac, parsed.text);
    if (!mac || !timingSafeEqual(mac, parsed.mac)) return this.#wrong("altered");
    if (this.genesis && this.#nameOf(this.genesis.chain) !== this.file) return this.#wrong("misplaced");
    this.#mac = mac;
    const { chain = "" } = this.genesis ?? {};
    const anchored = this.#wanted.of(chain, this.#entries);
    if (anchored) {
      const { digest } = headOf(chain, this.#entries, mac);
      this.#digests.set(this.#entries, digest);
      if (anchored.has(digest)) this.#anchoredTo = this.#entries;
    }
    this.#entries += 1;
    if ("closed" in entry) this.#closed = true;
    return "event" in entry ? entry.event : undefined;
  }

  /** Takes the first entry up; finds the secret that it names. */
  #begins(entry: ChainEntry): boolean {
    const genesis = "genesis" in entry ? (entry.genesis as Partial<Genesis> | null) : undefined;
    if (!genesis || genesis.format !== 1 || typeof genesis.chain !== "string") {
      this.#wrong("altered");
      return false;
    }
    this.#key = this.#keys.find(({ id }) => id === genesis.key);
    if (!this.#key) {
      this.#wrong("unknown-secret");
      return false;
    }
    this.genesis = genesis as Genesis;
    return true;
  }

  /** What no line feed ends was torn by a crash, unless it is longer than a line that was. */
  tail(tail: Buffer): void {
    if (this.#closed || parseLine(tail.subarray(0, -1))) this.#wrong("altered");
    else this.#torn = true;
  }

  /** Says that what comes next is not what was written there. */
  alteredHere(): void {
    this.#wrong("altered");
  }

  /** Says that it can't be read. */
  unreadable(): void {
    this.problem = { problem: "unreadable", file: this.file };
  }

  get entries(): number {
    return this.#entries;
  }

  #wrong(problem: AuditLogProblem["problem"]): undefined {
    this.genesis = this.#entries > 0 ? this.genesis : undefined;
    this.problem = { problem, file: this.file, line: this.#entries + 1 };
  }
}
