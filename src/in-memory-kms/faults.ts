import type { Clock } from "../clock.js";
import { faultOutcomes, type FaultKind, type FaultOutcome } from "./fault-kinds.js";
import { checkFault, type FaultOptions, type FaultScope } from "./fault-options.js";

/** A fault under way. */
export interface Fault {
  readonly kind: FaultKind;
  /** How many calls it hit. */
  readonly hits: number;
  /** Ends it. */
  remove(): void;
}

/** What of a call faults look at. */
export interface FaultTarget {
  operation: string;
  region: string;
  accessKeyId: string;
  keyId: string | undefined;
  keyArn: string | undefined;
}

/** Faults on demand. Each method puts one in and gives it back; several can be in at once, the oldest decides. */
export class KmsFaults {
  readonly #clock: Clock;
  readonly #means: (keyId: string, keyArn: string) => boolean;
  readonly #active = new Set<ActiveFault>();

  /** @internal */
  constructor(clock: Clock, means: (keyId: string, keyArn: string) => boolean) {
    this.#clock = clock;
    this.#means = means;
  }

  /**
   * Any kind of fault; the methods below are shorter names for the usual ones. Throws a TypeError for a kind, option or
   * operation that there is not: a fault that never hits would leave a test green.
   */
  inject(kind: FaultKind, options: FaultOptions = {}): Fault {
    checkFault(kind, options);
    const fault = new ActiveFault(kind, options, this.#clock, () => this.#active.delete(fault));
    this.#active.add(fault);
    return fault;
  }

  /** KMS is away: nobody answers at its address. */
  outage(options?: FaultScope): Fault {
    return this.inject("connection-refused", options);
  }

  /** Answers come late. */
  latency(ms: number, options?: FaultScope): Fault {
    return this.inject("latency", { ...options, ms });
  }

  /** Answers never come; only the caller's abort or timeout ends the call. */
  hang(options?: FaultScope): Fault {
    return this.inject("hang", options);
  }

  throttling(options?: FaultScope): Fault {
    return this.inject("throttling", options);
  }

  serverError(options?: FaultScope): Fault {
    return this.inject("internal-error", options);
  }

  accessDenied(options?: FaultScope): Fault {
    return this.inject("access-denied", options);
  }

  expiredCredentials(options?: FaultScope): Fault {
    return this.inject("expired-credentials", options);
  }

  missingCredentials(options?: FaultScope): Fault {
    return this.inject("missing-credentials", options);
  }

  /** Ends every fault. */
  heal(): void {
    this.#active.clear();
  }

  /** The faults that are in. */
  active(): readonly Fault[] {
    return [...this.#active].filter((fault) => !fault.isOver);
  }

  /** @internal Asked while the SDK loads credentials, before there is a call: only faults that hit every call count. */
  takesCredentialsOf(accessKeyId: string): boolean {
    return [...this.#active].some((fault) => {
      const { operation, region, keyId, accessKeyId: only = accessKeyId } = fault.options;
      const concerns =
        fault.kind === "missing-credentials" &&
        operation === undefined &&
        region === undefined &&
        keyId === undefined &&
        only === accessKeyId;
      return concerns && !fault.isOver && fault.hit();
    });
  }

  /** @internal Decides what becomes of a call: how long it waits, and what answer a fault gives it. */
  decide(describe: () => FaultTarget): { waitMs: number; kind?: FaultKind; outcome?: FaultOutcome } {
    let waitMs = 0;
    if (this.#active.size === 0) return { waitMs };
    const target = describe();
    for (const fault of this.#active) {
      if (fault.isOver) this.#active.delete(fault);
      else if (this.#concerns(fault, target) && fault.hit()) {
        if (fault.kind !== "latency")
          return { waitMs, kind: fault.kind, outcome: faultOutcomes[fault.kind](fault.options) };
        waitMs += fault.options.ms ?? 0;
      }
    }
    return { waitMs };
  }

  #concerns({ options }: ActiveFault, target: FaultTarget): boolean {
    const { operation, region, accessKeyId, keyId } = options;
    return (
      (operation === undefined || [operation].flat().includes(target.operation)) &&
      (region === undefined || region === target.region) &&
      (accessKeyId === undefined || accessKeyId === target.accessKeyId) &&
      (keyId === undefined ||
        keyId === target.keyId ||
        (target.keyArn !== undefined && this.#means(keyId, target.keyArn)))
    );
  }
}

class ActiveFault implements Fault {
  readonly kind: FaultKind;
  readonly options: FaultOptions;
  readonly remove: () => void;
  readonly #clock: Clock;
  readonly #end: number;
  #seen = 0;
  #hits = 0;
  #second = Number.NaN;
  #inSecond = 0;

  constructor(kind: FaultKind, options: FaultOptions, clock: Clock, remove: () => void) {
    this.kind = kind;
    this.options = options;
    this.remove = remove;
    this.#clock = clock;
    this.#end = clock.monotonic() + (options.forMs ?? Number.POSITIVE_INFINITY);
  }

  get hits(): number {
    return this.#hits;
  }

  get isOver(): boolean {
    return this.#hits >= (this.options.times ?? Number.POSITIVE_INFINITY) || this.#clock.monotonic() >= this.#end;
  }

  /** Counts a call within the scope; true if the fault takes it. */
  hit(): boolean {
    const takes = this.#seen % (this.options.oneIn ?? 1) === 0 && this.#isAboveRate();
    this.#seen += 1;
    if (takes) this.#hits += 1;
    return takes;
  }

  #isAboveRate(): boolean {
    const { abovePerSecond } = this.options;
    if (abovePerSecond === undefined) return true;
    const second = Math.floor(this.#clock.monotonic() / 1000);
    this.#inSecond = second === this.#second ? this.#inSecond + 1 : 1;
    this.#second = second;
    return this.#inSecond > abovePerSecond;
  }
}
