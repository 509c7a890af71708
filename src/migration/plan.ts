import { join } from "node:path";
import { InvalidInputError, type RecordingKeyStoreError } from "../errors.js";
import { isName, longestName, nameRule } from "../format/names.js";
import { abortable } from "../util/abort.js";
import { failedAs, inspected, leftAs, type MigrationJob } from "./file-migration.js";
import type { CheckedMigration } from "./options.js";
import type { MigrationRecord } from "./report-file.js";
import type { MigrationTarget } from "./rules.js";
import type { MigratedFile } from "./states.js";
import { walk, type TreeFile } from "./tree.js";

/** What there is to be done. */
export interface MigrationPlan {
  /** Files with one name each. */
  readonly jobs: readonly MigrationJob[];
  /** Files whose content has several names (hard links): deleting one changes the others, so that only one is in work at a time. */
  readonly linked: readonly MigrationJob[];
  /** Files of which it is known already what becomes of them. */
  readonly settled: readonly MigratedFile[];
  /** Paths of encrypted recordings without a plain file. */
  readonly encryptedOnly: readonly string[];
  /** Paths of what killed processes have left, or running ones are writing. */
  readonly leftovers: readonly string[];
}

interface PlanParts extends Pick<
  CheckedMigration,
  "directory" | "outputDirectory" | "suffix" | "rule" | "reportPath" | "signal"
> {
  readonly record: MigrationRecord;
  /** Folder of the encrypted recordings where it lies below that of the plain ones. */
  readonly except: string | undefined;
}

/** Looks through the folder and asks the rule. @throws RecordingKeyStoreError `ERR_FILE_IO`; the signal's reason */
export async function planMigration(parts: PlanParts): Promise<MigrationPlan> {
  const { directory, outputDirectory, suffix, reportPath, except, record, signal } = parts;
  const plan = new Plan();
  for (const { path, state, recordingId, asset } of record.last.values())
    if (state === "deleted" && recordingId !== undefined && asset !== undefined)
      plan.taken(path, { recordingId, asset });
  for await (const entry of walk(directory, { except, signal })) {
    const { path } = entry;
    if (entry.kind === "left") plan.settled.push(leftAs({ path, left: entry.left }));
    else if (entry.kind === "failed") plan.settled.push(failedAs({ path }, entry.error));
    else if (entry.kind === "temporary") plan.leftovers.push(path);
    else if (join(directory, path) === reportPath) continue;
    else {
      const isOutput = directory === outputDirectory && path.endsWith(suffix);
      if (!isOutput || !(await plan.output(entry, directory, suffix))) await addPlain(plan, entry, parts);
    }
  }
  return plan.made();
}

async function addPlain(plan: Plan, { path, stats }: TreeFile, { rule, signal }: PlanParts): Promise<void> {
  const size = Number(stats.size);
  const modifiedAt = new Date(Number(stats.mtimeNs / 1_000_000n));
  try {
    const given = await abortable((async () => rule({ path, size, modifiedAt }))(), signal);
    if (given === undefined) return void plan.settled.push(leftAs({ path, size, left: "no-rule" }));
    plan.add({ path, size, target: checkTarget(given) }, stats.nlink > 1n);
  } catch (error) {
    signal.throwIfAborted();
    plan.settled.push(failedAs({ path, size }, error));
  }
}

/** @throws InvalidInputError for names that no recording can have */
function checkTarget(given: MigrationTarget): MigrationJob["target"] {
  if (typeof given !== "object" || given === null) throw new InvalidInputError("rule", "must give an object", given);
  const { recordingId, asset = "main", publicMetadata, metadata } = given;
  for (const [name, value] of Object.entries({ recordingId, asset }) as ["recordingId" | "asset", unknown][])
    if (typeof value !== "string" || !isName(value, longestName[name]))
      throw new InvalidInputError(name, nameRule(longestName[name]), value);
  return { recordingId, asset, ...(publicMetadata && { publicMetadata }), ...(metadata && { metadata }) };
}

/** Gathers jobs; two files that would be the same recording and asset are none. */
class Plan {
  readonly settled: MigratedFile[] = [];
  readonly leftovers: string[] = [];
  readonly #encryptedOnly: string[] = [];
  readonly #jobs = new Map<string, { readonly job: MigrationJob; readonly isLinked: boolean }>();
  /** The files that are an asset of a recording. */
  readonly #paths = new Map<string, Set<string>>();

  add(job: MigrationJob, isLinked: boolean): void {
    this.#jobs.set(job.path, { job, isLinked });
    this.taken(job.path, job.target);
  }

  taken(path: string, { recordingId, asset }: { readonly recordingId: string; readonly asset: string }): void {
    const key = JSON.stringify([recordingId, asset]);
    const paths = this.#paths.get(key);
    if (paths) paths.add(path);
    else this.#paths.set(key, new Set([path]));
  }

  /** Whether a file is an encrypted recording: that of a plain file met before, since it sorts behind it, or one without. */
  async output({ path }: TreeFile, directory: string, suffix: string): Promise<boolean> {
    const plainPath = path.slice(0, -suffix.length);
    if (this.#jobs.has(plainPath)) return true;
    const says = await inspected(join(directory, path)).catch(() => undefined);
    if (!says) return false;
    this.#encryptedOnly.push(path);
    this.taken(plainPath, says);
    return true;
  }

  made(): MigrationPlan {
    const jobs: MigrationJob[] = [];
    const linked: MigrationJob[] = [];
    for (const { job, isLinked } of this.#jobs.values()) {
      const { path, target, size } = job;
      const { recordingId, asset } = target;
      const others = [...(this.#paths.get(JSON.stringify([recordingId, asset])) ?? [])].filter((one) => one !== path);
      if (others.length > 0) this.settled.push(failedAs({ path, recordingId, asset, size }, sameNames(others)));
      else (isLinked ? linked : jobs).push(job);
    }
    const { settled, leftovers } = this;
    return { jobs, linked, settled, leftovers, encryptedOnly: this.#encryptedOnly };
  }
}

function sameNames([first = "", ...rest]: readonly string[]): RecordingKeyStoreError {
  const more = rest.length > 0 ? `, and ${rest.length} more,` : "";
  return new InvalidInputError(
    "rule",
    `gives the same recording and asset for ${first}${more}, and each file needs its own`,
  );
}
