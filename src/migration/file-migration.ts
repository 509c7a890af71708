import { lstat, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errorCodeOf, RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import { fileExists } from "../recording/files/failures.js";
import { InputFile } from "../recording/files/input-file.js";
import { inspectRecording, type RecordingInspection } from "../recording/inspect.js";
import { fileSource } from "../sources/file-source.js";
import { defined } from "../util/defined.js";
import { errnoOf, openToReadUnlinked, syncFolder } from "../util/file-system.js";
import type { CheckedMigration, MigratingKeyStore } from "./options.js";
import { deletePlainFile } from "./plain-deletion.js";
import type { MigrationRecord } from "./report-file.js";
import type { MigrationTarget } from "./rules.js";
import { errorFacts, type MigratedFile } from "./states.js";
import { EncryptedOutput, sameTime, verify } from "./verification.js";
import { withFileFailure } from "./with-file-failure.js";

/** One file to be migrated. */
export interface MigrationJob {
  /** Below the folder. */
  readonly path: string;
  readonly target: MigrationTarget & { readonly asset: string };
  /** In bytes, when it was found. */
  readonly size: number;
}

/** What became of a file, and what keeps the others from being begun. */
export interface Outcome {
  readonly file: MigratedFile;
  readonly stop?: unknown;
}

/** What a whole migration works with. */
export interface MigrationParts extends CheckedMigration {
  readonly keyStore: MigratingKeyStore;
  readonly record: MigrationRecord;
  /** Told of bytes encrypted and of bytes verified. */
  readonly onBytes: (bytes: number) => void;
}

/** Codes of a key store that can't open a recording now, of whatever content. */
const notOpened = /^ERR_(KMS|STORE|KEY|KEYS|AUDIT)_|^ERR_NOT_CONFIGURED$|^ERR_CLOSED$/;
/** Codes of an encryption that say nothing of the files after this one. */
const ofOneFile: ReadonlySet<ErrorCode> = new Set([
  "ERR_FILE_IO",
  "ERR_FILE_EXISTS",
  "ERR_FILE_CHANGED",
  "ERR_INVALID_INPUT",
]);
/** Codes of a place that takes no more files. */
const noPlace = new Set(["ENOSPC", "EDQUOT", "EROFS"]);

type Facts = Omit<MigratedFile, "state" | "at">;

/** Takes one plain file after the other from where an earlier run has left it to where this one is to leave it. */
export class FileMigration {
  readonly #parts: MigrationParts;

  constructor(parts: MigrationParts) {
    this.#parts = parts;
  }

  /** @throws the signal's reason */
  async run({ path, target, size }: MigrationJob): Promise<Outcome> {
    const { directory, signal } = this.#parts;
    let facts: Facts = { path, recordingId: target.recordingId, asset: target.asset, size };
    let plain: InputFile | undefined;
    try {
      plain = await InputFile.open(join(directory, path), openToReadUnlinked);
      const modifiedAt = new Date(Number(plain.identity.mtimeNs / 1_000_000n)).toISOString();
      facts = { ...facts, size: plain.size, modifiedAt };
      return { file: await this.#migrate(plain, target, facts) };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Stop) return { file: { ...failedAs(facts, error.cause) }, stop: error.cause };
      if (errorCodeOf(error) === "ERR_FILE_CHANGED") return { file: become({ ...facts, left: "in-use" }, "left") };
      return { file: failedAs(facts, error) };
    } finally {
      await plain?.close();
    }
  }

  async #migrate(plain: InputFile, target: MigrationJob["target"], facts: Facts): Promise<MigratedFile> {
    const { outputDirectory, suffix, minAge, dryRun } = this.#parts;
    if (await inspected(plain.path)) return become({ ...facts, left: "encrypted" }, "left");
    const age = Date.now() - Number(plain.identity.mtimeNs) / 1e6;
    if (Math.abs(age) < minAge) return become({ ...facts, left: "in-use" }, "left");
    const output = join(outputDirectory, `${facts.path}${suffix}`);
    const existing = await found(output, target);
    if (!existing && dryRun) return become(facts, "to-encrypt");
    const made = existing ? undefined : await this.#encrypt(plain, output, target);
    const encrypted = await EncryptedOutput.open(output);
    try {
      // For a later run that goes by it: whoever changes the plain file changes its time.
      if (made) await encrypted.settle(plain.identity.mtimeNs);
      const { size } = await encrypted.stats();
      const now = { ...facts, encryptedSize: Number(size), ...made };
      const known = existing && (await this.#known(plain, encrypted, { facts: now, existing }));
      if (known) return known;
      if (dryRun) return become(now, "to-verify");
      return await this.#finish(plain, encrypted, { facts: now, target, existed: existing !== undefined });
    } finally {
      await encrypted.close();
    }
  }

  /** @throws Stop; `ERR_FILE_*` */
  async #encrypt(
    plain: InputFile,
    output: string,
    target: MigrationTarget,
  ): Promise<Pick<MigratedFile, "keyPairId" | "usedLastKnownKey" | "keyAtRisk">> {
    const { keyStore, concurrency, signal, onBytes } = this.#parts;
    let done = 0;
    const reached = (bytes: number) => {
      onBytes(bytes - done);
      done = bytes;
    };
    try {
      await makeFolder(dirname(output));
      const { keyPairId, usedLastKnownKey, keyAtRisk } = await keyStore.encryptFile(plain.path, output, {
        ...target,
        threads: concurrency > 1 ? 1 : 0,
        onProgress: ({ doneBytes }) => reached(doneBytes),
        signal,
      });
      reached(plain.size);
      return { keyPairId, usedLastKnownKey, keyAtRisk };
    } catch (error) {
      const code = errorCodeOf(error);
      const { cause } = error as { cause?: unknown };
      if (code !== undefined && ofOneFile.has(code) && !noPlace.has(errnoOf(cause) ?? "")) throw error;
      throw new Stop(error);
    }
  }

  /** What is known of a file without asking anybody: that it has changed, or that an earlier run has verified all as it is now. */
  async #known(
    plain: InputFile,
    encrypted: EncryptedOutput,
    { facts, existing }: { facts: Facts; existing: Existing },
  ): Promise<MigratedFile | undefined> {
    const { deletePlain, record, onBytes } = this.#parts;
    onBytes(plain.size);
    if (existing.plaintextSize !== undefined && existing.plaintextSize !== plain.size) return changed(facts);
    const earlier = record.last.get(facts.path);
    if (deletePlain || earlier?.state !== "verified") return undefined;
    const names = ["recordingId", "asset", "size", "modifiedAt", "encryptedSize"] as const;
    const { mtimeNs } = await encrypted.stats();
    const isSame = names.every((name) => earlier[name] === facts[name]) && sameTime(mtimeNs, plain.identity.mtimeNs);
    if (!isSame) return undefined;
    onBytes(plain.size);
    return earlier;
  }

  /** From an encrypted recording to what is wanted. */
  async #finish(
    plain: InputFile,
    encrypted: EncryptedOutput,
    { facts, target, existed }: { facts: Facts; target: MigrationJob["target"]; existed: boolean },
  ): Promise<MigratedFile> {
    const { keyStore, audited, signal, onBytes, deletePlain, record } = this.#parts;
    const { recordingId, asset } = target;
    let now: Facts = existed ? { ...madeEarlier(record.last.get(facts.path)), ...facts } : facts;
    try {
      const options = { keyStore, names: { recordingId, asset }, audited, signal, onBytes };
      const verified = await verify(plain, encrypted, options);
      if (!verified) {
        await plain.checkUnchanged();
        return existed ? changed(now) : failedAs(now, otherContent(encrypted.path));
      }
      now = { ...now, ...verified };
    } catch (error) {
      signal.throwIfAborted();
      if (!notOpened.test(errorCodeOf(error) ?? "")) throw error;
      return become({ ...now, ...errorFacts(error) }, "encrypted");
    }
    await encrypted.settle(plain.identity.mtimeNs);
    if (!deletePlain) return become(now, "verified");
    await record.add(become(now, "verified"));
    await record.sync();
    signal.throwIfAborted();
    const otherNames = await deletePlainFile(plain, encrypted);
    const inode = `${plain.identity.dev}:${plain.identity.ino}`;
    return become({ ...now, inode, ...(otherNames > 0 ? { otherNames } : {}) }, "deleted");
  }
}

