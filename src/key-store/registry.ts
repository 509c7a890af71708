import type { Clock } from "../clock.js";
import { RecordingKeyStoreError } from "../errors.js";
import { Listeners, type EventName, type EventSink, type RecordingKeyStoreEvents } from "../events.js";
import { PrivateKeyCustody } from "../key-pairs/custody/private-key-custody.js";
import type { KeyStoreHealth } from "../key-pairs/key-manager.js";
import { KmsCallLimit, type KmsCallsUnderWay } from "../kms/call-limit.js";
import { ProcessLastConfirmedStore } from "../stores/last-confirmed-store.js";
import { Observers, type OperationObserver } from "../operations.js";
import { abortable, withTimeout } from "../util/abort.js";
import { ownOptions } from "../util/check-input.js";
import { checkedClock } from "../util/checked-clock.js";
import { unref } from "../util/realms.js";
import { IdleKeyStores } from "./idle-key-stores.js";
import { Maintenance } from "./maintenance.js";
import {
  type CallOptions,
  type CloseOptions,
  type OrganizationOptions,
  type RecordingKeyStoreOptions,
  type RecordingKeyStoreRegistryOptions,
} from "./options.js";
import { checkOrganizationId, OrganizationLookup } from "./organization-lookup.js";
import { RecordingKeyStore, type KeyStoreHost, type KeyStoreParts } from "./recording-key-store.js";
import { check } from "./schemas.js";

/** The events of all organizations, each with the organization it is about. */
export type RecordingKeyStoreRegistryEvents = {
  [N in EventName]: RecordingKeyStoreEvents[N] & { organizationId: string };
};

/** What {@link RecordingKeyStoreRegistry.status} counts. */
export interface RecordingKeyStoreRegistryStatus {
  /** Key stores that are kept. */
  readonly keyStores: number;
  /** Those of them with calls or streams under way. */
  readonly withOpenWork: number;
  /** Those that encrypt with the last known key. */
  readonly usingLastKnownKey: number;
  /** Those whose KMS key is known to be disabled, pending deletion or gone. */
  readonly keyAtRisk: number;
  readonly unwrappedPrivateKeys: number;
  readonly kmsCalls: readonly KmsCallsUnderWay[];
}

interface Parts extends KeyStoreParts {
  readonly maintenance: Maintenance;
}

/** A key store that is being made. */
interface Making {
  /** `undefined` if the organization was released meanwhile. */
  readonly keyStore: Promise<RecordingKeyStore | undefined>;
  /** What `resolveOrganization` gives may be outdated then. */
  released: boolean;
}

/** Least number of timer rounds in which all organizations get their turn: thousands that are due do not call at once. */
const fewestRounds = 60;

/**
 * The key stores of many organizations in one process. Owns what they share: a bounded number of unwrapped private keys
 * and of KMS calls under way, the process's memory of what KMS has confirmed, and one unref'd timer for confirmations and
 * rotations that fall due while no recording is made.
 */
export class RecordingKeyStoreRegistry {
  readonly #common: Omit<RecordingKeyStoreRegistryOptions, "resolveOrganization">;
  readonly #lookup: OrganizationLookup;
  readonly #maintenanceInterval: number;
  readonly #clock: Clock;
  readonly #custody: PrivateKeyCustody;
  readonly #kmsCalls: KmsCallLimit;
  readonly #host: KeyStoreHost;
  readonly #parts = new WeakMap<RecordingKeyStore, Parts>();
  readonly #keyStores: IdleKeyStores<RecordingKeyStore>;
  /** Kept, so that an evicted organization needs no second `resolveOrganization`. */
  readonly #own = new Map<string, OrganizationOptions>();
  readonly #making = new Map<string, Making>();
  readonly #closing = new Set<Promise<void>>();
  readonly #listeners = new Listeners<RecordingKeyStoreRegistryEvents>();
  readonly #observers = new Observers();
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** Where the last round of the timer ended, and the next one goes on. */
  #round: Iterator<RecordingKeyStore> | undefined;

