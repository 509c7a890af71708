import { resolve } from "node:path";
import { InvalidInputError } from "../errors.js";
import type { RecordingKeyStore } from "../key-store/recording-key-store.js";
import type { AuditedCallOptions } from "../key-store/options.js";
import { knownOptions } from "../util/check-input.js";
import { isAbortSignal } from "../util/realms.js";
import { ruleByExtension, type MigrationRule } from "./rules.js";
import type { MigratedFile } from "./states.js";

/** What a migration needs of a {@link RecordingKeyStore}. */
export type MigratingKeyStore = Pick<RecordingKeyStore, "encryptFile" | "decryptRecording">;

/** How far a migration is. */
export interface MigrationProgress {
  /** Files that are finished, whatever became of them. */
  readonly files: number;
  readonly totalFiles: number;
  /** Those among them that failed or have changed. */
  readonly failed: number;
  /** Bytes of plain files: half of a file's count when it is encrypted, the other half when it is verified. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Options of {@link migrateRecordings}. `actor` and `reason` go into the audit log with each verification. */
export interface MigrationOptions extends AuditedCallOptions {
  /** Folder of the plain recordings, with all folders below it. Symbolic links in it are not followed. */
  readonly directory: string;
  /** Folder of the encrypted recordings, which gets the same folders. Default `directory`. Made if it is missing. */
  readonly outputDirectory?: string;
  /** What an encrypted recording's name has behind the plain file's. Default `.rec`. */
  readonly suffix?: string;
  /** Default {@link ruleByExtension}`()`. */
  readonly rule?: MigrationRule;
  /** Only say what would be done: nothing is written, and neither KMS nor the store is asked. Default false. */
  readonly dryRun?: boolean;
  /**
   * Delete each plain file once KMS has opened its encrypted recording in this very run, every byte was compared, and the recording is on
   * disk. Default false.
   */
  readonly deletePlain?: boolean;
  /**
   * Report to write and to go on from: a line of JSON for each file whenever something has become of it, readable by its owner only.
   * Default none, and then the folders alone say what is done.
   */
  readonly reportPath?: string;
  /** Files written to within this time are left alone: they may still be recorded. In ms, from 0; default 60,000. */
  readonly minAge?: number;
  /** Files in work at a time, 1 to 64. Default 4. */
  readonly concurrency?: number;
  /** Told about every 100 ms, and once at the end. What it throws is ignored. */
  readonly onProgress?: (progress: MigrationProgress) => void;
  /** Told of each file once it is finished. What it throws is ignored. */
  readonly onFile?: (file: MigratedFile) => void;
}

/** Checked, with every default. Paths are absolute. */
export interface CheckedMigration extends Required<
  Omit<MigrationOptions, "reportPath" | "signal" | "actor" | "reason" | "onProgress" | "onFile">
> {
  readonly reportPath: string | undefined;
  readonly onProgress: MigrationOptions["onProgress"];
  readonly onFile: MigrationOptions["onFile"];
  readonly signal: AbortSignal;
  readonly audited: Pick<AuditedCallOptions, "actor" | "reason">;
}

const isPath = (value: unknown) => typeof value === "string" && value !== "" && !value.includes("\0");
const isFunction = (value: unknown) => typeof value === "function";
const isBoolean = (value: unknown) => typeof value === "boolean";

/** @throws InvalidInputError naming the option and the rule */
export function checkMigration(options: MigrationOptions): CheckedMigration {
  const known = knownOptions(options, {
    directory: true,
    outputDirectory: true,
    suffix: true,
    rule: true,
    dryRun: true,
    deletePlain: true,
    reportPath: true,
    minAge: true,
    concurrency: true,
    onProgress: true,
    onFile: true,
    actor: true,
    reason: true,
    signal: true,
  });
  const { directory, outputDirectory = directory, suffix = ".rec", reportPath, rule = ruleByExtension() } = known;
  const { dryRun = false, deletePlain = false, minAge = 60_000, concurrency = 4, onProgress, onFile } = known;
  const { signal = new AbortController().signal, actor, reason } = known;
  const must = (field: string, isRight: boolean, rule: string, given: unknown) => {
    if (!isRight) throw new InvalidInputError(field, rule, given);
  };
  const folder = "must be the path of a folder";
  must("directory", isPath(directory), directory === undefined ? "is required" : folder, directory);
  must("outputDirectory", isPath(outputDirectory), folder, outputDirectory);
  must("reportPath", reportPath === undefined || isPath(reportPath), "must be the path of a file", reportPath);
  const isSuffix = typeof suffix === "string" && /^[^/\\\0]{1,32}$/.test(suffix);
  must("suffix", isSuffix, "must be 1 to 32 characters of a file's name, such as .rec", suffix);
  must("rule", isFunction(rule), "must be a function", rule);
  for (const [name, value] of Object.entries({ dryRun, deletePlain }))
    must(name, isBoolean(value), "must be a boolean", value);
  for (const [name, value] of Object.entries({ onProgress, onFile }))
    must(name, value === undefined || isFunction(value), "must be a function", value);
  must("minAge", Number.isFinite(minAge) && minAge >= 0, "must be a number of milliseconds from 0", minAge);
  const isCount = Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= 64;
  must("concurrency", isCount, "must be a whole number from 1 to 64", concurrency);
  must("signal", isAbortSignal(signal), "must be an AbortSignal", signal);
  return {
    directory: resolve(directory),
    outputDirectory: resolve(outputDirectory),
    suffix,
    rule,
    dryRun,
    deletePlain,
    reportPath: reportPath === undefined ? undefined : resolve(reportPath),
    minAge,
    concurrency,
    onProgress,
    onFile,
    signal,
    audited: { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) },
  };
}
