import type { Readable } from "node:stream";
import { isAhead, knownElapsed, momentOf, type Clock, type Moment } from "../clock.js";
import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import { FleetSecret } from "../key-pairs/active/fleet-word.js";
import { readPublicBundle, type PublicBundle, type PublicBundleFacts } from "../key-pairs/public-bundle.js";
import type {
  EncryptedRecording,
  EncryptedStream,
  OtherStream,
  RecordingInput,
  Streamed,
} from "../recording/bodies.js";
import type { BodyBytes, BodyStream } from "../recording/body-types.js";
import type { EncryptedFile } from "../recording/files/recording-files.js";
import { withInput } from "../recording/stream-source.js";
import { ownOptions, signalAmong } from "../util/check-input.js";
import { checkedClock } from "../util/checked-clock.js";
import type { CallOptions, EncryptFileOptions, EncryptOptions } from "./options.js";
import { RecordingSealer, type SealingKey } from "./recording-sealer.js";
import { check } from "./schemas.js";

/** Options of the {@link PublicBundleEncryptor} constructor. */
export interface PublicBundleEncryptorOptions {
  /** Whose recordings these are: a bundle of another organization is refused. */
  organizationId: string;
  /**
   * What `exportPublicBundle()` gave, as text or bytes. Without `fleetSecret` it is believed as it stands, so it must come from the
   * service's operator, over a way on which nobody else can replace it.
   */
  bundle: string | Uint8Array;
  /**
   * Secret of the service's workers, as a key store takes it: with it only a bundle counts that one of them has exported. Whoever
   * holds it can vouch for keys in the fleet's name, so that a worker that nobody else trusts is better given none.
   */
  fleetSecret?: Uint8Array | readonly Uint8Array[];
  clock?: Clock;
}

/** What the bundle in use says, and whether it still encrypts. Times are in ms since the Unix epoch. */
export interface PublicBundleHealth extends PublicBundleFacts {
  readonly organizationId: string;
  readonly keyPairId: string;
  /** Position of the key pair in the organization's history. */
  readonly sequence: number;
  /** Nothing is encrypted any more until another bundle is in use. */
  readonly expired: boolean;
}

/**
 * Encrypts an organization's recordings with nothing but a public bundle: no KMS, no store, no network, no secret. It can open
 * none. What it makes is opened by any `RecordingKeyStore` of the organization. Cheap to make: no timer, socket or thread.
 *
 * @example
 * ```ts
 * const encryptor = new PublicBundleEncryptor({ organizationId: "org-4711", bundle: await readFile("org-4711.bundle") });
 * const { body } = await encryptor.encryptRecording(createReadStream("call.wav"), { recordingId: "call-1" });
 * ```
 */
export class PublicBundleEncryptor {
  readonly #organizationId: string;
  readonly #secret: FleetSecret | undefined;
  readonly #clock: Clock;
  readonly #started: Moment;
  readonly #sealer: RecordingSealer;
  #bundle: PublicBundle;

  /**
   * @throws InvalidInputError naming the option and the rule; `ERR_FORMAT_INVALID` for what is no bundle, `ERR_FORMAT_TOO_NEW`,
   * `ERR_KEY_PAIR_UNTRUSTED` for one of another organization, with an unusable key, or not of the fleet, `ERR_BUNDLE_EXPIRED`
   */
  constructor(options: PublicBundleEncryptorOptions) {
    const { organizationId, bundle, fleetSecret, clock } = check("bundleEncryptor", options);
    this.#organizationId = organizationId;
    this.#secret = fleetSecret && new FleetSecret(fleetSecret);
    this.#clock = checkedClock(clock);
    this.#started = momentOf(this.#clock);
    this.#bundle = this.#read(bundle);
    this.#sealer = new RecordingSealer(organizationId, async () => this.#key());
  }

