import { errorCodeOf, InvalidInputError, type ErrorCode } from "./errors.js";
import { warnOf } from "./events.js";
import { callOthers, dropAnswer } from "./util/call-others.js";
import { member } from "./util/safe-cause.js";

/** What a key store does, as an observer sees it. The last two happen inside the others, or in the background. */
export type OperationName =
  | "encryptRecording"
  | "encryptFile"
  | "decryptRecording"
  | "decryptFile"
  | "openRecording"
  | "salvageRecording"
  | "readMetadata"
  | "test"
  | "configure"
  | "rotate"
  | "rotateIfDue"
  | "confirm"
  | "rewrapKeyPairs"
  | "restoreKeyPairs"
  | "removeOrphanedKeyPairs"
  | "acceptRestoredStore"
  | "replaceUntrustedHead"
  | "changeKey"
  | "unwrapPrivateKey";

/** What begins. */
export interface OperationStart {
  readonly organizationId: string;
  readonly operation: OperationName;
  readonly recordingId?: string;
  readonly asset?: string;
}

/** How it has ended: facts without content. A stream ends when it is done, a reader when it is open. */
export interface OperationEnd {
  /** Code of the library's error, or the name of another one that says why a call was ended; `OTHER` for any other. */
  readonly error?: ErrorCode | "AbortError" | "TimeoutError" | "OTHER";
  readonly keyPairId?: string;
  readonly usedLastKnownKey?: boolean;
  readonly keyAtRisk?: boolean;
  readonly confirmation?: "confirmed" | "unconfirmed";
  /** In bytes. */
  readonly plaintextSize?: number;
  /** In bytes. */
  readonly encryptedSize?: number;
}

/** Watches one operation. */
export interface OperationWatch {
  /**
   * Calls `work` once, at once, in whatever asynchronous context it likes: what the operation does then happens in that
   * context.
   */
  within?(work: () => void): void;
  ended(end: OperationEnd): void;
}

/**
 * Watches a key store, or all of a registry, by `RecordingKeyStore.observe()`. It is told facts, never content, keys or
 * results. What it throws becomes a process warning, and disturbs nothing.
 */
export interface OperationObserver {
  /** @returns a watch, if it wants to know how the operation ends */
  started?(operation: OperationStart): OperationWatch | undefined;
  /** A private key was needed, and was in memory or not: then KMS was asked. */
  privateKeyUsed?(use: { readonly organizationId: string; readonly inMemory: boolean }): void;
}

/** Facts about a result that are told. */
const facts = [
  "keyPairId",
  "usedLastKnownKey",
  "keyAtRisk",
  "confirmation",
  "plaintextSize",
  "encryptedSize",
] as const satisfies readonly (keyof OperationEnd)[];

/** An operation of which only the organization is not said yet. */
export type Described = Omit<OperationStart, "organizationId">;

/** The observers of a key store, and of its registry. Costs nothing while there are none. */
export class Operations {
  readonly #organizationId: string;
  readonly #observers: Observers;
  readonly #shared: Observers | undefined;

  constructor(organizationId: string, shared?: Observers) {
    this.#organizationId = organizationId;
    this.#observers = new Observers();
    this.#shared = shared;
  }

  /** @returns a function that takes the observer out again */
  observe(observer: OperationObserver): () => void {
    return this.#observers.add(observer);
  }

  get hasAny(): boolean {
    return this.#observers.size > 0;
  }

  /** Runs work that is watched. @param streams - the result goes on after the call, until `done` */
  run<T>(described: Described, work: () => Promise<T>, streams = false): Promise<T> {
    if (this.#observers.size === 0 && (this.#shared?.size ?? 0) === 0) return work();
    return this.#watched(described, work, streams);
  }

  privateKeyUsed(inMemory: boolean): void {
    for (const observers of [this.#observers, this.#shared]) {
      if (!observers || observers.size === 0) continue;
      const use = { organizationId: this.#organizationId, inMemory };
      for (const observer of observers.all()) callOthers(() => observer.privateKeyUsed?.(use), warnOf);
    }
  }

  async #watched<T>(described: Described, work: () => Promise<T>, streams: boolean): Promise<T> {
    const started = { organizationId: this.#organizationId, ...described };
    const observers = [...(this.#shared?.all() ?? []), ...this.#observers.all()];
    const watches = observers.flatMap((observer) => watchOf(observer, { ...started }));
    const end = (ended: OperationEnd) => {
      for (const watch of watches) callOthers(() => watch.ended({ ...ended }), warnOf);
    };
    try {
      const result = await withinAll(watches, work);
      const done = streams ? (member(result as object, "done") as Promise<unknown> | undefined) : undefined;
      if (done)
        void done.then(
          (totals) => end({ ...factsOf(result), ...factsOf(totals) }),
          (error: unknown) => end({ ...factsOf(result), error: errorOf(error) }),
        );
      else end(factsOf(result));
      return result;
    } catch (error) {
      end({ error: errorOf(error) });
      throw error;
    }
  }
}

/** A set of observers. */
export class Observers {
  readonly #all = new Set<OperationObserver>();

  get size(): number {
    return this.#all.size;
  }

  all(): readonly OperationObserver[] {
    return [...this.#all];
  }

  /** @throws InvalidInputError for what is no object */
  add(observer: OperationObserver): () => void {
    if (typeof observer !== "object" || observer === null)
      throw new InvalidInputError("observer", "must be an object", observer);
    const own = { ...bound(observer) };
    this.#all.add(own);
    return () => void this.#all.delete(own);
  }
}

/** An observer of one's own, so that one added twice is told twice, and taken out once. */
function bound(observer: OperationObserver): OperationObserver {
  return {
    started: (operation) => observer.started?.(operation),
    privateKeyUsed: (use) => observer.privateKeyUsed?.(use),
  };
}

/** Starts the work inside the contexts of all watches, once, whatever they do. */
function withinAll<T>(watches: readonly OperationWatch[], work: () => Promise<T>): Promise<T> {
  let running: Promise<T> | undefined;
  const start = () => {
    running ??= startedSafely(work);
  };
  const nested = watches.reduceRight<() => void>(
    (inner, watch) => () => {
      callOthers(() => watch.within?.(inner), warnOf);
      inner();
    },
    start,
  );
  nested();
  return running ?? startedSafely(work);
}

/** A synchronous throw is the work's own, and none of the watch that called it. */
function startedSafely<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The watch of an observer, if it wants one. */
function watchOf(observer: OperationObserver, started: OperationStart): OperationWatch[] {
  try {
    const watch: unknown = observer.started?.(started);
    if (typeof watch !== "object" || watch === null) return [];
    if (typeof (watch as Partial<OperationWatch>).ended === "function") return [watch as OperationWatch];
    dropAnswer(watch, warnOf);
  } catch (error) {
    warnOf(error);
  }
  return [];
}

function factsOf(result: unknown): OperationEnd {
  if (typeof result !== "object" || result === null) return {};
  const told: Record<string, unknown> = {};
  for (const name of facts) {
    const value = (result as Record<string, unknown>)[name];
    if (["string", "number", "boolean"].includes(typeof value)) told[name] = value;
  }
  return told;
}

function errorOf(error: unknown): NonNullable<OperationEnd["error"]> {
  const code = errorCodeOf(error);
  if (code !== undefined) return code;
  const name = typeof error === "object" && error !== null ? member(error, "name") : undefined;
  return name === "AbortError" || name === "TimeoutError" ? name : "OTHER";
}
