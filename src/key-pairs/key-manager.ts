import type { Clock } from "../clock.js";
import type { CheckedOptions } from "../configuration.js";
import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import type { EventSink } from "../events.js";
import type { KmsCallLimit } from "../kms/call-limit.js";
import { decryptionInRegions, GuardedKmsProvider } from "../kms/guarded-kms-provider.js";
import { abortable } from "../kms/waiting.js";
import { TrustAnchor } from "../kms/trust-anchor.js";
import { ProcessLastConfirmed, type LastConfirmedStore } from "../stores/last-confirmed-store.js";
import type { DataKeyLease } from "../recording/data-key-lease.js";
import { ActiveKeyPairs, type ActiveKeyPair } from "./active-key-pair.js";
import type { ConfirmedMemory } from "./confirmed-memory.js";
import type { KeyPairContext } from "./context.js";
import { DataKeys, type Recipient } from "./data-keys.js";
import { KeyHealth } from "./health.js";
import { keyPairInfo, listHistory, type KeyPairInfo, type KeyPairPage } from "./history.js";
import type { KeyPair } from "./key-pair.js";
import { KeyTrust } from "./key-trust.js";
import { removeOrphans, type OrphanReport } from "./orphans.js";
import { sharedCustody, type PrivateKeyCustody } from "./private-key-custody.js";
import { rewrapKeyPairs, type RewrapReport } from "./rewrap.js";
import { KeyRotation, type KeyStoreConfiguration } from "./rotation.js";
import { readStatus, type KeyStoreStatus } from "./status.js";
import { runTest, type TestReport } from "./test-run.js";

/** The pair to encrypt with, and what the result must say about it. */
export interface EncryptionKey extends ActiveKeyPair {
  readonly usedLastKnownKey: boolean;
  readonly keyAtRisk: boolean;
}

/** What the organizations of one process share when a registry holds them. */
export interface SharedByOrganizations {
  readonly custody: PrivateKeyCustody;
  readonly memory: ConfirmedMemory;
  readonly kmsCalls: KmsCallLimit;
}

/** One organization's key pairs: the active one, its rotation, the history, and the way to data keys. */
export class KeyManager {
  readonly organizationId: string;
  readonly #options: CheckedOptions;
  readonly #context: KeyPairContext;
  readonly #active: ActiveKeyPairs;
  readonly #rotation: KeyRotation;
  readonly #dataKeys: DataKeys;
  readonly #anchor: TrustAnchor | undefined;

  constructor(options: CheckedOptions, clock: Clock, emit: EventSink, shared?: SharedByOrganizations) {
    const { organizationId, homeRegion, decryptRegions, store, trustedKmsKeys, embeddedKeys } = options;
    this.organizationId = organizationId;
    this.#options = options;
    this.#anchor = trustedKmsKeys && new TrustAnchor(trustedKmsKeys, "trustedKmsKeys");
    const kms = new GuardedKmsProvider(shared?.kmsCalls.shareOf(options.kms) ?? options.kms);
    const host = options.lastConfirmed ?? hostLastConfirmed(store);
    this.#context = {
      organizationId,
      homeRegion,
      kms,
      store,
      lastConfirmed: shared?.memory.before(host) ?? host ?? new ProcessLastConfirmed(),
      trust: new KeyTrust(this.#anchor),
      custody: shared?.custody ?? sharedCustody(options.kms, clock),
      health: new KeyHealth(clock, emit),
      clock,
      emit,
      times: options,
      decryptionUnder: (kmsKeyArn) => decryptionInRegions(kms, kmsKeyArn, [homeRegion, ...decryptRegions]),
    };
    this.#active = new ActiveKeyPairs(this.#context);
    this.#rotation = new KeyRotation(this.#context, this.#active);
    this.#dataKeys = new DataKeys(this.#context, embeddedKeys && new TrustAnchor(embeddedKeys, "embeddedKeys"));
  }

  /** @throws InvalidInputError if the alias lies outside `trustedKmsKeys` */
  checkCovered({ kmsKeyAliasArn }: KeyStoreConfiguration): void {
    if (this.#anchor && !this.#anchor.covers(kmsKeyAliasArn)) {
      throw new InvalidInputError("kmsKeyAliasArn", "must be covered by the trustedKmsKeys of this key store", kmsKeyAliasArn);
    }
  }

