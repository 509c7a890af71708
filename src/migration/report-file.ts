import { constants, createReadStream } from "node:fs";
import { lstat, open, type FileHandle } from "node:fs/promises";
import { createInterface } from "node:readline";
import { InvalidInputError } from "../errors.js";
import { fileFailure } from "../recording/files/failures.js";
import { OutputFile } from "../recording/files/output-file.js";
import { errnoOf, syncFile } from "../util/file-system.js";
import { ensureRights } from "../util/new-file.js";
import { migrationStates, type MigratedFile } from "./states.js";

/** The report's first line. */
interface Heading {
  readonly report: "recording-keystore migration";
  readonly version: 1;
  readonly directory: string;
  readonly outputDirectory: string;
}

/** What is written of a migration: the last line of a file counts. A line that a kill has cut off is none. */
export interface MigrationRecord {
  /** What the report says of each file, by its path. */
  readonly last: ReadonlyMap<string, MigratedFile>;
  /** Writes what has become of a file, unless that is what the report says already. @throws `ERR_FILE_IO` */
  add(file: MigratedFile): Promise<void>;
  /** Makes it survive a power cut. @throws `ERR_FILE_IO` */
  sync(): Promise<void>;
  close(): Promise<void>;
}

interface ReportPlace {
  readonly path: string | undefined;
  /** Whether to write nothing. */
  readonly dryRun: boolean;
  readonly directory: string;
  readonly outputDirectory: string;
}

/**
 * Opens a report to go on with, or makes it.
 * @throws InvalidInputError for a file that is no report, or one about other folders; RecordingKeyStoreError `ERR_FILE_IO`
 */
export async function openReport({ path, dryRun, ...folders }: ReportPlace): Promise<MigrationRecord> {
  if (path === undefined) return new UnwrittenRecord(new Map());
  const heading: Heading = { report: "recording-keystore migration", version: 1, ...folders };
  const found = await readReport(path, heading);
  if (dryRun) return new UnwrittenRecord(found?.last ?? new Map<string, MigratedFile>());
  if (!found) await makeReport(path, heading);
  let handle: FileHandle | undefined;
  try {
    const opened = await open(path, constants.O_WRONLY | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0));
    handle = opened;
    const modeOf = async () => (await opened.stat()).mode;
    await ensureRights(path, { mode: 0o600, denied: 0o077 }, { modeOf, change: (mode) => opened.chmod(mode) });
    // Behind what a kill has cut off.
    if (found && !found.isWhole) await opened.appendFile("\n");
    return new ReportFile(path, opened, found?.last ?? new Map<string, MigratedFile>());
  } catch (error) {
    await handle?.close().catch(() => undefined);
    throw fileFailure(`write the report ${path}`, error);
  }
}

/** Under its name it is there with its heading, or not at all. */
async function makeReport(path: string, heading: Heading): Promise<void> {
  const file = await OutputFile.create(path, { secret: true, overwrite: false });
  try {
    await file.write([Buffer.from(`${JSON.stringify(heading)}\n`)], 0);
    await file.publish();
  } finally {
    await file.discard();
  }
}

async function readReport(
  path: string,
  heading: Heading,
): Promise<{ last: Map<string, MigratedFile>; isWhole: boolean } | undefined> {
  const refuse = (rule: string) => new InvalidInputError("reportPath", rule, path);
  try {
    const stats = await lstat(path);
    if (!stats.isFile()) throw refuse("must name a file, or nothing yet");
    const stream = createReadStream(path);
    let end = 0;
    stream.on("data", (chunk) => (end = (chunk as Buffer).at(-1) ?? end));
    const last = new Map<string, MigratedFile>();
    let isFirst = true;
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      const value = parsed(line);
      if (isFirst) checkHeading(value as Partial<Heading> | undefined, heading, refuse);
      else if (isMigratedFile(value)) last.set(value.path, value);
      isFirst = false;
    }
    if (isFirst) throw refuse("is a file already, and no report of a migration");
    return { last, isWhole: end === 0x0a };
  } catch (error) {
    if (error instanceof InvalidInputError) throw error;
    if (errnoOf(error) === "ENOENT") return undefined;
    throw fileFailure(`read the report ${path}`, error);
  }
}

function checkHeading(
  found: Partial<Heading> | undefined,
  wanted: Heading,
  refuse: (rule: string) => InvalidInputError,
): void {
  if (found?.report !== wanted.report || typeof found.version !== "number")
    throw refuse("is a file already, and no report of a migration");
  if (found.version > wanted.version) throw refuse("is the report of a later version");
  for (const name of ["directory", "outputDirectory"] as const)
    if (found[name] !== wanted[name]) throw refuse(`is the report of another ${name}: ${String(found[name])}`);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isMigratedFile(value: unknown): value is MigratedFile {
  if (typeof value !== "object" || value === null) return false;
  const { path, state, at } = value as Partial<Record<keyof MigratedFile, unknown>>;
  return typeof path === "string" && typeof at === "string" && migrationStates.some((known) => known === state);
}

/** Nothing is written; what is known is known. */
class UnwrittenRecord implements MigrationRecord {
  readonly last: ReadonlyMap<string, MigratedFile>;

  constructor(last: ReadonlyMap<string, MigratedFile>) {
    this.last = last;
  }

  async add(): Promise<void> {}
  async sync(): Promise<void> {}
  async close(): Promise<void> {}
}

class ReportFile implements MigrationRecord {
  readonly last: Map<string, MigratedFile>;
  readonly #path: string;
  readonly #handle: FileHandle;
  /** One line after the other. */
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, handle: FileHandle, last: Map<string, MigratedFile>) {
    this.#path = path;
    this.#handle = handle;
    this.last = last;
  }

  add(file: MigratedFile): Promise<void> {
    const before = this.last.get(file.path);
    if (before && JSON.stringify({ ...before, at: file.at }) === JSON.stringify(file)) return Promise.resolve();
    this.last.set(file.path, file);
    return this.#next(() => this.#handle.appendFile(`${JSON.stringify(file)}\n`));
  }

  sync(): Promise<void> {
    return this.#next(() => syncFile(this.#handle));
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#handle.close().catch(() => undefined);
  }

  /** After a failure nothing more is written: a line behind half a one would be lost with it. */
  #next(task: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(task);
    return this.#writing.catch((error: unknown) => {
      throw fileFailure(`write the report ${this.#path}`, error);
    });
  }
}