  /**
   * Encrypts a recording, as `RecordingKeyStore.encryptRecording` does: bytes give bytes, a Node `Readable` gives a `Readable`, any
   * other stream of bytes a `ReadableStream`. `usedLastKnownKey` and `keyAtRisk` say what the key store knew that exported the
   * bundle. A stream that was begun in time is encrypted to its end.
   * @throws InvalidInputError, `ERR_BUNDLE_EXPIRED`
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
    return withInput(recording, "recording", async (taken) => {
      const signal = signalOf(options);
      return this.#sealer.encrypt(taken, check("encrypt", options), signal);
    });
  }

  /**
   * Encrypts a file into another one, as `RecordingKeyStore.encryptFile` does.
   * @throws as {@link encryptRecording}; `ERR_FILE_EXISTS`, `ERR_FILE_CHANGED`, `ERR_FILE_IO`
   */
  async encryptFile(inputPath: string, outputPath: string, options: EncryptFileOptions): Promise<EncryptedFile> {
    const signal = signalOf(options);
    const { overwrite, threads, onProgress, ...rest } = ownOptions(options ?? {});
    const file = { inputPath, outputPath, ...check("file", { overwrite, threads, onProgress }), signal };
    return this.#sealer.encryptFile(file, check("encrypt", rest));
  }

  /** Size in bytes that a recording will have once encrypted with the bundle in use and these options. */
  async encryptedSize(plaintextSize: number, options: EncryptOptions): Promise<number> {
    const signal = signalOf(options);
    return this.#sealer.encryptedSize(plaintextSize, check("encrypt", options), signal);
  }

  /**
   * Goes on with another bundle, at once. One that is refused leaves the one in use as it is.
   * @throws as the constructor; InvalidInputError for one that was exported before the one in use
   */
  renew(bundle: string | Uint8Array): void {
    const organizationId = this.#organizationId;
    const next = this.#read(check("bundleEncryptor", { organizationId, bundle }).bundle);
    if (next.exportedAt < this.#bundle.exportedAt)
      throw new InvalidInputError("bundle", "must not have been exported before the one in use");
    this.#bundle = next;
  }

  /** What the bundle in use says. Reads memory only, so that it can be called for each reading of a metric. */
  health(): PublicBundleHealth {
    const { confirmedAt, exportedAt, expiresAt, usedLastKnownKey, keyAtRisk, pair } = this.#bundle;
    const { organizationId, keyPairId, sequence } = pair.birth;
    const facts = { confirmedAt, exportedAt, expiresAt, usedLastKnownKey, keyAtRisk };
    return { organizationId, keyPairId, sequence, ...facts, expired: this.#now() >= expiresAt };
  }

  /** Node's `util.inspect` shows which organization this is, and nothing else. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `PublicBundleEncryptor { organizationId: ${JSON.stringify(this.#organizationId)} }`;
  }

  #read(given: string | Uint8Array): PublicBundle {
    const bytes = typeof given === "string" ? Buffer.from(given) : given;
    const bundle = readPublicBundle(bytes, { organizationId: this.#organizationId, secret: this.#secret });
    // Such a clock can't tell whether the bundle has expired.
    if (isAhead(bundle.exportedAt, { now: () => this.#now() }))
      throw expired(
        `this host's clock is before ${dateOf(bundle.exportedAt)}, when the bundle was exported: set it right`,
      );
    this.#checkExpiry(bundle);
    return bundle;
  }

  #checkExpiry({ expiresAt }: PublicBundle): void {
    if (this.#now() < expiresAt) return;
    throw expired(
      `the public bundle expired at ${dateOf(expiresAt)}: export another one by exportPublicBundle(), and renew() it here`,
    );
  }

  /** In ms since the Unix epoch. Goes on where the wall clock is set back, which thus gives no bundle more time. */
  #now(): number {
    return this.#started.wall + knownElapsed(this.#started, this.#clock);
  }

  #key(): SealingKey {
    this.#checkExpiry(this.#bundle);
    return { ...this.#bundle, confirmation: "confirmed" }; // none is exported of any other pair
  }
}

/** The caller's signal, not aborted yet. @throws InvalidInputError; the signal's reason */
function signalOf(options: CallOptions): AbortSignal {
  const { signal = new AbortController().signal } = check("call", { signal: signalAmong(options) });
  signal.throwIfAborted();
  return signal;
}

const dateOf = (time: number) => new Date(time).toISOString();

function expired(message: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_BUNDLE_EXPIRED", message, { retryable: true });
}