  /** @throws InvalidInputError naming the option and the rule */
  constructor(options: RecordingKeyStoreRegistryOptions) {
    const {
      resolveOrganization,
      resolveTimeout,
      maxIdleKeyStores,
      maxPrivateKeys,
      kmsCallsPerRegion,
      maintenanceInterval,
      ...common
    } = check("registry", options);
    this.#common = ownOptions(common) as RecordingKeyStoreRegistryOptions;
    this.#lookup = new OrganizationLookup(resolveOrganization, resolveTimeout);
    this.#maintenanceInterval = maintenanceInterval;
    this.#clock = checkedClock(this.#common.clock);
    this.#custody = new PrivateKeyCustody(this.#clock, maxPrivateKeys);
    this.#kmsCalls = new KmsCallLimit(kmsCallsPerRegion);
    this.#keyStores = new IdleKeyStores(maxIdleKeyStores, (keyStore) => this.#isEvictable(keyStore));
    this.#host = {
      shared: {
        custody: this.#custody,
        lastConfirmed: new ProcessLastConfirmedStore(this.#clock),
        kmsCalls: this.#kmsCalls,
      },
      emit: (organizationId) => this.#emitFor(organizationId),
      observers: this.#observers,
      made: (keyStore, parts) => this.#made(keyStore, parts),
      used: (keyStore) => this.#keyStores.keep(this.#partsOf(keyStore).keys.organizationId, keyStore),
    };
  }

