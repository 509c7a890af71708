import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { InvalidInputError, RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import type { KeyPairStore, StoreCallOptions } from "../stores/key-pair-store.js";
import { isStoreFailureKind, StoreError } from "../stores/store-error.js";
import { abortable } from "../util/abort.js";

/** A process that has opened a store, and a handle on it. */
export interface KeyPairStoreProcess {
  /** Its calls run in the process. A signal ends the waiting, not the call. */
  readonly store: KeyPairStore;
  /** Kills the process, as a crash would (SIGKILL), and waits for its end. Calls under way reject. */
  readonly kill: () => Promise<void>;
}

/** Options of {@link startKeyPairStoreProcess}. */
export interface KeyPairStoreProcessOptions {
  /** Arguments of the program: `process.argv.slice(2)`. */
  readonly args?: readonly string[] | undefined;
  /** Options of Node, such as a loader for TypeScript. Default: those of this process. */
  readonly execArgv?: readonly string[] | undefined;
}

type Method = Exclude<keyof KeyPairStore, "hostLastConfirmed">;

/** Number of parameters before the options. */
const parameters: Readonly<Record<Method, number>> = {
  readHead: 1,
  swapHead: 3,
  headChanges: 1,
  createKeyPair: 1,
  readKeyPair: 2,
  listKeyPairs: 2,
  createWrapping: 3,
  listWrappings: 2,
  removeKeyPair: 2,
  checkWritable: 1,
  readStatus: 1,
  writeStatus: 2,
};
const methods = Object.keys(parameters) as Method[];

interface Call {
  readonly id: number;
  readonly method: Method;
  readonly args: readonly unknown[];
}
type Answer = { readonly id: number } & ({ readonly value: unknown } | { readonly failure: Failure });
interface Ready {
  readonly methods: readonly Method[];
}
/** What structured cloning would leave of an error is its message. */
interface Failure {
  readonly message: string;
  readonly code?: unknown;
  readonly kind?: unknown;
  readonly field?: unknown;
  readonly rule?: unknown;
  readonly retryable?: unknown;
}

/**
 * What a program does that {@link startKeyPairStoreProcess} starts: serves the calls of the process that started it, until
 * that one ends or kills it.
 *
 * @example
 * ```ts
 * // my-store-process.js
 * serveKeyPairStore(new MyStore(process.argv[2]));
 * ```
 */
export function serveKeyPairStore(store: KeyPairStore): void {
  const send = (message: Answer | Ready) => void process.send?.(message, undefined, undefined, () => undefined);
  process.on("message", ({ id, method, args }: Call) => {
    const call = async () => (store[method] as (...given: readonly unknown[]) => unknown).apply(store, [...args]);
    call().then(
      (value) => send({ id, value }),
      (error: unknown) => send({ id, failure: failureOf(error) }),
    );
  });
  process.on("disconnect", () => process.exit());
  send({ methods: methods.filter((method) => typeof store[method] === "function") });
}

/**
 * Starts a process for {@link KeyPairStoreUnderTest.startProcess}.
 *
 * @param program - path or file URL of a program that calls {@link serveKeyPairStore} with a store on the same data
 * @throws Error with what the program has written to its standard error, where it ends before it serves
 */
export async function startKeyPairStoreProcess(
  program: string | URL,
  { args = [], execArgv = process.execArgv }: KeyPairStoreProcessOptions = {},
): Promise<KeyPairStoreProcess> {
  const child = fork(program, args, {
    execArgv: [...execArgv],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const exit = once(child, "exit");
  const kill = async () => {
    child.kill("SIGKILL");
    await exit;
  };
  const served = await methodsServed(child);
  const calls = new RemoteCalls(child);
  const store = Object.fromEntries(served.map((method) => [method, calls.method(method)])) as unknown as KeyPairStore;
  return { store, kill };
}

/** Waits for the program's first word. */
function methodsServed(child: ChildProcess): Promise<readonly Method[]> {
  let complaints = "";
  child.stderr?.on("data", (data: Buffer) => (complaints += data.toString()));
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve((message as unknown as Ready).methods));
    child.once("error", reject);
    child.once("close", () => reject(new Error(`the program has ended before it served the store: ${complaints}`)));
  });
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Calls under way in a process. */
class RemoteCalls {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message) => this.#settle(message as unknown as Answer));
    child.on("exit", () => this.#abandonAll());
  }

  method(method: Method): (...given: unknown[]) => Promise<unknown> {
    const count = parameters[method];
    return async (...given) => {
      const signal = (given[count] as StoreCallOptions | undefined)?.signal;
      signal?.throwIfAborted();
      return abortable(this.#call(method, given.slice(0, count)), signal);
    };
  }

  #call(method: Method, args: readonly unknown[]): Promise<unknown> {
    const id = (this.#last += 1);
    const answered = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const call: Call = { id, method, args };
    this.#child.send(call, (error) => error && this.#abandon(id));
    return answered;
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("failure" in answer) waiting?.reject(errorOf(answer.failure));
    else waiting?.resolve(answer.value);
  }

  #abandon(id: number): void {
    this.#waiting
      .get(id)
      ?.reject(new StoreError("unreachable", { operation: "call", message: "the process has ended" }));
    this.#waiting.delete(id);
  }

  #abandonAll(): void {
    for (const id of this.#waiting.keys()) this.#abandon(id);
  }
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, kind, field, rule, retryable } = error as Partial<Record<keyof Failure, unknown>>;
  return { message: error.message, code, kind, field, rule, retryable };
}

function errorOf({ message, code, kind, field, rule, retryable }: Failure): Error {
  if (code === "ERR_INVALID_INPUT") return new InvalidInputError(String(field), String(rule));
  if (isStoreFailureKind(kind)) return new StoreError(kind, { operation: "call", message });
  if (typeof code !== "string" || !code.startsWith("ERR_STORE_")) return new Error(message);
  return new RecordingKeyStoreError(code as ErrorCode, message, { retryable: retryable === true });
}