/** What keeps the files after this one from being begun. */
class Stop extends Error {
  constructor(override readonly cause: unknown) {
    super("stop");
  }
}

type Existing = Pick<RecordingInspection, "plaintextSize">;

/** The encrypted recording that is there already. @throws RecordingKeyStoreError `ERR_FILE_EXISTS` for anything else */
async function found(path: string, target: MigrationJob["target"]): Promise<Existing | undefined> {
  try {
    const stats = await lstat(path);
    if (!stats.isFile()) throw fileExists(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (error instanceof RecordingKeyStoreError) throw error;
    return withFileFailure(`look at ${path}`, () => Promise.reject(error as Error));
  }
  const says = await inspected(path);
  if (says?.recordingId !== target.recordingId || says.asset !== target.asset)
    throw new RecordingKeyStoreError(
      "ERR_FILE_EXISTS",
      `${path} exists already, and ${says ? "says that it is another recording" : "is no encrypted recording"}`,
    );
  return says;
}

/** What the header says of a recording; nothing of what is none. */
export async function inspected(path: string): Promise<RecordingInspection | undefined> {
  await using source = await fileSource(path);
  try {
    return await inspectRecording(source);
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === "ERR_FORMAT_INVALID" || code === "ERR_RECORDING_TRUNCATED") return undefined;
    throw error;
  }
}

