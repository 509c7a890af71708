import type { KeySpec, KeyUsage } from "../../../src/in-memory-kms/key-specs.js";
import type { Send } from "../cases.js";
import type { CallerName, World } from "../world.js";

/**
 * Where an answer is known from: a response recorded from the real service, its documentation, or our own choice, where
 * neither says anything. Of a documented error the name is AWS's and the text may be ours.
 */
export type Source = "recorded" | "documented" | "ours";

export type Input = Record<string, unknown>;
export type Output = Record<string, unknown>;

/** What an operation answers in a situation. */
export interface Row {
  readonly operation: string;
  /** Reads on after "answers, …". */
  readonly situation: string;
  readonly source: Source;
  readonly as?: CallerName;
  readonly region?: string;
  readonly input: (world: World, send: Send) => Input | Promise<Input>;
  /**
   * Name, text and status of the error. `{KeyId}` in a text stands for the request's, `{…}` for its other members. Absent for
   * success.
   */
  readonly error?: readonly [name: string, text?: string | RegExp, status?: number];
  /** Checks the answer of a success. */
  readonly output?: (output: Output, world: World, input: Input, send: Send) => unknown;
}

/** Text of a row's error for a request. */
export function textFor(text: string, input: Input): string {
  return text.replace(/\{(\w+)\}/g, (_whole, member: string) => String(input[member]));
}

const keys = new WeakMap<World, Map<string, string>>();

/** A key of a kind, which all rows of a world share and leave as it is. */
export function keyOf(world: World, keySpec: KeySpec, keyUsage: KeyUsage): string {
  const known = keys.get(world) ?? new Map<string, string>();
  keys.set(world, known);
  const kind = `${keySpec} ${keyUsage}`;
  const key = known.get(kind) ?? world.kms.createKey({ ...world.inAccount, keySpec, keyUsage });
  known.set(kind, key);
  return key;
}

export const bytes = (value: unknown) => Buffer.from(value as Uint8Array);

export const oneProblem = (problem: string) => `1 validation error detected: ${problem}`;
