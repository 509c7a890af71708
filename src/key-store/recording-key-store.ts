import type { Readable } from "node:stream";
import { systemClock } from "../clock.js";
import { EventHub, type EventListener, type EventName, type EventSink } from "../events.js";
import type { SharedByOrganizations } from "../key-pairs/key-manager-options.js";
import { KeyManager } from "../key-pairs/key-manager.js";
import { TestFailedError, type TestReport } from "../key-pairs/operations/configuration-test.js";
import { keyPairInfo, type KeyPairInfo, type KeyPairPage } from "../key-pairs/operations/history.js";
import type { OrphanReport } from "../key-pairs/operations/orphans.js";
import type { RewrapReport } from "../key-pairs/operations/rewrap.js";
import type { KeyStoreStatus } from "../key-pairs/operations/status.js";
import type { StoreHeadReport } from "../key-pairs/operations/store-head.js";
import type {
  DecryptedRecording,
  DecryptedStream,
  EncryptedRecording,
  EncryptedStream,
  OtherStream,
  RecordingInput,
  Streamed,
} from "../recording/bodies.js";
import type { BodyBytes, BodyStream } from "../recording/body-types.js";
import type { FileRequest } from "../recording/files/file-work.js";
import type { DecryptedFile, EncryptedFile } from "../recording/files/recording-files.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import { isSource } from "../recording/read-metadata.js";
import type { RecordingReader } from "../recording/reader/recording-reader.js";
import type { SalvagedRecording, SalvagedStream, SalvageTotals } from "../recording/salvage.js";
import { ByteSource, takeInput, type TakenInput } from "../recording/stream-source.js";
import { withTimeout } from "../util/abort.js";
import { ownOptions } from "../util/check-input.js";
import {
  administrationOf,
  type AdministrationMethods,
  type ConfigureResult,
  type KeyStoreAdministration,
} from "./administration.js";
import { OpenWork } from "./open-work.js";
import {
  type CallOptions,
  type CloseOptions,
  type ConfigurationInput,
  type ConfigureOptions,
  type DecryptFileOptions,
  type DecryptOptions,
  type DecryptRecordingOptions,
  type DryRunOptions,
  type EncryptFileOptions,
  type EncryptOptions,
  type FileOptions,
  type PageOptions,
  type RecordingKeyStoreOptions,
} from "./options.js";
import { RecordingCipher, type RecordingMetadata } from "./recording-cipher.js";
import { check, checkConfiguration } from "./schemas.js";

/** The registry that holds a key store. @internal */
export interface KeyStoreHost {
  readonly shared: SharedByOrganizations;
  readonly emit: (organizationId: string) => EventSink;
  /** Hands over what the key store is made of, for maintenance. */
  readonly made: (keyStore: RecordingKeyStore, parts: { keys: KeyManager; work: OpenWork; events: EventHub }) => void;
  /** A call begins. */
  readonly used: (keyStore: RecordingKeyStore) => void;
}

/**
 * One organization's recordings under its own KMS key. Cheap to make: no timer, socket or thread of its own, and no work
 * before the first call.
 */
export class RecordingKeyStore implements AdministrationMethods {
  readonly #events: EventHub;
  readonly #keys: KeyManager;
  readonly #cipher: RecordingCipher;
  readonly #work = new OpenWork();
  readonly #host: KeyStoreHost | undefined;