  test(configuration: KeyStoreConfiguration, signal: AbortSignal): Promise<TestReport> {
    return runTest({ ...this.#context, configuration }, signal);
  }

  change(request: { configuration?: KeyStoreConfiguration; signal: AbortSignal }): Promise<KeyPair> {
    return this.#rotation.change(request);
  }

  async changeIfDue(signal: AbortSignal): Promise<{ rotated: boolean; keyPair: KeyPairInfo }> {
    const before = await this.#active.acquire(false, signal);
    if (!this.#rotation.isDue()) return { rotated: false, keyPair: keyPairInfo(before.pair, true) };
    const pair = await this.#rotation.change({ takeAnyWinner: true, signal });
    return { rotated: !pair.digest.equals(before.pair.digest), keyPair: keyPairInfo(pair, true) };
  }

  /** @throws `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_KEY_UNCONFIRMED`, `ERR_KEY_TOO_OLD`, `ERR_STORE_*` */
  async encryptionKey(signal: AbortSignal): Promise<EncryptionKey> {
    const { background, requireConfirmedKey, maxLastConfirmedAge } = this.#options;
    const { health, clock } = this.#context;
    const active = await this.#active.acquire(background, signal);
    if (background) this.#rotation.startWhenDue();
    health.remind();
    if (requireConfirmedKey && active.confirmation !== "confirmed") {
      throw new RecordingKeyStoreError("ERR_KEY_UNCONFIRMED", "KMS has never confirmed the active key pair on this host, and requireConfirmedKey is set", { retryable: true });
    }
    if (maxLastConfirmedAge !== undefined && active.confirmedAt !== undefined && clock.now() - active.confirmedAt > maxLastConfirmedAge) {
      throw new RecordingKeyStoreError("ERR_KEY_TOO_OLD", `KMS last confirmed the key pair at ${new Date(active.confirmedAt).toISOString()}, longer ago than maxLastConfirmedAge allows`, { retryable: true });
    }
    return { ...active, usedLastKnownKey: this.#active.usesLastKnownKey || active.confirmation === "unconfirmed", keyAtRisk: health.keyAtRisk };
  }

  lease(recipients: readonly Recipient[], signal: AbortSignal): Promise<{ lease: DataKeyLease; keyPairId: string }> {
    return this.#dataKeys.lease(recipients, signal);
  }

  async confirm(signal: AbortSignal): Promise<KeyStoreStatus> {
    await this.#active.acquire(false, signal);
    await this.#active.confirm(signal);
    return this.status(signal);
  }

  status(signal: AbortSignal): Promise<KeyStoreStatus> {
    return readStatus(this.#context, this.#active, signal);
  }

  history(query: { limit: number; cursor?: string | undefined }, signal: AbortSignal): Promise<KeyPairPage> {
    return listHistory(this.#context, query, signal);
  }

  /** @throws `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`; as {@link rewrapKeyPairs} */
  async rewrap(signal: AbortSignal): Promise<RewrapReport> {
    const { pair } = await this.#active.acquire(false, signal);
    return rewrapKeyPairs(this.#context, pair, signal);
  }

  /** @throws `ERR_NOT_CONFIGURED`, `ERR_STORE_ROLLED_BACK`; as {@link removeOrphans} */
  async removeOrphans({ dryRun }: { dryRun: boolean }, signal: AbortSignal): Promise<OrphanReport> {
    await this.#active.acquire(false, signal); // recalls what this host has seen confirmed
    return removeOrphans(this.#context, { dryRun, checkHead: (head) => this.#active.checkFloor(head) }, signal);
  }

  async acceptRestoredStore(signal: AbortSignal): Promise<KeyStoreStatus> {
    await this.#active.acceptRestored(signal);
    return this.status(signal);
  }

  /** Nothing is under way, and nothing is known that the organization's next key store would not learn by itself. */
  get isQuiet(): boolean {
    return this.#active.isQuiet && !this.#rotation.isRunning && !this.#context.health.trouble;
  }

  get usesLastKnownKey(): boolean {
    return this.#active.usesLastKnownKey;
  }

  get keyAtRisk(): boolean {
    return this.#context.health.keyAtRisk;
  }

  /** In how many milliseconds {@link keepUp} has something to do; `undefined` if that is left to explicit calls. */
  get upkeepIn(): number | undefined {
    if (!this.#options.background) return undefined;
    return Math.min(this.#active.confirmIn, this.#rotation.changeIn);
  }

  /** Confirms and changes what is due while no recording is made. What fails shows in status and events. */
  async keepUp(signal: AbortSignal): Promise<void> {
    await this.#active.acquire(true, signal).catch(() => undefined);
    await abortable(this.#active.settled(), signal);
    this.#rotation.startWhenDue();
    this.#context.health.remind();
    await abortable(this.#rotation.settled(), signal);
  }

  forgetPrivateKeys(): void {
    this.#context.custody.forget(this.organizationId);
  }

  async close(): Promise<void> {
    await this.#rotation.settled();
    this.forgetPrivateKeys();
  }
}

/** A store that lives on this host may offer a place for the host's memory. */
function hostLastConfirmed(store: unknown): LastConfirmedStore | undefined {
  const offer = (store as { hostLastConfirmed?: () => LastConfirmedStore }).hostLastConfirmed;
  return typeof offer === "function" ? offer.call(store) : undefined;
}
