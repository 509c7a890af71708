import { KmsError, RecordingKeyStoreError } from "../errors.js";
import type { ActiveKeyPairs } from "./active-key-pair.js";
import type { KeyPairContext } from "./context.js";
import { encodeHead, readHead, readHeadPair, storeCall, type Head } from "./head.js";
import { storedKeyPair, untrusted, type KeyPair } from "./key-pair.js";
import { makeKeyPair, options, unwrapPrivateKey } from "./making.js";
import { markLost } from "./orphans.js";
import { isChangeDue, nextKeyChange } from "./schedule.js";
import type { KeyPairSpec, PeriodicKeyChange } from "./vocabulary.js";

/** What an administrator decides; each pair's birth record carries it. */
export interface KeyStoreConfiguration {
  readonly kmsKeyAliasArn: string;
  readonly periodicKeyChange: PeriodicKeyChange;
  readonly keyPairSpec: KeyPairSpec;
  readonly contextKeyName: string;
}

export function configurationOf({ birth }: KeyPair): KeyStoreConfiguration {
  const { kmsKeyAliasArn, periodicKeyChange, spec, contextKeyName } = birth;
  return { kmsKeyAliasArn, periodicKeyChange, keyPairSpec: spec, contextKeyName };
}

/** How often a change that loses against other workers is tried again. */
const attempts = 8;
/** So much later at most does a worker make a due change by itself, milliseconds: most then find that another has made it. */
const longestPatience = 10_000;
const firstBackOff = 60_000;
const longestBackOff = 3_600_000;

/** Changes the active pair: put the new pair's records, have KMS unwrap it, swing the head by compare-and-swap. */
export class KeyRotation {
  readonly #context: KeyPairContext;
  readonly #active: ActiveKeyPairs;
  #running: Promise<void> | undefined;
  /** A fleet meets a due change at once; each of its workers would make a pair, and all but one for nothing. */
  readonly #patience = Math.floor(Math.random() * longestPatience);
  #backOff = 0;
  #nextAttemptAt = 0;