  /** @throws InvalidInputError naming the option and the rule */
  constructor(options: RecordingKeyStoreOptions);
  /** @internal */ // eslint-disable-next-line @typescript-eslint/unified-signatures -- only this one is left out of the types
  constructor(options: RecordingKeyStoreOptions, host: KeyStoreHost);
  constructor(options: RecordingKeyStoreOptions, host?: KeyStoreHost) {
    const checked = check("options", options);
    this.#host = host;
    this.#events = new EventHub(checked.organizationId, host?.emit(checked.organizationId));
    this.#keys = new KeyManager(checked, checked.clock ?? systemClock, this.#events.emit, host?.shared);
    this.#cipher = new RecordingCipher(checked, this.#keys);
    host?.made(this, { keys: this.#keys, work: this.#work, events: this.#events });
  }

  /**
   * Tries a configuration without saving anything: makes a key pair, encrypts, decrypts through KMS, compares. Resolves
   * with the verdict also when KMS says no.
   * @throws InvalidInputError for bad input; the signal's reason
   */
  test(input: ConfigurationInput, options?: CallOptions): Promise<TestReport> {
    return this.#call(options, (signal) => this.#keys.test(checkConfiguration(input), signal));
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
      const { onlyIfChanged, newHistory } = check("configure", options);
      this.#keys.checkCovered(configuration);
      const active = onlyIfChanged ? await this.#keys.configured(configuration, signal) : undefined;
      if (active) return { changed: false, keyPair: active };
      const report = await this.#keys.test(configuration, signal);
      if (!report.ok) throw new TestFailedError(report);
      const pair = await this.#keys.rotate({ configuration, newHistory, signal });
      return { changed: true, report, keyPair: keyPairInfo(pair, true) };
    });
  }

  /** Changes the key now. @throws KmsError; the pair before stays in use */
  rotate(options?: CallOptions): Promise<KeyPairInfo> {
    return this.#call(options, async (signal) => keyPairInfo(await this.#keys.rotate({ signal }), true));
  }

  /**
   * Changes the key if the schedule says so. For a scheduler: it takes a change up to 15 minutes early, so that a daily job
   * changes a daily key each time. Where another worker has claimed the change it waits for that one, at most three times 30 seconds.
   * @returns `rotated`: whether the key is another than before, by whichever worker
   * @throws as {@link rotate}; `ERR_NOT_CONFIGURED`, `ERR_KEY_UNCONFIRMED`, `ERR_STORE_*`
   */
  rotateIfDue(options?: CallOptions): Promise<{ rotated: boolean; keyPair: KeyPairInfo }> {
    return this.#call(options, (signal) => this.#keys.rotateIfDue(signal));
  }

  /** Asks KMS about the active pair now, as the background does every `confirmEvery`. Resolves whatever KMS says. */
  confirm(options?: CallOptions): Promise<KeyStoreStatus> {
    return this.#call(options, (signal) => this.#keys.confirm(signal));
  }

