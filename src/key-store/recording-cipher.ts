import type { AuditedOperation } from "../audit/event.js";
import type { AuditTrail, CallAudit } from "../audit/trail.js";
import { RecordingKeyStoreError } from "../errors.js";
import type { OpenedHeader, RecordingHeader } from "../format/header.js";
import type { KeyManager } from "../key-pairs/key-manager.js";
import type { Operations } from "../operations.js";
import { decryptBody, type DecryptedRecording, type EncryptedRecording, type Streamed } from "../recording/bodies.js";
import type { OpenHeader } from "../recording/decryptor.js";
import type { FileRequest } from "../recording/files/file-work.js";
import { decryptFile, type DecryptedFile, type EncryptedFile } from "../recording/files/recording-files.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import { readMetadata } from "../recording/read-metadata.js";
import { SegmentReader, type OpenRequest } from "../recording/reader/segment-reader.js";
import { salvageBody, type SalvageTotals } from "../recording/salvage.js";
import type { TakenInput } from "../recording/stream-source.js";
import { abortable } from "../util/abort.js";
import { defined } from "../util/defined.js";
import { yieldToEventLoop } from "../util/event-loop.js";
import { byThreads, RecordingSealer, type CheckedEncrypt } from "./recording-sealer.js";
import type { check } from "./schemas.js";

type CheckedDecrypt = ReturnType<typeof check<"decrypt">>;
type CheckedDecryptRecording = ReturnType<typeof check<"decryptRecording">>;

/** What is known of a recording without its content. */
export type RecordingMetadata = Omit<DecryptedRecording<Uint8Array>, "body">;

/** Brings keys and recording format together: which key goes into a header, and which header opens with which key. */
export class RecordingCipher {
  readonly #organizationId: string;
  readonly #sealer: RecordingSealer;
  readonly #keys: KeyManager;
  readonly #watchers: CallWatchers;