  /**
   * The organization's key store: the same one for as long as anybody holds it. Ask for it each time or hold it, as you
   * like: one that was evicted goes on where it was. After its own `close`, and after {@link release}, there is another.
   * @throws InvalidInputError, also where `resolveOrganization` throws what is no error; whatever error it throws;
   * `ERR_ORGANIZATION_TIMEOUT`; `ERR_CLOSED`; the signal's reason
   */
  async for(organizationId: string, options?: CallOptions): Promise<RecordingKeyStore> {
    const { signal } = check("call", options);
    checkOrganizationId(organizationId);
    for (;;) {
      this.#checkOpen();
      signal?.throwIfAborted();
      const known = this.#keyStores.get(organizationId);
      if (known && !this.#partsOf(known).work.isClosed) {
        this.#keyStores.keep(organizationId, known);
        return known;
      }
      const making = this.#making.get(organizationId) ?? this.#startMaking(organizationId);
      const made = await abortable(making.keyStore, signal);
      if (made && !this.#partsOf(made).work.isClosed) return made;
    }
  }

  /**
   * Closes one organization's key store, as its own `close` does: because it has left, or because its options have changed.
   * A {@link for} that comes after this, or waits meanwhile, asks `resolveOrganization` again. What KMS has confirmed to this
   * process is remembered all the same.
   */
  async release(organizationId: string, options?: CallOptions): Promise<void> {
    const { signal } = check("call", options);
    const making = this.#making.get(organizationId);
    if (making) making.released = true;
    this.#making.delete(organizationId);
    const keyStore = this.#keyStores.get(organizationId);
    this.#keyStores.delete(organizationId);
    this.#own.delete(organizationId);
    if (keyStore) await this.#closeOne(keyStore, signal);
  }

  /** Wipes the unwrapped private keys of all organizations now, and ends what was opened with them (`ERR_KEYS_FORGOTTEN`). */
  forgetPrivateKeys(): void {
    this.#custody.forgetAll();
  }

  /** How the process fares. Reads memory only. */
  status(): RecordingKeyStoreRegistryStatus {
    const all = [...this.#keyStores].map((keyStore) => this.#partsOf(keyStore));
    return {
      keyStores: all.length,
      withOpenWork: all.filter(({ work }) => !work.isIdle).length,
      usingLastKnownKey: all.filter(({ keys }) => keys.usesLastKnownKey).length,
      keyAtRisk: all.filter(({ keys }) => keys.keyAtRisk).length,
      unwrappedPrivateKeys: this.#custody.size,
      kmsCalls: this.#kmsCalls.underWay,
    };
  }

  /** How the keys of the key stores that are kept fare. Reads memory only. */
  health(): KeyStoreHealth[] {
    return [...this.#keyStores].map((keyStore) => keyStore.health());
  }

  /** Watches the operations of all organizations. @returns a function that removes the observer */
  observe(observer: OperationObserver): () => void {
    return this.#observers.add(observer);
  }

  /** Listens to all organizations. @returns a function that removes the listener */
  on<N extends EventName>(name: N, listener: (event: RecordingKeyStoreRegistryEvents[N]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  /**
   * Closes every key store: refuses new work, waits for open streams (or aborts them when `signal` aborts or `timeout` has passed), ends background
   * work and wipes keys. Never closes what was injected.
   */
  async close(options?: CloseOptions): Promise<void> {
    const { signal, timeout } = check("close", options);
    this.#end.abort(closed());
    clearInterval(this.#timer);
    await Promise.allSettled([...this.#making.values()].map(({ keyStore }) => keyStore));
    await withTimeout(timeout, signal, async (ending) => {
      for (const keyStore of this.#keyStores.all()) void this.#closeOne(keyStore, ending);
      await Promise.all(this.#closing);
    });
    this.#custody.forgetAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Node's `util.inspect` shows how many organizations there are, and nothing else. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `RecordingKeyStoreRegistry { keyStores: ${this.#keyStores.size} }`;
  }

  #startMaking(organizationId: string): Making {
    const state = { released: false };
    const keyStore = this.#make(organizationId, () => state.released)
      .catch((error: unknown) => {
        if (state.released) return undefined;
        throw error;
      })
      .finally(() => {
        if (this.#making.get(organizationId) === making) this.#making.delete(organizationId);
      });
    const making: Making = Object.assign(state, { keyStore });
    this.#making.set(organizationId, making);
    return making;
  }

  async #make(organizationId: string, isReleased: () => boolean): Promise<RecordingKeyStore | undefined> {
    const own = this.#own.get(organizationId) ?? (await this.#lookup.optionsOf(organizationId, this.#end.signal));
    if (isReleased()) return undefined;
    const options = { ...this.#common, ...own, organizationId, clock: this.#clock };
    const keyStore = new RecordingKeyStore(options as RecordingKeyStoreOptions, this.#host); // which checks that nothing is missing
    this.#own.set(organizationId, own);
    this.#keyStores.keep(organizationId, keyStore);
    this.#startTimer();
    return keyStore;
  }

  #made(keyStore: RecordingKeyStore, parts: KeyStoreParts): void {
    const { keys, work } = parts;
    const maintained = {
      get dueIn() {
        return keys.maintenanceIn;
      },
      maintain: () => work.run(undefined, (signal) => keys.maintain(signal), false).catch(() => undefined),
    };
    this.#parts.set(keyStore, { ...parts, maintenance: new Maintenance(maintained, this.#clock) });
  }

  #partsOf(keyStore: RecordingKeyStore): Parts {
    const parts = this.#parts.get(keyStore);
    if (!parts) throw new TypeError("not a key store of this registry");
    return parts;
  }

  /** A key store in trouble stays: nobody else knows since when, and why. */
  #isEvictable(keyStore: RecordingKeyStore): boolean {
    const { keys, work, events, operations } = this.#partsOf(keyStore);
    return work.isIdle && keys.isIdle && !events.listeners.hasAny && !operations.hasAny;
  }

  #startTimer(): void {
    this.#timer ??= unref(setInterval(() => this.#maintain(), this.#maintenanceInterval));
  }

  #maintain(): void {
    let turns = Math.ceil(this.#keyStores.size / fewestRounds);
    for (let looked = 0; looked < this.#keyStores.size && turns > 0; looked += 1) {
      this.#round ??= this.#keyStores[Symbol.iterator]();
      const next = this.#round.next();
      if (next.done) {
        this.#round = undefined;
        continue;
      }
      const { maintenance } = this.#partsOf(next.value);
      if (!maintenance.isDue()) continue;
      void maintenance.run();
      turns -= 1;
    }
    this.#keyStores.trim();
  }

  #emitFor(organizationId: string): EventSink {
    return <N extends EventName>(name: N, event: RecordingKeyStoreEvents[N]) =>
      this.#listeners.emit(name, { organizationId, ...event } as unknown as RecordingKeyStoreRegistryEvents[N]);
  }

  #closeOne(keyStore: RecordingKeyStore, signal: AbortSignal | undefined): Promise<void> {
    const closing = keyStore.close(signal ? { signal } : {}).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    return closing;
  }

  #checkOpen(): void {
    if (this.#end.signal.aborted) throw closed();
  }
}

function closed(): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_CLOSED", "the key stores are closed");
}
