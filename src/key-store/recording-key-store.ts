import type { Readable } from "node:stream";
import { AuditTrail } from "../audit/trail.js";
import { EventHub, type EventListener, type EventName, type EventSink } from "../events.js";
import type { SharedByOrganizations } from "../key-pairs/key-manager-options.js";
import { KeyManager, type KeyStoreHealth } from "../key-pairs/key-manager.js";
import { Operations, type OperationObserver, type Observers } from "../operations.js";
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
import { withInput, type TakenInput } from "../recording/stream-source.js";
import { abortable, withTimeout } from "../util/abort.js";
import { ownOptions, signalAmong } from "../util/check-input.js";
import { checkedClock } from "../util/checked-clock.js";
import { KeyOperations } from "./key-operations.js";
import { OpenWork } from "./open-work.js";
import {
  type CallOptions,
  type CloseOptions,
  type DecryptFileOptions,
  type DecryptOptions,
  type DecryptRecordingOptions,
  type EncryptFileOptions,
  type EncryptOptions,
  type FileOptions,
  type RecordingKeyStoreOptions,
} from "./options.js";
import { RecordingCipher, type RecordingMetadata } from "./recording-cipher.js";
import { check } from "./schemas.js";

/** What a key store is made of. @internal */
export interface KeyStoreParts {
  readonly keys: KeyManager;
  readonly work: OpenWork;
  readonly events: EventHub;
  readonly operations: Operations;
}

/** The registry that holds a key store. @internal */
export interface KeyStoreHost {
  readonly shared: SharedByOrganizations;
  readonly emit: (organizationId: string) => EventSink;
  readonly observers: Observers;
  /** Hands over what the key store is made of, for maintenance. */
  readonly made: (keyStore: RecordingKeyStore, parts: KeyStoreParts) => void;
  /** A call begins. */
  readonly used: (keyStore: RecordingKeyStore) => void;
}

/**
 * One organization's recordings under its own KMS key. Cheap to make: no timer, socket or thread of its own, and no work
 * before the first call.
 */
export class RecordingKeyStore extends KeyOperations {
  readonly #events: EventHub;
  readonly #trail: AuditTrail | undefined;
  readonly #operations: Operations;
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
    const { organizationId, auditSink: sink, auditRequired: required, auditTimeout: timeout } = checked;
    const clock = checkedClock(checked.clock);
    const hostEmit = host?.emit(organizationId);
    const events = new EventHub(organizationId, (name, event) => {
      hostEmit?.(name, event);
      trail?.happened(name, event);
    });
    const trail = sink && new AuditTrail({ organizationId, sink, required, timeout, clock, emit: events.emit });
    const operations = new Operations(organizationId, host?.observers);
    const keys = new KeyManager(checked, clock, events.emit, host?.shared, operations);
    super(keys, { operations, trail }, (callOptions, task) => this.#call(callOptions, task));
    this.#host = host;
    this.#events = events;
    this.#trail = trail;
    this.#operations = operations;
    this.#keys = keys;
    this.#cipher = new RecordingCipher(checked, keys, { operations, trail });
    host?.made(this, { keys, work: this.#work, events, operations });
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

  /** How the organization's key fares. Reads memory only, so that it can be called for each reading of a metric. */
  health(): KeyStoreHealth {
    return this.#keys.health;
  }

  /**
   * Watches operations: how they are called, and how they end. `recording-keystore/opentelemetry` is one observer.
   * @returns a function that removes the observer
   */
  observe(observer: OperationObserver): () => void {
    return this.#operations.observe(observer);
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
      if (this.#trail) await abortable(this.#trail.settled(), ending).catch(() => undefined);
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
  #onInput<T>(
    input: RecordingInput,
    field: string,
    options: CallOptions,
    task: (input: TakenInput, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return withInput(input, field, (taken) => this.#call(options, (signal) => task(taken, signal), true));
  }

  /** One way in for every method: refuses after close, ends with the caller's signal, and counts as open work. */
  async #call<T>(
    options: CallOptions | undefined,
    task: (signal: AbortSignal) => Promise<T>,
    streams = false,
  ): Promise<T> {
    const { signal } = check("call", { signal: signalAmong(options) });
    const run = (ending: AbortSignal) => {
      this.#host?.used(this);
      return task(ending);
    };
    return this.#work.run(signal, run, streams);
  }
}
