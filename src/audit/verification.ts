import { timingSafeEqual } from "node:crypto";
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

/** Options of every verification. */
export interface VerificationOptions {
  /** The secret of the log, or all that it ever had. */
  readonly secret: Uint8Array | readonly Uint8Array[];
  /** Heads that CloudTrail has, by `auditAnchorsFromCloudTrail`. Without them a cut-off end does not show. */
  readonly anchors?: Iterable<ChainHead>;
  /** Told of each event once it is verified, file by file and in order. What it throws ends the call. */
  readonly onEvent?: (event: AuditEvent, place: { readonly file: string; readonly line: number }) => void;
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
   */
  readonly problem: "altered" | "unknown-secret" | "misplaced" | "cut-off" | "rewritten" | "missing";
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
    this.#anchors = [...(anchors ?? [])];
    this.#parts = { nameOf, keys: chainKeys(secret), wanted: new WantedHeads(this.#anchors), onEvent };
  }

  /** Begins a chain, whose lines are given to it. */
  chain(file: string): ReadChain {
    const chain = new ReadChain(file, this.#parts);
    this.#chains.push(chain);
    return chain;
  }

  report(): AuditLogReport {
    const [chains, given, { nameOf }] = [this.#chains, this.#anchors, this.#parts];
    const problems = chains.flatMap(({ problem }) => problem ?? []);
    const known = new Map(chains.flatMap((chain) => (chain.genesis ? [[chain.genesis.chain, chain] as const] : [])));
    for (const head of given) {
      const wrong = known.get(head.chain)?.disagrees(head) ?? (known.has(head.chain) ? undefined : "missing");
      if (wrong) problems.push({ problem: wrong, file: nameOf(head.chain) });
    }
    for (const { genesis } of chains) {
      // A file that was removed after its time is none that is missed.
      const wrong = genesis?.previous && known.get(genesis.previous.chain)?.endsBefore(genesis.previous);
      if (wrong) problems.push({ problem: "cut-off", file: nameOf(genesis.previous.chain) });
    }
    return {
      ok: problems.length === 0,
      files: chains.map((chain) => chain.report(given)),
      problems: problems.filter(
        ({ problem, file }, index) =>
          index === problems.findIndex((other) => other.problem === problem && other.file === file),
      ),
    };
  }
}

/** Which entries' digests are compared. */
class WantedHeads {
  readonly #wanted = new Set<string>();

  constructor(heads: readonly ChainHead[]) {
    for (const { chain, sequence } of heads) this.#wanted.add(`${sequence}:${chain}`);
  }

  has(chain: string, sequence: number): boolean {
    return this.#wanted.has(`${sequence}:${chain}`);
  }
}

/** One chain, read line by line. */
export class ReadChain {
  readonly #file: string;
  readonly #nameOf: (chain: string) => string;
  readonly #keys: readonly ChainKey[];
  readonly #wanted: WantedHeads;
  readonly #onEvent: VerificationOptions["onEvent"];
  readonly #digests = new Map<number, string>();
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
    this.#file = file;
    this.#nameOf = parts.nameOf;
    this.#keys = parts.keys;
    this.#wanted = parts.wanted;
    this.#onEvent = parts.onEvent;
  }

  report(anchors: readonly ChainHead[]): AuditLogFile {
    const anchored = anchors
      .filter((head) => head.chain === this.genesis?.chain && this.#digests.get(head.sequence) === head.digest)
      .map(({ sequence }) => sequence);
    return {
      file: this.#file,
      entries: this.#entries,
      end: this.#torn ? "torn" : this.#closed ? "closed" : "open",
      ...defined({ anchoredTo: anchored.length > 0 ? Math.max(...anchored) : undefined }),
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

  /** Takes the next line, without its line feed. There must be no problem yet. */
  line(line: Buffer): void {
    const parsed = line.length <= longestLine ? parseLine(line) : undefined;
    const { entry } = parsed ?? {};
    if (!parsed || !entry || entry.sequence !== this.#entries || this.#closed) return this.#wrong("altered");
    if (this.#entries === 0) {
      if (!this.#begins(entry)) return;
    } else if ("genesis" in entry) return this.#wrong("altered");
    const mac = this.#key?.mac(this.#mac, parsed.text);
    if (!mac || !timingSafeEqual(mac, parsed.mac)) return this.#wrong("altered");
    if (this.genesis && this.#nameOf(this.genesis.chain) !== this.#file) return this.#wrong("misplaced");
    this.#mac = mac;
    const { chain = "" } = this.genesis ?? {};
    if (this.#wanted.has(chain, this.#entries))
      this.#digests.set(this.#entries, headOf(chain, this.#entries, mac).digest);
    this.#entries += 1;
    if ("closed" in entry) this.#closed = true;
    if ("event" in entry) this.#onEvent?.(entry.event, { file: this.#file, line: this.#entries });
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

  get entries(): number {
    return this.#entries;
  }

  #wrong(problem: AuditLogProblem["problem"]): void {
    this.genesis = this.#entries > 0 ? this.genesis : undefined;
    this.problem = { problem, file: this.#file, line: this.#entries + 1 };
  }
}
