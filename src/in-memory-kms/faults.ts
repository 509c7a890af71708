import type { Clock } from "../clock.js";
import { faultOutcomes, type FaultKind, type FaultOutcome } from "./fault-kinds.js";
import { checkFault, type FaultOptions, type FaultScope } from "./fault-options.js";

/** A fault that is active. */
export interface Fault {
  /** Tells it from the others of this in-memory KMS. */
  readonly id: string;
  readonly kind: FaultKind;
  readonly options: FaultOptions;
  /** Number of calls that it has hit. */
  readonly hits: number;
  /** Ends the fault. Again does no harm. */
  remove(): void;
}

/** What faults can select calls by. */
export interface FaultTarget {
  operation: string;
  region: string;
  accessKeyId: string;
  keyId: string | undefined;
  keyArn: string | undefined;
}

interface FaultDecision {
  readonly waitMs: number;
  readonly kind?: FaultKind;
  readonly outcome?: FaultOutcome;
}

/** Injects faults. Several can be active at once, and of those that hit a call the oldest decides. */
export class KmsFaults {
  readonly #clock: Clock;
  readonly #namesKey: (keyId: string, keyArn: string) => boolean;
  readonly #active = new Set<ActiveFault>();
  #last = 0;

  /** @internal */
  constructor(clock: Clock, namesKey: (keyId: string, keyArn: string) => boolean) {
    this.#clock = clock;
    this.#namesKey = namesKey;
  }

  /**
   * Injects a fault of any kind. The methods below are short forms for common kinds.
   * @throws TypeError for an unknown kind, option or operation: a fault that never hits would leave a test green
   */
  inject(kind: FaultKind, options: FaultOptions = {}): Fault {
    checkFault(kind, options);
    const fault = new ActiveFault(String((this.#last += 1)), kind, options, this.#clock, () =>
      this.#active.delete(fault),
    );
    this.#active.add(fault);
    return fault;
  }

  /** Refuses connections, as if KMS were down. */
  outage(options?: FaultScope): Fault {
    return this.inject("connection-refused", options);
  }

  /** Delays answers by `ms` milliseconds of real time. */
  latency(ms: number, options?: FaultScope): Fault {
    return this.inject("latency", { ...options, ms });
  }

  /** Never answers. Only the caller's abort or timeout ends a call. */
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

  /** Faults that have not ended. */
  active(): readonly Fault[] {
    return [...this.#active].filter((fault) => !fault.isOver);
  }

  /** @internal Called while the SDK loads credentials, before there is a call: only faults that hit every call count. */
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

  /** @internal Decides how long a call waits, and which fault answers it. */
  decide(describe: () => FaultTarget): FaultDecision {
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
        (target.keyArn !== undefined && this.#namesKey(keyId, target.keyArn)))
    );
  }
}

class ActiveFault implements Fault {
  readonly id: string;
  readonly kind: FaultKind;
  readonly options: FaultOptions;
  readonly remove: () => void;
  readonly #clock: Clock;
  readonly #end: number;
  #seen = 0;
  #hits = 0;
  #second = Number.NaN;
  #inSecond = 0;

  constructor(id: string, kind: FaultKind, options: FaultOptions, clock: Clock, remove: () => void) {
    this.id = id;
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

  /** Counts a call within the scope. Returns whether the fault hits it. */
  hit(): boolean {
    const hits = this.#seen % (this.options.oneIn ?? 1) === 0 && this.#isAboveRate();
    this.#seen += 1;
    if (hits) this.#hits += 1;
    return hits;
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
