import { AwsError } from "./aws-error.js";
import type { KmsCall } from "./call.js";
import { readInput, type InputOf, type InputRules } from "./input.js";

export interface Operation {
  readonly name: string;
  execute(call: KmsCall): object | undefined | Promise<object>;
}

/** Defines an operation: its name, what it accepts, and what it does. */
export function operation<const R extends InputRules>(
  name: string,
  rules: R,
  run: (call: KmsCall, input: InputOf<R>) => object | undefined | Promise<object>,
): Operation {
  const execute = (call: KmsCall) => {
    const input = readInput(rules, call.request.body);
    requireGrantTokens(call, (input as { GrantTokens?: readonly string[] }).GrantTokens);
    return run(call, input);
  };
  return { name, execute };
}

/** Refuses wrong grant tokens. Valid ones change nothing: grants take effect at once here. */
function requireGrantTokens(call: KmsCall, tokens: readonly string[] = []): void {
  if (!tokens.every((token) => call.state.grantOfToken(token, call.region)))
    throw new AwsError("InvalidGrantTokenException");
}

/* Members that many operations share. */

export const keyIdRule = { type: "string", required: true, min: 1, max: 2048 } as const;
export const optionalKeyIdRule = { type: "string", min: 1, max: 2048 } as const;
export const contextRule = { type: "string-map" } as const;
export const grantTokensRule = { type: "string-list", max: 10, item: { min: 1, max: 8192 } } as const;
export const dryRunRule = { type: "boolean" } as const;
export const limitRule = { type: "integer", min: 1, max: 1000 } as const;
export const markerRule = { type: "string", min: 1, max: 1024, pattern: String.raw`[\u0020-\u00FF]*` } as const;
export const descriptionRule = { type: "string", max: 8192 } as const;
export const policyRule = {
  type: "string",
  min: 1,
  max: 131_072,
  pattern: String.raw`[\u0009\u000A\u000D\u0020-\u00FF]+`,
} as const;
export const notModelled = { type: "not-modelled" } as const;
