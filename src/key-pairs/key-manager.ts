import type { Clock } from "../clock.js";
import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import type { EventSink } from "../events.js";
import type { DataKeyLease } from "../format/data-key-lease.js";
import type { KeyStoreConfiguration } from "../format/vocabulary.js";
import { Operations } from "../operations.js";
import { abortable } from "../util/abort.js";
import { defined } from "../util/defined.js";
import { ActiveKeyPairs } from "./active/active-key-pair.js";
import type { ActiveKeyPair } from "./active/held-key-pair.js";
import { configurationOf, isSameConfiguration, KeyRotation, type RotationRequest } from "./active/rotation.js";
import type { KeyPairContext } from "./context.js";
import { DataKeys, type LeaseOptions, type Recipient } from "./custody/data-keys.js";
import { notConfigured, unconfirmed } from "./failures.js";
import type { KeyManagerOptions, SharedByOrganizations } from "./key-manager-options.js";
import { runTest, type TestReport, type TestStep } from "./operations/configuration-test.js";
import {
  keyPairInfo,
  listHistory,
  WalkedHistory,
  type HistoryQuery,
  type KeyPairInfo,
  type KeyPairPage,
} from "./operations/history.js";
import { removeOrphans, type DryRun, type OrphanReport } from "./operations/orphans.js";
import { KeyPairRestoration } from "./operations/restore.js";
import { rewrapKeyPairs, type RewrapReport, type RewrapRequest } from "./operations/rewrap.js";
import { readStatus, type KeyStoreStatus } from "./operations/status.js";
import { acceptRestored, replaceUntrustedHead, type StoreHeadReport } from "./operations/store-head.js";
import type { KeyUsageReport } from "./operations/usage-report.js";
import { keyUsage, type KeyUsageRequest } from "./operations/usage.js";
import { contextOf } from "./organization-parts.js";
import { encodePublicBundle } from "./public-bundle.js";
import { TrustAnchor } from "./trust-anchor.js";
import type { VouchedKeyPair } from "./trust.js";

/** The pair to encrypt with, and what the result says about it. */
export type EncryptionKey = ActiveKeyPair & {
  readonly usedLastKnownKey: boolean;
  readonly keyAtRisk: boolean;
};

/** How one organization's key fares, from this process's memory. */
export interface KeyStoreHealth {
  readonly organizationId: string;
  /** Time since KMS last vouched for the key pair in use, in ms; missing where nobody knows, or no pair is in use yet. */
  readonly confirmedAge?: number;
  /** Encryption goes on with the last known key. */
  readonly usedLastKnownKey: boolean;
  /** The KMS key is known to be disabled, pending deletion or gone. */
  readonly keyAtRisk: boolean;
  /** A change of key is due by the schedule, and not made yet. */
  readonly keyChangeDue: boolean;
  /** The alias leads to another KMS key than that of the key pair in use, or KMS refuses it. */
  readonly aliasDrift: boolean;
}

/** One organization's key pairs: the active one, its rotation, the history, and the way to data keys. */
export class KeyManager {
  readonly organizationId: string;
  readonly #options: KeyManagerOptions;
  readonly #context: KeyPairContext;
  readonly #active: ActiveKeyPairs;
  readonly #rotation: KeyRotation;
  readonly #dataKeys: DataKeys;
  readonly #anchor: TrustAnchor | undefined;
  readonly #walked = new WalkedHistory();

