import { faultKinds, type FaultKind } from "./fault-kinds.js";
import { operations, operationsNotModelled } from "./operations/index.js";

const isText = (value: unknown) => typeof value === "string" && value !== "";
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 1;
const isDuration = (value: unknown) => Number.isFinite(value) && (value as number) >= 0;

/** Every option of a fault, with what it has to be. */
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
  return typeof name === "string" && (operations.has(name) || operationsNotModelled.includes(name));
}

/** Throws a TypeError that names the option and the rule. */
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

/** What a fault hits, and for how long. Everything, until it is removed, unless told otherwise. */
export interface FaultScope {
  /** One operation or several: `"Decrypt"`. */
  operation?: string | readonly string[];
  /** Any form of key id; compared with the key that the call is about. */
  keyId?: string;
  region?: string;
  accessKeyId?: string;
  /** Ends by itself after so many hits. */
  times?: number;
  /** Ends by itself after so many milliseconds of the in-memory KMS's clock. */
  forMs?: number;
  /** Hits one call in so many, the first among them. */
  oneIn?: number;
  /** Hits only the calls above this many in one second of the in-memory KMS's clock. */
  abovePerSecond?: number;
}

export interface FaultOptions extends FaultScope {
  /** `latency`: how long each call is held up, in real milliseconds. `clock-skew`: how far the service's clock is ahead. */
  ms?: number;
}
