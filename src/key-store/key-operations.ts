import { InvalidInputError } from "../errors.js";
import { TestFailedError, type TestReport } from "../key-pairs/operations/configuration-test.js";
import { keyPairInfo, type KeyPairInfo, type KeyPairPage } from "../key-pairs/operations/history.js";
import type { KeyManager } from "../key-pairs/key-manager.js";
import type { OrphanReport } from "../key-pairs/operations/orphans.js";
import type { RestoreReport } from "../key-pairs/operations/restore.js";
import type { RewrapReport } from "../key-pairs/operations/rewrap.js";
import type { KeyStoreStatus } from "../key-pairs/operations/status.js";
import type { StoreHeadReport } from "../key-pairs/operations/store-head.js";
import type { KeyUsageReport } from "../key-pairs/operations/usage-report.js";
import { readHeader } from "../recording/inspect.js";
import { isBytes } from "../util/bytes.js";
import { member } from "../util/safe-cause.js";
import {
  administrationOf,
  type AdministrationMethods,
  type ConfigureResult,
  type KeyStoreAdministration,
  type TellRefused,
} from "./administration.js";
import { auditedOperation, refusedOperation, type OperationToAudit } from "./audited-operation.js";
import type {
  AuditedCallOptions,
  CallOptions,
  ConfigurationInput,
  ConfigureOptions,
  DryRunOptions,
  ExportPublicBundleOptions,
  KeyUsageOptions,
  PageOptions,
  RecordingsToRead,
  RewrapOptions,
  TestOptions,
} from "./options.js";
import type { CallWatchers } from "./recording-cipher.js";
import { check, checkConfiguration } from "./schemas.js";

/** Refuses a single recording, which would be read byte by byte. @throws InvalidInputError */
function eachOf(given: RecordingsToRead): RecordingsToRead {
  const isList =
    typeof given === "object" &&
    given !== null &&
    !isBytes(given) &&
    [Symbol.iterator, Symbol.asyncIterator].some((name) => typeof member(given, name) === "function");
  if (isList) return given;
  throw new InvalidInputError("recordings", "must be a list of recordings, or an async iterable of them", given);
}