  constructor(
    options: KeyManagerOptions,
    clock: Clock,
    emit: EventSink,
    shared?: SharedByOrganizations,
    operations = new Operations(options.organizationId),
  ) {
    const { trustedKmsKeys, embeddedKeys } = options;
    this.organizationId = options.organizationId;
    this.#options = options;
    this.#anchor = trustedKmsKeys && new TrustAnchor(trustedKmsKeys, "trustedKmsKeys");
    this.#context = contextOf(options, this.#anchor, { clock, emit, operations }, shared);
    this.#active = new ActiveKeyPairs(this.#context);
    this.#rotation = new KeyRotation(this.#context, this.#active);
    this.#dataKeys = new DataKeys({
      ...this.#context,
      embeddedKeys: embeddedKeys && new TrustAnchor(embeddedKeys, "embeddedKeys"),
      active: () => this.#active.current?.pair,
      history: () => this.#active.acquireVouched().then(({ pair }) => pair),
    });
  }

  /** @throws InvalidInputError if the alias lies outside `trustedKmsKeys` */
  checkCovered({ kmsKeyAliasArn }: KeyStoreConfiguration): void {
    if (this.#anchor && !this.#anchor.covers(kmsKeyAliasArn)) {
      throw new InvalidInputError(
        "kmsKeyAliasArn",
        "must be covered by the trustedKmsKeys of this key store",
        kmsKeyAliasArn,
      );
    }
  }

  test(
    configuration: KeyStoreConfiguration,
    signal: AbortSignal,
    onStep?: (step: TestStep) => void,
  ): Promise<TestReport> {
    const { homeRegion } = this.#options;
    const configured = this.#active.current !== undefined;
    return runTest({ ...this.#context, homeRegion, configured, configuration, onStep }, signal);
  }

  /** @throws `ERR_STORE_UNAVAILABLE` where the store says that it takes no writes */
  checkWritable(signal: AbortSignal): Promise<void> {
    return this.#context.records.checkWritable(signal);
  }

  rotate(request: RotationRequest): Promise<VouchedKeyPair> {
    return this.#rotation.rotate(request);
  }

  /** The active pair, if it is vouched for, named by the store's head, and of this configuration. */
  async configured(configuration: KeyStoreConfiguration, signal: AbortSignal): Promise<KeyPairInfo | undefined> {
    let pair: VouchedKeyPair;
    try {
      await this.#active.acquireVouched(signal);
      pair = await this.#headPair(signal); // another worker may have configured something else
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof RecordingKeyStoreError) return undefined;
      throw error;
    }
    const isSame =
      pair.birth.contextKeyName === this.#context.contextKeyName &&
      isSameConfiguration(configurationOf(pair), configuration);
    return isSame ? keyPairInfo(pair, true) : undefined;
  }

  async rotateIfDue(signal: AbortSignal): Promise<{ rotated: boolean; keyPair: KeyPairInfo }> {
    const before = await this.#active.acquire(false, signal);
    if (before.confirmation === "confirmed" && !this.#rotation.isDueForScheduler)
      return { rotated: false, keyPair: keyPairInfo(before.pair, true) };
    if (before.confirmation !== "confirmed") throw unconfirmed(this.#unresolved());
    const pair = await this.#rotation.rotateDue(before.pair, signal);
    return { rotated: !pair.digest.equals(before.pair.digest), keyPair: keyPairInfo(pair, true) };
  }

  /** @throws `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_KEY_UNCONFIRMED`, `ERR_KEY_TOO_OLD`, `ERR_STORE_*` */
  async encryptionKey(signal: AbortSignal): Promise<EncryptionKey> {
    const { background, maxLastConfirmedAge } = this.#options;
    const { health } = this.#context;
    const tooOldSince = (key: ActiveKeyPair) => {
      if (maxLastConfirmedAge === undefined || key.confirmation !== "confirmed") return undefined;
      return this.#active.confirmedAge > maxLastConfirmedAge ? key.confirmedAt : undefined;
    };
    let active = await this.#active.acquire(background, signal);
    if (tooOldSince(active) !== undefined) {
      await this.#active.confirmDue(signal); // after a pause KMS may just not have been asked
      active = this.#active.current ?? active;
    }
    if (background) this.#rotation.startWhenDue();
    health.remind();
    const isConfirmed = active.confirmation === "confirmed";
    const tooOld = tooOldSince(active);
    if (tooOld !== undefined) {
      const since = new Date(tooOld).toISOString();
      throw new RecordingKeyStoreError(
        "ERR_KEY_TOO_OLD",
        `KMS last confirmed the key pair at ${since}, longer ago than maxLastConfirmedAge allows`,
        { retryable: true },
      );
    }
    return { ...active, usedLastKnownKey: this.#active.usesLastKnownKey || !isConfirmed, keyAtRisk: health.keyAtRisk };
  }

  /**
   * The pair to encrypt with, for workers without KMS and store: only one that somebody has vouched for, and for no longer than
   * `maxLastConfirmedAge` allows.
   * @param validFor - in ms
   * @throws as {@link encryptionKey}
   */
  async exportPublicBundle(validFor: number, signal: AbortSignal): Promise<string> {
    await this.#active.acquireVouched(signal); // the head may have moved on within headTtl
    const key = await this.encryptionKey(signal);
    if (key.confirmation !== "confirmed") throw unconfirmed(this.#unresolved());
    const { maxLastConfirmedAge = Infinity, selfContained } = this.#options;
    const { pair, confirmedAt, usedLastKnownKey, keyAtRisk } = key;
    const exportedAt = this.#context.clock.now();
    const longest = Math.min(validFor, maxLastConfirmedAge - this.#active.confirmedAge);
    const expiresAt = exportedAt + Math.max(1, Math.floor(longest));
    const facts = { confirmedAt, exportedAt, expiresAt, usedLastKnownKey, keyAtRisk };
    return encodePublicBundle(pair, { facts, selfContained, secret: this.#context.fleet.secret });
  }

  lease(recipients: readonly Recipient[], options: LeaseOptions): Promise<{ lease: DataKeyLease; keyPairId: string }> {
    return this.#dataKeys.lease(recipients, options);
  }

  async confirm(signal: AbortSignal): Promise<KeyStoreStatus> {
    await this.#active.acquire(false, signal);
    await this.#active.confirm(signal, { look: true });
    return this.status(signal);
  }

  status(signal: AbortSignal): Promise<KeyStoreStatus> {
    return readStatus(this.#context, this.#active, signal);
  }

  /** @throws as {@link ActiveKeyPairs.acquireVouched}; as {@link listHistory} */
  async history(query: HistoryQuery, signal: AbortSignal): Promise<KeyPairPage> {
    const vouched = await this.#active.acquireVouched(signal).catch((error: unknown) => {
      if (error instanceof RecordingKeyStoreError && error.code === "ERR_NOT_CONFIGURED") return undefined;
      throw error;
    });
    if (!vouched) return { items: [] };
    const page = await listHistory(this.#context, vouched.pair, this.#walked, query, signal);
    const { refusal } = this.#active;
    return refusal ? { ...page, storeError: refusal } : page;
  }

  /** @throws `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_STORE_ROLLED_BACK`; as {@link rewrapKeyPairs} */
  async rewrap(request: RewrapRequest, signal: AbortSignal): Promise<RewrapReport> {
    return rewrapKeyPairs(this.#context, await this.#headPair(signal), request, signal);
  }

  /** @throws `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_STORE_ROLLED_BACK`; as {@link keyUsage} */
  async usage(request: KeyUsageRequest, signal: AbortSignal): Promise<KeyUsageReport> {
    return keyUsage(this.#context, await this.#headPair(signal), request, signal);
  }

  /** @throws `ERR_NOT_CONFIGURED`, `ERR_STORE_ROLLED_BACK`; as {@link removeOrphans} */
  async removeOrphans(options: DryRun, signal: AbortSignal): Promise<OrphanReport> {
    return removeOrphans(this.#context, await this.#headPair(signal), options, signal);
  }

  restoration(options: DryRun): KeyPairRestoration {
    return new KeyPairRestoration(this.#context, options);
  }

  acceptRestoredStore(options: DryRun, signal: AbortSignal): Promise<StoreHeadReport> {
    return acceptRestored(this.#context, this.#active, options, signal);
  }

  replaceUntrustedHead(options: DryRun, signal: AbortSignal): Promise<StoreHeadReport> {
    return replaceUntrustedHead(this.#context, this.#active, options, signal);
  }

  /** True while nothing is under way, and nothing is known that the organization's next key store would not learn. */
  get isIdle(): boolean {
    return this.#active.isIdle && !this.#rotation.isRunning && !this.#context.health.trouble;
  }

  get health(): KeyStoreHealth {
    const { confirmedAge, vouched } = this.#active;
    return {
      organizationId: this.organizationId,
      ...defined({ confirmedAge: confirmedAge === Infinity ? undefined : confirmedAge }),
      usedLastKnownKey: this.usesLastKnownKey,
      keyAtRisk: this.keyAtRisk,
      keyChangeDue: this.#rotation.isDue(),
      aliasDrift: vouched !== undefined && this.#context.alias.driftOf(vouched.pair) !== undefined,
    };
  }

  get usesLastKnownKey(): boolean {
    return this.#active.usesLastKnownKey;
  }

  get keyAtRisk(): boolean {
    return this.#context.health.keyAtRisk;
  }

  /** Time until maintenance has something to do, in ms; `undefined` where that is left to explicit calls. */
  get maintenanceIn(): number | undefined {
    if (!this.#options.background) return undefined;
    return Math.min(this.#active.confirmIn, this.#rotation.rotationIn);
  }

  /** Confirms and rotates what is due while nothing is encrypted. Failures show in status and events. */
  async maintain(signal: AbortSignal): Promise<void> {
    await this.#active.acquire(true, signal).catch(() => undefined);
    await abortable(this.#active.settled(), signal);
    this.#rotation.startWhenDue();
    this.#context.health.remind();
    await abortable(this.#rotation.settled(), signal);
  }

  forgetPrivateKeys(): void {
    this.#context.custody.forget(this.organizationId);
  }

  /** Ends the work of its own. Private keys are shared with other key stores, and stay for their time. */
  async close(signal?: AbortSignal): Promise<void> {
    await abortable(this.#rotation.settled(), signal).catch(() => undefined); // a change of key is not stopped half-way
  }

  /** The vouched pair that the store's head names. @throws `ERR_NOT_CONFIGURED`; as {@link ActiveKeyPairs.rotationBase} */
  async #headPair(signal: AbortSignal): Promise<VouchedKeyPair> {
    const { pair } = await this.#active.rotationBase(signal);
    if (!pair) throw notConfigured();
    return pair;
  }

  /** Why nobody vouches for the pair in use. */
  #unresolved(): RecordingKeyStoreError {
    return (
      this.#context.health.trouble?.error ??
      new RecordingKeyStoreError("ERR_KMS_UNAVAILABLE", "KMS has not been asked yet", { retryable: true })
    );
  }
}
