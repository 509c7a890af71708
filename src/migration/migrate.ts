import { realpath } from "node:fs/promises";
import { InvalidInputError } from "../errors.js";
import { Progress } from "../recording/files/progress.js";
import { isWithin, realPathOf } from "../stores/file/real-path.js";
import { callOthers } from "../util/call-others.js";
import { concurrently } from "../util/concurrently.js";
import { FileMigration, inspected, type MigrationJob } from "./file-migration.js";
import { checkMigration, type CheckedMigration, type MigratingKeyStore, type MigrationOptions } from "./options.js";
import { planMigration, type MigrationPlan } from "./plan.js";
import { openReport, type MigrationRecord } from "./report-file.js";
import { isUnfinished, migrationStates, type MigratedFile, type MigrationState } from "./states.js";
import { withFileFailure } from "./with-file-failure.js";

/** What a migration has done. */
export interface MigrationReport {
  readonly dryRun: boolean;
  /** Whether nothing is left to do, and nobody has to look at anything: {@link unfinished} and {@link plaintextElsewhere} are empty. */
  readonly complete: boolean;
  /** Number of files in each state; those that the report of an earlier run says to be deleted are among them. */
  readonly files: Readonly<Record<MigrationState, number>>;
  /** Bytes of their plain content. */
  readonly bytes: Readonly<Record<MigrationState, number>>;
  /** Files that failed, have changed, were not verified, or are in use, and with `dryRun` those to be migrated. */
  readonly unfinished: readonly MigratedFile[];
  /** Number of encrypted recordings without a plain file of which no report says how that went. Their headers were read, no more. */
  readonly encryptedOnly: number;
  /** Deleted files whose content has other names (hard links) still: paths below the folder. */
  readonly plaintextElsewhere: readonly string[];
  /**
   * What killed processes have left, or running ones are writing: paths of temporary files below the folder. They hold nothing but
   * encrypted recordings, and may be removed while no process writes.
   */
  readonly leftovers: readonly string[];
}

/**
 * Encrypts plain recordings of a folder: each into a file beside it, or in another folder. Then KMS opens every one of them, and every
 * byte is compared with the plain file. Only with `deletePlain` a plain file is deleted, and only after that.
 *
 * May be ended at any moment, be it by `kill -9`, and run again: an encrypted recording has its name once it is whole and on disk, so the
 * folders themselves say what is done. A plain file that was changed since is `changed`: never deleted, and its recording never
 * replaced. While KMS is away files are encrypted with the last confirmed key; what KMS has not opened is not deleted.
 *
 * What concerns one file is in the report, and the others go on. What concerns all ends the run.
 * @throws InvalidInputError; `ERR_FILE_IO` for the folder, the report and a full disk; as `encryptFile` where nothing can be encrypted;
 * the signal's reason. What was done until then stays
 */
export async function migrateRecordings(
  keyStore: MigratingKeyStore,
  options: MigrationOptions,
): Promise<MigrationReport> {
  if (typeof keyStore?.encryptFile !== "function" || typeof keyStore.decryptRecording !== "function")
    throw new InvalidInputError("keyStore", "must be a RecordingKeyStore", keyStore);
  const migration = await withRealPaths(checkMigration(options));
  migration.signal.throwIfAborted();
  const record = await openReport({ ...migration, path: migration.reportPath });
  try {
    return await run(keyStore, migration, record);
  } finally {
    await record.close();
  }
}

async function withRealPaths(migration: CheckedMigration): Promise<CheckedMigration> {
  const { directory, outputDirectory, reportPath } = migration;
  return {
    ...migration,
    directory: await withFileFailure(`read the folder ${directory}`, () => realpath(directory)),
    outputDirectory: await realPathOf(outputDirectory),
    reportPath: reportPath === undefined ? undefined : await realPathOf(reportPath),
  };
}