/** The one way in for every call of a key store. */
type Call = <T>(options: CallOptions | undefined, task: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** What administrators, operators and schedulers call on a `RecordingKeyStore`. */
export abstract class KeyOperations implements AdministrationMethods {
  readonly #keys: KeyManager;
  readonly #watchers: CallWatchers;
  readonly #call: Call;

  /** @internal */
  constructor(keys: KeyManager, watchers: CallWatchers, call: Call) {
    this.#keys = keys;
    this.#watchers = watchers;
    this.#call = call;
  }

  /**
   * Tries a configuration without saving anything: makes a key pair, encrypts, decrypts through KMS, compares. Resolves
   * with the verdict also when KMS says no. With `onStep` a page shows each step as soon as it has ended.
   * @throws InvalidInputError for bad input; the signal's reason
   */
  test(input: ConfigurationInput, options?: TestOptions): Promise<TestReport> {
    return this.#call(options, (signal) => {
      const configuration = checkConfiguration(input);
      const { onStep, ...by } = check("test", options);
      return this.#watched({ operation: "test", by, data: { ...configuration } }, () =>
        this.#keys.test(configuration, signal, onStep),
      );
    });
  }

  /**
   * Tests, saves, and makes a new pair under the configuration. On failure everything stays as it was. Where the store's head
   * names a pair that nobody vouches for, nothing is built upon it: {@link replaceUntrustedHead}.
   * @throws TestFailedError (`ERR_TEST_FAILED`) with the report, InvalidInputError, KmsError, `ERR_KEY_PAIR_UNTRUSTED`,
   * `ERR_KEY_UNCONFIRMED`, `ERR_STORE_*`
   */
  configure(input: ConfigurationInput, options?: ConfigureOptions): Promise<ConfigureResult> {
    return this.#call(options, async (signal) => {
      const configuration = checkConfiguration(input);
      const { onlyIfChanged, newHistory, onStep, ...by } = check("configure", options);
      this.#keys.checkCovered(configuration);
      const active = onlyIfChanged ? await this.#keys.configured(configuration, signal) : undefined;
      if (active) return { changed: false, keyPair: active };
      return this.#watched({ operation: "configure", by, data: { ...configuration, newHistory } }, async () => {
        await this.#keys.checkWritable(signal);
        const report = await this.#keys.test(configuration, signal, onStep);
        if (!report.ok) throw new TestFailedError(report);
        const pair = await this.#keys.rotate({ configuration, newHistory, signal });
        return { changed: true, report, keyPair: keyPairInfo(pair, true) };
      });
    });
  }

  /** Changes the key now. @throws KmsError; the pair before stays in use */
  rotate(options?: AuditedCallOptions): Promise<KeyPairInfo> {
    return this.#call(options, (signal) =>
      this.#watched({ operation: "rotate", by: check("audited", options) }, async () =>
        keyPairInfo(await this.#keys.rotate({ signal }), true),
      ),
    );
  }

  /**
   * Changes the key if the schedule says so. For a scheduler: it takes a change up to 15 minutes early, so that a daily job
   * changes a daily key each time. Where another worker has claimed the change it waits for that one, at most three times 30 seconds.
   * @returns `rotated`: whether the key is another than before, by whichever worker
   * @throws as {@link rotate}; `ERR_NOT_CONFIGURED`, `ERR_KEY_UNCONFIRMED`, `ERR_STORE_*`
   */
  rotateIfDue(options?: AuditedCallOptions): Promise<{ rotated: boolean; keyPair: KeyPairInfo }> {
    return this.#call(options, (signal) =>
      this.#watched({ operation: "rotateIfDue", by: check("audited", options) }, () => this.#keys.rotateIfDue(signal)),
    );
  }

  /**
   * Asks KMS about the active pair now, as the background does every `confirmEvery`, and where its alias leads, as the background
   * does once an hour (`aliasDrift`). Resolves whatever KMS says.
   */
  confirm(options?: CallOptions): Promise<KeyStoreStatus> {
    return this.#call(options, (signal) =>
      this.#watchers.operations.run({ operation: "confirm" }, () => this.#keys.confirm(signal)),
    );
  }

  /** What an administrator's page shows. Reads memory and store, never KMS, and does not throw for outages. */
  status(options?: CallOptions): Promise<KeyStoreStatus> {
    return this.#call(options, (signal) => this.#keys.status(signal));
  }

  /** The history of key pairs, newest first. */
  keyPairs(query: PageOptions = {}): Promise<KeyPairPage> {
    return this.#call(query, (signal) => {
      const { limit, cursor } = check("page", query);
      return this.#keys.history({ limit, cursor }, signal);
    });
  }

  /**
   * Which KMS keys wrap which key pairs, the state of each pair in the words of NIST SP 800-57, since when a KMS key is needed by no
   * new recording, and with `retention` from when it may be retired. With `probe` KMS opens each private half under each KMS key that
   * wraps it, one call each, and tells by which of its key materials.
   * @throws `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_STORE_*`. What KMS says is in the report
   */
  keyUsage(options: KeyUsageOptions = {}): Promise<KeyUsageReport> {
    return this.#call(options, (signal) => this.#keys.usage(check("usage", options), signal));
  }

  /**
   * What a worker needs that only encrypts, with neither KMS nor store: the active pair without its private half (but as KMS wraps it,
   * with `selfContained`), for `PublicBundleEncryptor` of `recording-keystore/encrypt-only`. Only a pair that somebody has vouched for,
   * and no longer than `maxLastConfirmedAge` allows. Holds no secret; with a `fleetSecret` it is the fleet's word.
   * @returns ASCII text of some 1 to 5 KB
   * @throws `ERR_KEY_UNCONFIRMED` for a pair that nobody has vouched for; as `encryptRecording`
   */
  exportPublicBundle(options: ExportPublicBundleOptions = {}): Promise<string> {
    return this.#call(options, (signal) =>
      this.#keys.exportPublicBundle(check("exportPublicBundle", options).validFor, signal),
    );
  }

  /**
   * Wraps the private halves of all earlier key pairs under the KMS key of the active one as well, so that the KMS keys before
   * it are needed no more by what the store has: after the alias was pointed at another key, and {@link rotate}. The old
   * wrappings stay. A recording that is opened with the store lost still needs the KMS key it was made under.
   *
   * Several pairs are in work at a time, with at most three KMS calls each; what was stored is read back. A pair that can't be
   * rewrapped is in the report's `failed`. May be called again at any time: it then has KMS open every wrapping once more, but for
   * those that the report in `resume` names and the store still holds. With `dryRun` KMS opens each pair as it is now, and nothing is
   * stored.
   * @throws KmsError `ERR_KMS_UNAVAILABLE`, `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_STORE_*`; what was added stays
   */
  rewrapKeyPairs(options: RewrapOptions = {}): Promise<RewrapReport> {
    return this.#call(options, (signal) => {
      const { actor, reason, ...rewrap } = check("rewrap", options);
      const { dryRun } = rewrap;
      return this.#watched({ operation: "rewrapKeyPairs", by: { actor, reason }, data: { dryRun } }, () =>
        this.#keys.rewrap(rewrap, signal),
      );
    });
  }

  /**
   * Removes key pairs that workers left in the store when they lost a race to change the key. Only on proof that a pair was
   * never active, and only when called: nothing deletes a key pair by itself. With `dryRun` nothing is removed.
   * @throws InvalidInputError for a store without `removeKeyPair`; `ERR_NOT_CONFIGURED`; `ERR_STORE_ROLLED_BACK` where this host
   * has seen a newer head, and the other `ERR_STORE_*`
   */
  removeOrphanedKeyPairs(options: DryRunOptions = {}): Promise<OrphanReport> {
    return this.#call(options, (signal) => {
      const { dryRun, ...by } = check("dryRun", options);
      return this.#watched({ operation: "removeOrphanedKeyPairs", by, data: { dryRun } }, () =>
        this.#keys.removeOrphans({ dryRun }, signal),
      );
    });
  }

  /**
   * This key store as an administrator with these permissions may use it: for the requests of a settings page. Make one
   * for each request, from the permissions that the user has then; others than `Permission` are ignored.
   * @throws InvalidInputError if `permissions` is no list
   */
  administration(permissions: Iterable<string>): KeyStoreAdministration {
    return administrationOf(this, permissions, (...refused) => this.#refused(...refused));
  }

  /**
   * Wipes the organization's unwrapped private keys now, and ends what was opened with them (`ERR_KEYS_FORGOTTEN`): in all key
   * stores on the same KMS provider, which share them.
   */
  forgetPrivateKeys(): void {
    this.#keys.forgetPrivateKeys();
    this.#watchers.trail?.begin({ operation: "forgetPrivateKeys" }).succeededLater();
  }

  /**
   * The operator's word that the store was restored on purpose (`ERR_STORE_ROLLED_BACK`): the pair that its head names is
   * taken once more, if KMS vouches for it now. With `dryRun` only the report comes of it. To be called on every host that
   * has seen the newer pair.
   * @throws `ERR_KEY_PAIR_UNTRUSTED`, `ERR_KEY_UNCONFIRMED`, `ERR_NOT_CONFIGURED` for a store without a head, `ERR_STORE_*`;
   * KmsError. Nothing has changed then
   */
  acceptRestoredStore(options: DryRunOptions = {}): Promise<StoreHeadReport> {
    return this.#call(options, (signal) => {
      const { dryRun, ...by } = check("dryRun", options);
      return this.#watched({ operation: "acceptRestoredStore", by, data: { dryRun } }, () =>
        this.#keys.acceptRestoredStore({ dryRun }, signal),
      );
    });
  }

  /**
   * Puts key pairs back that a restored store has lost, from recordings that were made with them: each recording carries its key
   * pair's birth record and, unless `selfContained` was off, the private half as KMS has wrapped it. KMS must open that under the
   * context of the birth record, with a KMS key that `trustedKmsKeys` covers, and attest the pair anew (`kms:Encrypt`). One recording of
   * each pair is enough, of which the header is read. The head is left as it is: {@link replaceUntrustedHead} or
   * {@link acceptRestoredStore} decide that. With `dryRun` KMS is asked, and nothing is put back.
   *
   * @param recordings - any number of recordings, or of what reads them; streams are cancelled once their header is read
   * @throws KmsError `ERR_KMS_UNAVAILABLE`, `ERR_STORE_UNAVAILABLE`; what `recordings` throws. What was put back stays
   */
  restoreKeyPairs(recordings: RecordingsToRead, options: DryRunOptions = {}): Promise<RestoreReport> {
    return this.#call(options, (signal) => {
      const { dryRun, ...by } = check("dryRun", options);
      return this.#watched({ operation: "restoreKeyPairs", by, data: { dryRun } }, async () => {
        const restoration = this.#keys.restoration({ dryRun });
        for await (const recording of eachOf(recordings)) {
          signal.throwIfAborted();
          await restoration.add(async () => (await readHeader(recording, signal)).header.recipients, signal);
        }
        return restoration.report;
      });
    });
  }

  /**
   * The operator's way out where the store's head names what nobody vouches for (`ERR_KEY_PAIR_UNTRUSTED`): points it at the
   * newest pair that somebody does vouch for, the one in use or else the newest one in the store that KMS opens. Never at one
   * that nobody vouches for; a head that KMS vouches for is left as it is. With `dryRun` only the report comes of it.
   * @throws `ERR_KEY_UNCONFIRMED` where nobody vouches for any pair (then `configure` with `newHistory`),
   * `ERR_STORE_CONFLICT`, `ERR_NOT_CONFIGURED`, `ERR_STORE_*`; KmsError
   */
  replaceUntrustedHead(options: DryRunOptions = {}): Promise<StoreHeadReport> {
    return this.#call(options, (signal) => {
      const { dryRun, ...by } = check("dryRun", options);
      return this.#watched({ operation: "replaceUntrustedHead", by, data: { dryRun } }, () =>
        this.#keys.replaceUntrustedHead({ dryRun }, signal),
      );
    });
  }

  /** Tells observers and the audit log of a call. */
  #watched<T>(call: OperationToAudit, task: () => Promise<T>): Promise<T> {
    const { operations, trail } = this.#watchers;
    const { operation } = call;
    return operations.run({ operation }, trail ? () => auditedOperation(trail, call, task) : task);
  }

  /** Tells the audit log of an administrator's call for which the permission was missing. */
  async #refused(...[method, options, error]: Parameters<TellRefused>): Promise<void> {
    const { trail } = this.#watchers;
    if (trail) await refusedOperation(trail, method, options, error);
  }
}
