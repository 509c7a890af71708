import { faultKinds, type FaultKind } from "./fault-kinds.js";
import { operations } from "./operations/index.js";

/** Which calls a fault hits, and for how long. Default: every call, until the fault is removed. */
export interface FaultScope {
  /** One operation or several, such as `"Decrypt"`. */
  operation?: string | readonly string[];
  /** Key that the call is about, by key id, key ARN, alias name or alias ARN. */
  keyId?: string;
  region?: string;
  accessKeyId?: string;
  /** Number of hits after which the fault ends, from 1. */
  times?: number;
  /** Time after which the fault ends, in ms of the in-memory KMS's clock. */
  forMs?: number;
  /** Hits every `oneIn`th call, beginning with the first. From 1. */
  oneIn?: number;
  /** Hits only calls above this number in one second of the in-memory KMS's clock. */
  abovePerSecond?: number;
}

export interface FaultOptions extends FaultScope {
  /** `latency`: delay of each call, in ms of real time. `clock-skew`: lead of the service's clock, in ms; default 600,000. */
  ms?: number;
}

const isText = (value: unknown) => typeof value === "string" && value !== "";
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 1;
const isDuration = (value: unknown) => Number.isFinite(value) && (value as number) >= 0;

/** What each option of a fault must be. */
const rules: Record<keyof FaultOptions, [fits: (value: unknown) => boolean, what: string]> = {
  operation: [(value) => [value].flat().every(isOperation), "an operation of KMS, or a list of them"],
  keyId: [isText, "a key id, key ARN, alias name or alias ARN"],
  region: [isText, "a Region"],
  accessKeyId: [isText, "an access key id"],
  times: [isCount, "a whole number from 1"],
  forMs: [isDuration, "milliseconds"],
  oneIn: [isCount, "a whole number from 1"],
  abovePerSecond: [isDuration, "a number of calls"],
  ms: [Number.isFinite, "milliseconds"],
};

function isOperation(name: unknown): boolean {
  return typeof name === "string" && operations.has(name);
}

/** @throws TypeError that names the option and the rule */
export function checkFault(kind: FaultKind, options: FaultOptions): void {
  if (!faultKinds.includes(kind))
    throw new TypeError(`There is no fault "${kind}"; the kinds are ${faultKinds.join(", ")}`);
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof FaultOptions] : undefined;
    if (!rule) throw new TypeError(`A fault has no option "${name}"; its options are ${Object.keys(rules).join(", ")}`);
    const [fits, what] = rule;
    if (value !== undefined && !fits(value))
      throw new TypeError(`${name} must be ${what}, and is ${JSON.stringify(value)}`);
  }
  if (kind === "latency" && !(options.ms !== undefined && options.ms >= 0))
    throw new TypeError("latency needs ms, the milliseconds by which calls are held up");
}