  constructor(options: { organizationId: string; selfContained: boolean }, keys: KeyManager, watchers: CallWatchers) {
    const { organizationId, selfContained } = options;
    this.#organizationId = organizationId;
    this.#sealer = new RecordingSealer(organizationId, async (signal) => {
      const key = await keys.encryptionKey(signal);
      return selfContained ? { ...key, wrapping: key.pair.wrapping } : key;
    });
    this.#keys = keys;
    this.#watchers = watchers;
  }

  encrypt(
    recording: TakenInput,
    options: CheckedEncrypt,
    signal: AbortSignal,
  ): Promise<EncryptedRecording & Partial<Streamed>> {
    const work = () => this.#sealer.encrypt(recording, options, signal);
    return this.#watchers.operations.run({ operation: "encryptRecording", ...namesOf(options) }, work, true);
  }

  encryptFile(file: FileRequest, options: CheckedEncrypt): Promise<EncryptedFile> {
    return this.#watchers.operations.run({ operation: "encryptFile", ...namesOf(options) }, () =>
      this.#sealer.encryptFile(file, options),
    );
  }

  decrypt(
    encrypted: TakenInput,
    options: CheckedDecryptRecording,
    signal: AbortSignal,
  ): Promise<DecryptedRecording & Partial<Streamed>> {
    return this.#watched("decryptRecording", options, signal, async (audit) => {
      const { open, factsOf } = this.#opening(options, signal, audit);
      const { header, ...body } = await decryptBody(encrypted, { open, signal, ...byThreads(encrypted, options) });
      return { ...body, ...factsOf(header) };
    });
  }

  decryptFile(file: FileRequest, options: CheckedDecrypt): Promise<DecryptedFile> {
    return this.#watched("decryptFile", options, file.signal, (audit) => {
      const { open, factsOf } = this.#opening(options, file.signal, audit);
      return decryptFile(file, open, factsOf);
    });
  }

  salvage(
    encrypted: TakenInput,
    options: CheckedDecrypt,
    signal: AbortSignal,
  ): Promise<DecryptedRecording & (SalvageTotals | Streamed<SalvageTotals>)> {
    return this.#watched("salvageRecording", options, signal, async (audit) => {
      const { open, factsOf } = this.#opening(options, signal, audit);
      const { header, ...body } = await salvageBody(encrypted, { open, signal });
      return { ...body, ...factsOf(header) };
    });
  }

  readMetadata(
    encrypted: TakenInput | RandomAccessSource,
    options: CheckedDecrypt,
    signal: AbortSignal,
  ): Promise<RecordingMetadata> {
    return this.#watched("readMetadata", options, signal, async (audit) => {
      const { open, checkNames, factsOf } = this.#opening(options, signal, audit);
      return factsOf(await readMetadata(encrypted, { open, checkNames, signal }));
    });
  }

  /** Tells observers and the audit log of an opening. */
  #watched<T extends object>(
    operation: OpeningOperation,
    options: CheckedDecrypt,
    signal: AbortSignal,
    work: (audit: CallAudit | undefined) => Promise<T>,
  ): Promise<T> {
    const { operations, trail } = this.#watchers;
    const { actor, reason, recordingId, asset } = options;
    const audit = trail?.begin({
      operation,
      ...defined({ actor, reason }),
      resources: [{ type: "recording", uid: recordingId, name: asset }],
    });
    return operations.run(
      { operation, ...namesOf(options) },
      audit ? () => auditedOpening(audit, signal, work) : () => work(undefined),
      true,
    );
  }

  /** How one recording is opened, and what is known of it then. */
  #opening(options: CheckedDecrypt, signal: AbortSignal, audit: CallAudit | undefined) {
    let keyPairId = "";
    const checkNames = (header: RecordingHeader) => this.#checkNames(header, options);
    const open: OpenHeader = async (header) => {
      checkNames(header);
      const { lease, keyPairId: openedBy } = await this.#lease(header, options, signal, audit);
      keyPairId = openedBy;
      return lease;
    };
    const factsOf = ({ confirmation, publicMetadata, metadata }: OpenedHeader): RecordingMetadata => ({
      keyPairId,
      confirmation,
      ...defined({ publicMetadata, metadata }),
    });
    return { open, checkNames, factsOf };
  }

  open(
    source: RandomAccessSource,
    options: CheckedDecrypt,
    signal: AbortSignal,
    run: OpenRequest["run"],
  ): Promise<SegmentReader> {
    return this.#watched("openRecording", options, signal, (audit) =>
      SegmentReader.open(source, {
        checkNames: (header) => this.#checkNames(header, options),
        open: (header) => this.#lease(header, options, signal, audit),
        signal,
        ...defined({ run }),
      }),
    );
  }

  /** Many may have waited for their headers at once. Nothing is released before the audit log has the opening. */
  async #lease(
    { recipients }: RecordingHeader,
    { askKms }: CheckedDecrypt,
    signal: AbortSignal,
    audit: CallAudit | undefined,
  ) {
    await yieldToEventLoop();
    const opened = await this.#keys.lease(recipients, { askKms, signal });
    if (!audit) return opened;
    try {
      await abortable(audit.opened(opened.keyPairId), signal);
      return opened;
    } catch (error) {
      opened.lease.release();
      throw error;
    }
  }

  encryptedSize(plaintextSize: number, options: CheckedEncrypt, signal: AbortSignal): Promise<number> {
    return this.#sealer.encryptedSize(plaintextSize, options, signal);
  }

  /** A mismatch is found before any key is asked for. */
  #checkNames(header: RecordingHeader, { recordingId, asset }: CheckedDecrypt): void {
    const expected = { organizationId: this.#organizationId, recordingId, asset };
    for (const name of ["organizationId", "recordingId", "asset"] as const) {
      if (header[name] === expected[name]) continue;
      // The found value is authenticated only later, and may be another customer's: it is not shown.
      throw new RecordingKeyStoreError(
        "ERR_RECORDING_MISMATCH",
        `this is another recording: its ${name} is not ${JSON.stringify(expected[name])}`,
      );
    }
  }
}

/** Who is told of calls. */
export interface CallWatchers {
  readonly operations: Operations;
  readonly trail: AuditTrail | undefined;
}

type OpeningOperation = AuditedOperation &
  ("decryptRecording" | "decryptFile" | "openRecording" | "salvageRecording" | "readMetadata");

function namesOf({ recordingId, asset }: { recordingId: string; asset: string }) {
  return { recordingId, asset };
}

/** Writes an entry for an opening that fails, before or after it has begun to release something. */
async function auditedOpening<T extends object>(
  audit: CallAudit,
  signal: AbortSignal,
  work: (audit: CallAudit) => Promise<T>,
): Promise<T> {
  try {
    const result = await work(audit);
    const { done } = result as Partial<Streamed>;
    void done?.catch((error: unknown) => audit.failedLater(error));
    return result;
  } catch (error) {
    const isAudit = error instanceof RecordingKeyStoreError && error.code === "ERR_AUDIT_UNAVAILABLE";
    if (signal.aborted) audit.failedLater(error);
    else if (!isAudit) await audit.failed(error);
    throw error;
  }
}
