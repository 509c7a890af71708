import type { KmsCall } from "./call.js";
import { readInput, type InputOf, type InputRules } from "./input.js";

export interface Operation {
  readonly name: string;
  execute(call: KmsCall): object | undefined | Promise<object>;
}

/** Ties an operation's name, what it accepts and what it does together. */
export function operation<const R extends InputRules>(
  name: string,
  rules: R,
  run: (call: KmsCall, input: InputOf<R>) => object | undefined | Promise<object>,
): Operation {
  return { name, execute: (call) => run(call, readInput(rules, call.request.body)) };
}

/** Members that many operations share. */
export const keyIdRule = { type: "string", required: true, min: 1, max: 2048 } as const;
export const optionalKeyIdRule = { type: "string", min: 1, max: 2048 } as const;
export const contextRule = { type: "string-map" } as const;
export const grantTokensRule = { type: "string-list", max: 10 } as const;
export const dryRunRule = { type: "boolean" } as const;
export const limitRule = { type: "integer", min: 1, max: 1000 } as const;
export const markerRule = { type: "string", min: 1, max: 1024 } as const;
export const descriptionRule = { type: "string", max: 8192 } as const;
export const policyRule = { type: "string", min: 1, max: 131_072 } as const;