  /**
   * Encrypts a recording. Bytes in, bytes out; a Node `Readable` gives a `Readable`; a `ReadableStream` or any async
   * iterable of bytes gives a `ReadableStream`. Needs no KMS call once the key is known. Bytes of 256 MiB and more are
   * shared with a second thread.
   * @throws InvalidInputError, `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_KEY_UNCONFIRMED`, `ERR_KEY_TOO_OLD`
   */
  encryptRecording<Input>(
    recording: 0 extends Input & 1 ? Input : never, // any
    options: EncryptOptions,
  ): Promise<EncryptedRecording & Partial<Streamed>>;
  encryptRecording(recording: Uint8Array, options: EncryptOptions): Promise<EncryptedRecording<BodyBytes>>;
  encryptRecording(recording: Readable, options: EncryptOptions): Promise<EncryptedStream<Readable>>;
  encryptRecording(recording: OtherStream, options: EncryptOptions): Promise<EncryptedStream<BodyStream>>;
  encryptRecording(recording: RecordingInput, options: EncryptOptions): Promise<EncryptedRecording & Partial<Streamed>>;
  encryptRecording(recording: RecordingInput, options: EncryptOptions): Promise<EncryptedRecording> {
    return this.#onInput(recording, "recording", options, (taken, signal) =>
      this.#cipher.encrypt(taken, check("encrypt", options), signal),
    );
  }

  /**
   * Decrypts a recording; input and output as for {@link encryptRecording}. Nothing of it is released before its segment
   * has been verified.
   * @throws KmsError while KMS is away (retryable); `ERR_RECORDING_MISMATCH`, `ERR_RECORDING_TAMPERED`,
   * `ERR_RECORDING_TRUNCATED`, `ERR_FORMAT_INVALID`, `ERR_FORMAT_TOO_NEW`, `ERR_KEY_PAIR_NOT_FOUND`
   */
  decryptRecording<Input>(
    encrypted: 0 extends Input & 1 ? Input : never, // any
    options: DecryptRecordingOptions,
  ): Promise<DecryptedRecording & Partial<Streamed>>;
  decryptRecording(encrypted: Uint8Array, options: DecryptRecordingOptions): Promise<DecryptedRecording<BodyBytes>>;
  decryptRecording(encrypted: Readable, options: DecryptRecordingOptions): Promise<DecryptedStream<Readable>>;
  decryptRecording(encrypted: OtherStream, options: DecryptRecordingOptions): Promise<DecryptedStream<BodyStream>>;
  decryptRecording(
    encrypted: RecordingInput,
    options: DecryptRecordingOptions,
  ): Promise<DecryptedRecording & Partial<Streamed>>;
  decryptRecording(encrypted: RecordingInput, options: DecryptRecordingOptions): Promise<DecryptedRecording> {
    return this.#onInput(encrypted, "encrypted", options, (taken, signal) =>
      this.#cipher.decrypt(taken, check("decryptRecording", options), signal),
    );
  }

  /**
   * Opens a recording for reading anywhere in it, from a file, an object in S3, a URL: whatever a source reads. Fetches its
   * header and its last segment, which proves the size; names are checked before anything else. The signal is for opening
   * only. Close the reader; {@link close} closes it too, once what runs on it has ended.
   * @throws as {@link decryptRecording}, and what the source throws
   */
  openRecording(source: RandomAccessSource, options: DecryptOptions): Promise<RecordingReader> {
    return this.#call(options, async (signal) =>
      this.#work.keep(await this.#cipher.open(source, check("decrypt", options), signal, this.#work.runKept)),
    );
  }

  /**
   * Encrypts a file into another one, faster than through streams and over several cores where that pays. The output gets
   * its name when it is whole and on disk; on failure or abort nothing is left of it.
   * @throws as {@link encryptRecording}; `ERR_FILE_EXISTS`, `ERR_FILE_CHANGED`, `ERR_FILE_IO`
   */
  encryptFile(inputPath: string, outputPath: string, options: EncryptFileOptions): Promise<EncryptedFile> {
    return this.#onFiles(inputPath, outputPath, options, (file, rest) =>
      this.#cipher.encryptFile(file, check("encrypt", rest)),
    );
  }

  /**
   * Decrypts a file into another one, as {@link encryptFile} encrypts. The output is readable by its owner only, and gets
   * its name when all of the recording has been verified.
   * @throws as {@link decryptRecording}; `ERR_FILE_EXISTS`, `ERR_FILE_CHANGED`, `ERR_FILE_IO`
   */
  decryptFile(inputPath: string, outputPath: string, options: DecryptFileOptions): Promise<DecryptedFile> {
    return this.#onFiles(inputPath, outputPath, options, (file, rest) =>
      this.#cipher.decryptFile(file, check("decrypt", rest)),
    );
  }

  #onFiles<T>(
    inputPath: string,
    outputPath: string,
    options: FileOptions & CallOptions,
    task: (file: FileRequest, rest: unknown) => Promise<T>,
  ): Promise<T> {
    return this.#call(options, (signal) => {
      const { overwrite, threads, onProgress, ...rest } = ownOptions(options ?? {});
      return task({ inputPath, outputPath, ...check("file", { overwrite, threads, onProgress }), signal }, rest);
    });
  }

  /**
   * Decrypts what is left of a recording that was cut short or damaged: its verified beginning, in whole segments. Says with
   * `complete` whether that is all of it (a stream by `done`), and claims nothing about what is missing.
   * @throws where not even what comes before the first segment is whole, and otherwise as {@link decryptRecording}, but for
   * damage behind that
   */
  salvageRecording<Input>(
    encrypted: 0 extends Input & 1 ? Input : never, // any
    options: DecryptOptions,
  ): Promise<DecryptedRecording & Partial<SalvageTotals & Streamed<SalvageTotals>>>;
  salvageRecording(encrypted: Uint8Array, options: DecryptOptions): Promise<SalvagedRecording>;
  salvageRecording(encrypted: Readable, options: DecryptOptions): Promise<SalvagedStream<Readable>>;
  salvageRecording(encrypted: OtherStream, options: DecryptOptions): Promise<SalvagedStream<BodyStream>>;
  salvageRecording(
    encrypted: RecordingInput,
    options: DecryptOptions,
  ): Promise<DecryptedRecording & Partial<SalvageTotals & Streamed<SalvageTotals>>>;
  salvageRecording(encrypted: RecordingInput, options: DecryptOptions): Promise<DecryptedRecording> {
    return this.#onInput(encrypted, "encrypted", options, (taken, signal) =>
      this.#cipher.salvage(taken, check("decrypt", options), signal),
    );
  }

  /**
   * What was encrypted with a recording as `metadata`, and its public metadata, authenticated. Decrypts no audio and reads
   * none but what lies in the first bytes anyway; a stream is cancelled when it has given enough.
   * @throws as {@link decryptRecording}, but for damage behind the metadata
   */
  readMetadata(encrypted: RecordingInput | RandomAccessSource, options: DecryptOptions): Promise<RecordingMetadata> {
    const read = (input: TakenInput | RandomAccessSource, signal: AbortSignal) =>
      this.#cipher.readMetadata(input, check("decrypt", options), signal);
    if (isSource(encrypted)) return this.#call(options, (signal) => read(encrypted, signal));
    return this.#onInput(encrypted, "encrypted", options, read);
  }

  /** Size in bytes that a recording will have once encrypted with the active pair and these options. */
  async encryptedSize(plaintextSize: number, options: EncryptOptions): Promise<number> {
    return this.#call(options, (signal) =>
      this.#cipher.encryptedSize(plaintextSize, check("encrypt", options), signal),
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
   * Wraps the private halves of all earlier key pairs under the KMS key of the active one as well, so that the KMS keys before
   * it are needed no more by what the store has: after the alias was pointed at another key, and {@link rotate}. The old
   * wrappings stay. A recording that is opened with the store lost still needs the KMS key it was made under.
   *
   * A pair that can't be rewrapped is in the report's `failed`. May be called again at any time; it then has KMS open every
   * wrapping once more.
   * @throws KmsError `ERR_KMS_UNAVAILABLE`, `ERR_NOT_CONFIGURED`, `ERR_KEY_PAIR_UNTRUSTED`, `ERR_STORE_*`; what was added stays
   */
  rewrapKeyPairs(options?: CallOptions): Promise<RewrapReport> {
    return this.#call(options, (signal) => this.#keys.rewrap(signal));
  }

  /**
   * Removes key pairs that workers left in the store when they lost a race to change the key. Only on proof that a pair was
   * never active, and only when called: nothing deletes a key pair by itself. With `dryRun` nothing is removed.
   * @throws InvalidInputError for a store without `removeKeyPair`; `ERR_NOT_CONFIGURED`; `ERR_STORE_ROLLED_BACK` where this host
   * has seen a newer head, and the other `ERR_STORE_*`
   */
  removeOrphanedKeyPairs(options: DryRunOptions = {}): Promise<OrphanReport> {
    return this.#call(options, (signal) => this.#keys.removeOrphans(check("dryRun", options), signal));
  }

  /**
   * This key store as an administrator with these permissions may use it: for the requests of a settings page. Make one
   * for each request, from the permissions that the user has then; others than {@link Permission} are ignored.
   * @throws InvalidInputError if `permissions` is no list
   */
  administration(permissions: Iterable<string>): KeyStoreAdministration {
    return administrationOf(this, permissions);
  }

  /**
   * Wipes the organization's unwrapped private keys now, and ends what was opened with them (`ERR_KEYS_FORGOTTEN`): in all key
   * stores on the same KMS provider, which share them.
   */
  forgetPrivateKeys(): void {
    this.#keys.forgetPrivateKeys();
  }

  /**
   * The operator's word that the store was restored on purpose (`ERR_STORE_ROLLED_BACK`): the pair that its head names is
   * taken once more, if KMS vouches for it now. With `dryRun` only the report comes of it. To be called on every host that
   * has seen the newer pair.
   * @throws `ERR_KEY_PAIR_UNTRUSTED`, `ERR_KEY_UNCONFIRMED`, `ERR_NOT_CONFIGURED` for a store without a head, `ERR_STORE_*`;
   * KmsError. Nothing has changed then
   */
  acceptRestoredStore(options: DryRunOptions = {}): Promise<StoreHeadReport> {
    return this.#call(options, (signal) => this.#keys.acceptRestoredStore(check("dryRun", options), signal));
  }

  /**
   * The operator's way out where the store's head names what nobody vouches for (`ERR_KEY_PAIR_UNTRUSTED`): points it at the
   * newest pair that somebody does vouch for, the one in use or else the newest one in the store that KMS opens. Never at one
   * that nobody vouches for; a head that KMS vouches for is left as it is. With `dryRun` only the report comes of it.
   * @throws `ERR_KEY_UNCONFIRMED` where nobody vouches for any pair (then `configure` with `newHistory`),
   * `ERR_STORE_CONFLICT`, `ERR_NOT_CONFIGURED`, `ERR_STORE_*`; KmsError
   */
  replaceUntrustedHead(options: DryRunOptions = {}): Promise<StoreHeadReport> {
    return this.#call(options, (signal) => this.#keys.replaceUntrustedHead(check("dryRun", options), signal));
  }

  /** @returns a function that removes the listener */
  on<N extends EventName>(name: N, listener: EventListener<N>): () => void {
    return this.#events.listeners.on(name, listener);
  }

  /**
   * Refuses new work, waits for open streams (or aborts them when `signal` aborts), closes readers and ends background work,
   * and with them the keys of open recordings. Unwrapped private keys, which other key stores on the same KMS provider share,
   * stay for their `privateKeyTtl`: {@link forgetPrivateKeys} wipes them. Never closes what was injected. A stream that
   * nobody reads to its end stays open: `timeout` bounds the wait.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { signal, timeout } = check("close", options);
    await withTimeout(timeout, signal, async (ending) => {
      await this.#work.close(ending);
      await this.#keys.close(ending);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Node's `util.inspect` shows which organization this is, and nothing else. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `RecordingKeyStore { organizationId: ${JSON.stringify(this.#keys.organizationId)} }`;
  }

  /** Takes a stream over before anything is waited for, and ends it if the call is refused or fails. */
  async #onInput<T>(
    input: RecordingInput,
    field: string,
    options: CallOptions,
    task: (input: TakenInput, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const taken = takeInput(input, field);
    try {
      return await this.#call(options, (signal) => task(taken, signal), true);
    } catch (error) {
      if (taken instanceof ByteSource) taken.cancel(error);
      throw error;
    }
  }

  /** One way in for every method: refuses after close, ends with the caller's signal, and counts as open work. */
  async #call<T>(
    options: CallOptions | undefined,
    task: (signal: AbortSignal) => Promise<T>,
    streams = false,
  ): Promise<T> {
    const signal =
      typeof options === "object" && options !== null && Object.hasOwn(options, "signal")
        ? check("call", { signal: options.signal }).signal
        : undefined;
    const run = (ending: AbortSignal) => {
      this.#host?.used(this);
      return task(ending);
    };
    return this.#work.run(signal, run, streams);
  }
}