  constructor(context: KeyPairContext, active: ActiveKeyPairs) {
    this.#context = context;
    this.#active = active;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** In how many milliseconds a change is due, or may be tried again. */
  get changeIn(): number {
    const birth = this.#active.current?.pair.birth;
    const at = birth && nextKeyChange(birth);
    return at === undefined ? Infinity : Math.max(at + this.#patience, this.#nextAttemptAt) - this.#context.clock.now();
  }

  /** Whether a change is due by the schedule of the active pair, and has been for `since` milliseconds. */
  isDue(since = 0): boolean {
    const current = this.#active.current;
    if (!current) return false;
    return isChangeDue(current.pair.birth, this.#context.clock.now() - since);
  }

  /** Starts a due change in the background, unless one runs or the last one failed a short while ago. */
  startWhenDue(): void {
    if (this.#running || !this.isDue(this.#patience) || this.#context.clock.now() < this.#nextAttemptAt) return;
    this.#running = this.change({ takeAnyWinner: true })
      .then(
        () => undefined,
        () => undefined, // in health and events already
      )
      .finally(() => (this.#running = undefined));
  }

  /** Resolves when no background change runs. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /**
   * Makes a new pair active, under the same configuration or a new one.
   *
   * @param takeAnyWinner - a scheduled change is content with any worker's new pair; a change on demand takes another's
   * only if it is under the KMS key to which the alias resolves now
   * @throws KmsError, RecordingKeyStoreError; the pair before stays active
   */
  async change(request: { configuration?: KeyStoreConfiguration; takeAnyWinner?: boolean; signal?: AbortSignal }): Promise<KeyPair> {
    const { health, emit, clock } = this.#context;
    try {
      const pair = await this.#change(request);
      this.#backOff = 0;
      this.#nextAttemptAt = 0;
      health.succeeded("rotate");
      return pair;
    } catch (error) {
      if (!(error instanceof RecordingKeyStoreError)) throw error;
      this.#backOff = Math.min(longestBackOff, this.#backOff === 0 ? firstBackOff : this.#backOff * 2);
      this.#nextAttemptAt = clock.now() + this.#backOff;
      emit("keyChangeFailed", { error });
      if (this.#active.current && (error instanceof KmsError || this.isDue())) health.failed("rotate", error);
      throw error;
    }
  }

  async #change({ configuration, takeAnyWinner = false, signal }: { configuration?: KeyStoreConfiguration; takeAnyWinner?: boolean; signal?: AbortSignal }): Promise<KeyPair> {
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const head = await readHead(this.#context, signal);
      const previous = head ? await this.#trustedPair(head, configuration, signal) : undefined;
      if (takeAnyWinner && previous && !previous.digest.equals(this.#active.current?.pair.digest ?? Buffer.alloc(0))) {
        await this.#active.refresh(signal); // another worker was first
        if (!this.isDue()) return this.#active.current?.pair ?? previous;
      }
      const settings = configuration ?? (previous && configurationOf(previous));
      if (!settings) throw new RecordingKeyStoreError("ERR_NOT_CONFIGURED", "no KMS key is configured for this organization: call configure() first");
      const pair = await this.#make(settings, head, previous, configuration !== undefined, signal);
      const outcome = await this.#swing(pair, head, signal);
      if (outcome === "won") {
        if (configuration) this.#context.trust.adopt(configuration.kmsKeyAliasArn);
        await this.#active.adoptConfirmed(pair);
        return pair;
      }
      if (configuration) continue; // a losing configure() tries again: its settings must win
      const winner = await this.#trustedPair(outcome, undefined, signal);
      if (takeAnyWinner || winner.wrapping.kmsKeyArn === pair.wrapping.kmsKeyArn) {
        await this.#active.refresh(signal);
        const current = this.#active.current?.pair;
        if (current?.digest.equals(winner.digest)) return current;
      }
    }
    throw new RecordingKeyStoreError("ERR_STORE_CONFLICT", `other workers changed the key ${attempts} times in a row while this one tried`, { retryable: true });
  }

  /** The pair a head names, when it may serve as the one before a new pair. A new configuration may leave its key behind. */
  async #trustedPair(head: Head, configuration: KeyStoreConfiguration | undefined, signal: AbortSignal | undefined): Promise<KeyPair> {
    this.#active.checkFloor(head);
    const pair = await readHeadPair(this.#context, head, signal);
    if (!configuration) this.#context.trust.checkActive(pair);
    return pair;
  }

  async #make(settings: KeyStoreConfiguration, head: Head | undefined, previous: KeyPair | undefined, configured: boolean, signal: AbortSignal | undefined): Promise<KeyPair> {
    const { organizationId, kms, clock, decryptionUnder, trust } = this.#context;
    const createdAt = clock.now();
    const pair = await makeKeyPair(
      kms,
      {
        organizationId,
        sequence: (head?.sequence ?? 0) + 1,
        spec: settings.keyPairSpec,
        createdAt,
        ...(head ? { previousDigest: head.digest } : {}),
        kmsKeyAliasArn: settings.kmsKeyAliasArn,
        periodicKeyChange: settings.periodicKeyChange,
        scheduleAnchor: configured || !previous ? createdAt : previous.birth.scheduleAnchor,
        contextKeyName: settings.contextKeyName,
        purpose: "key-pair",
      },
      signal,
    );
    trust.checkActive(pair, { named: configured });
    // A policy may allow Encrypt and forbid Decrypt: nothing is encrypted for a pair that KMS has not opened once.
    const decrypt = decryptionUnder(pair.wrapping.kmsKeyArn);
    const { publicKey } = await unwrapPrivateKey({ ...pair, ciphertext: pair.wrapping.ciphertext, decrypt }, signal);
    if (!publicKey.equals(pair.publicKey)) throw untrusted("KMS unwrapped another private key than the one it was given");
    return pair;
  }

  /** Stores the pair and swings the head to it. An answer that got lost is settled by reading the head again. */
  async #swing(pair: KeyPair, head: Head | undefined, signal: AbortSignal | undefined): Promise<"won" | Head> {
    const { store, organizationId } = this.#context;
    await storeCall(signal, () => store.createKeyPair(storedKeyPair(pair), options(signal)));
    try {
      const swapped = await storeCall(undefined, () => store.swapHead(organizationId, head?.revision, encodeHead(pair)));
      if (swapped) return "won";
    } catch (error) {
      const now = await readHead(this.#context).catch(() => undefined);
      if (now?.digest.equals(pair.digest)) return "won";
      throw error;
    }
    const now = await readHead(this.#context, signal);
    if (!now) throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", "the store refused to swap a head that it does not have");
    if (now.digest.equals(pair.digest)) return "won";
    await markLost(this.#context, pair, now);
    return now;
  }
}