/** Makes a folder, which survives a power cut before anything in it counts. */
async function makeFolder(path: string): Promise<void> {
  await withFileFailure(`make the folder ${path}`, async () => {
    const first = await mkdir(path, { recursive: true });
    if (first === undefined) return;
    for (let made = path; ; made = dirname(made)) {
      await syncFolder(dirname(made));
      if (made === first || made === dirname(made)) return;
    }
  });
}

function become(facts: Facts, state: MigratedFile["state"]): MigratedFile {
  const { path, recordingId, asset, size, modifiedAt, encryptedSize, sha256, ...rest } = facts;
  const named = { recordingId, asset, size, modifiedAt, encryptedSize, sha256 };
  const { keyPairId, usedLastKnownKey, keyAtRisk, inode, otherNames, left, code, message, retryable } = rest;
  const more = { keyPairId, usedLastKnownKey, keyAtRisk, inode, otherNames, left, code, message, retryable };
  // One order of the members, by which two lines of a report are the same.
  return { path, state, at: new Date().toISOString(), ...defined({ ...named, ...more }) };
}

/** Of a file that can't be migrated. */
export function failedAs(facts: Facts, error: unknown): MigratedFile {
  return become({ ...facts, ...errorFacts(error) }, "failed");
}

/** Of a file that is left alone. */
export function leftAs(facts: Facts): MigratedFile {
  return become(facts, "left");
}

function changed(facts: Facts): MigratedFile {
  const message =
    "the plain file was changed after it was encrypted; move its encrypted recording away to have it encrypted as it is now";
  return become({ ...facts, code: "ERR_FILE_CHANGED", message, retryable: false }, "changed");
}

const otherContent = (path: string) =>
  new RecordingKeyStoreError("ERR_RECORDING_TAMPERED", `${path} opens, and gives another content than the plain file`);

/** What only the encryption itself could tell. */
function madeEarlier(earlier: MigratedFile | undefined): Partial<Facts> {
  const { keyPairId, usedLastKnownKey, keyAtRisk } = earlier ?? {};
  return defined({ keyPairId, usedLastKnownKey, keyAtRisk });
}