async function run(
  keyStore: MigratingKeyStore,
  migration: CheckedMigration,
  record: MigrationRecord,
): Promise<MigrationReport> {
  const { directory, outputDirectory, concurrency, signal, dryRun } = migration;
  const isInside = directory !== outputDirectory && isWithin(outputDirectory, directory);
  const plan = await planMigration({ ...migration, record, except: isInside ? outputDirectory : undefined });
  const tally = new Tally(plan, migration);
  const finish = async (file: MigratedFile) => {
    await record.add(file);
    tally.add(file);
  };
  for (const file of [...plan.settled, ...(await goneSince(plan, migration, record))]) await finish(file);
  const onBytes = (bytes: number) => tally.bytes(bytes);
  const files = new FileMigration({ ...migration, keyStore, record, onBytes });
  const migrate = async (job: MigrationJob) => {
    signal.throwIfAborted();
    const { file, stop } = await files.run(job);
    await finish(file);
    if (stop !== undefined) throw stop;
  };
  await concurrently(each(plan.jobs), concurrency, migrate);
  await concurrently(each(plan.linked), 1, migrate);
  if (!dryRun) await record.sync();
  return tally.report();
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** Files that the report knows as verified or deleted, and whose plain file is gone. */
async function goneSince(
  plan: MigrationPlan,
  { outputDirectory, suffix }: CheckedMigration,
  { last }: MigrationRecord,
): Promise<MigratedFile[]> {
  const there = new Set([...plan.jobs, ...plan.linked, ...plan.settled].map(({ path }) => path));
  const gone: MigratedFile[] = [];
  for (const file of last.values()) {
    if (there.has(file.path)) continue;
    if (file.state === "deleted") gone.push(file);
    if (file.state !== "verified") continue;
    // Killed behind the deletion, unless somebody else has deleted it.
    const says = await inspected(`${outputDirectory}/${file.path}${suffix}`).catch(() => undefined);
    if (says && says.recordingId === file.recordingId && says.asset === file.asset)
      gone.push({ ...file, state: "deleted", at: new Date().toISOString() });
  }
  return gone;
}

const forEachState = () =>
  Object.fromEntries(migrationStates.map((state) => [state, 0])) as Record<MigrationState, number>;

/** Counts what becomes of the files, and tells who listens. */
class Tally {
  readonly #migration: CheckedMigration;
  readonly #plan: MigrationPlan;
  readonly #progress: Progress;
  readonly #files = forEachState();
  readonly #bytes = forEachState();
  readonly #unfinished: MigratedFile[] = [];
  readonly #deleted = new Map<string, MigratedFile>();
  #done = 0;
  #failed = 0;

  constructor(plan: MigrationPlan, migration: CheckedMigration) {
    this.#migration = migration;
    this.#plan = plan;
    const jobs = [...plan.jobs, ...plan.linked];
    const totalBytes = jobs.reduce((sum, { size }) => sum + size, 0);
    this.#progress = new Progress(2 * totalBytes, ({ doneBytes }) =>
      migration.onProgress?.({
        files: this.#done,
        totalFiles: this.#done + this.#left(),
        failed: this.#failed,
        doneBytes: Math.min(totalBytes, doneBytes / 2),
        totalBytes,
      }),
    );
  }

  bytes(bytes: number): void {
    this.#progress.add(bytes);
  }

  add(file: MigratedFile): void {
    this.#done += 1;
    this.#files[file.state] += 1;
    this.#bytes[file.state] += file.size ?? 0;
    if (file.state === "failed" || file.state === "changed") this.#failed += 1;
    if (isUnfinished(file)) this.#unfinished.push(file);
    if (file.state === "deleted") this.#deleted.set(file.path, file);
    callOthers(() => this.#migration.onFile?.(file));
  }

  #left(): number {
    return Math.max(0, this.#plan.jobs.length + this.#plan.linked.length + this.#plan.settled.length - this.#done);
  }

  report(): MigrationReport {
    this.#progress.finish();
    const { leftovers, encryptedOnly } = this.#plan;
    const { suffix, dryRun } = this.#migration;
    const plaintextElsewhere = this.#elsewhere();
    return {
      dryRun,
      complete: this.#unfinished.length === 0 && plaintextElsewhere.length === 0,
      files: this.#files,
      bytes: this.#bytes,
      unfinished: this.#unfinished,
      encryptedOnly: encryptedOnly.filter((path) => !this.#deleted.has(path.slice(0, -suffix.length))).length,
      plaintextElsewhere,
      leftovers,
    };
  }

  /** The names of one content are deleted one after the other, and the last says how many are left. */
  #elsewhere(): string[] {
    const contents = new Map<string, MigratedFile>();
    for (const file of this.#deleted.values()) if (file.inode !== undefined) contents.set(file.inode, file);
    return [...contents.values()].filter(({ otherNames = 0 }) => otherNames > 0).map(({ path }) => path);
  }
}
