import { Option } from "commander";
import { InvalidInputError } from "../../errors.js";
import {
  migrateRecordings,
  migrationStates,
  ruleByExtension,
  ruleByPatterns,
  type MigratedFile,
  type MigrationPattern,
  type MigrationReport,
  type MigrationRule,
  type MigrationState,
} from "../../migration/index.js";
import { defined } from "../../util/defined.js";
import { numberOption } from "../arguments.js";
import { defineCommand } from "../define.js";
import { exitCodes } from "../exit-codes.js";
import { UsageError } from "../io.js";
import { withKeyStore } from "../open-key-store.js";
import { tableLines, toned } from "../show.js";
import { readJson } from "../named-files.js";
import { sizeText, type Paint, type Tone } from "../terminal.js";

interface MigrateOptions {
  readonly to?: string;
  readonly suffix?: string;
  readonly ids?: "name" | "path";
  readonly rules?: string;
  readonly dryRun?: boolean;
  readonly deletePlain?: boolean;
  readonly report?: string;
  readonly minAge?: number;
  readonly concurrency?: number;
}

export const migrateCommand = defineCommand<MigrateOptions>({
  name: "migrate",
  summary: "Encrypt the plain recordings of a folder, and delete them once KMS has opened the encrypted ones",
  group: "Recordings:",
  help: `May be stopped at any moment, and run again: it goes on. Audio becomes the asset main, video the asset video, a transcript the asset
transcript of the recording that is called as the file is without its extension; other files are left alone. FILE of --rules:
  [{"path":"([^/]+)\\\\.screen\\\\.mp4$","recordingId":"$1","asset":"screen"}, …]
of which the first whose regular expression matches a path counts. Exit code ${exitCodes.incomplete} where something is left to do.

  recording-keystore migrate /var/recordings --dry-run
  recording-keystore migrate /var/recordings --report migration.jsonl
  recording-keystore migrate /var/recordings --report migration.jsonl --delete-plain`,
  add: (command) =>
    command
      .argument("<folder>", "the plain recordings, with all folders below")
      .option("--to <folder>", "where the encrypted recordings go; beside the plain ones unless given")
      .option("--suffix <text>", "what their names have behind those of the plain files; .rec unless given")
      .addOption(
        new Option("--ids <how>", "recordings are called as the file, or as its path below the folder").choices([
          "name",
          "path",
        ]),
      )
      .addOption(new Option("--rules <file>", "JSON file that says which file is which recording").conflicts("ids"))
      .option("--dry-run", "say what would be done, and do nothing")
      .option("--delete-plain", "delete each plain file once KMS has opened its encrypted recording")
      .option("--report <file>", "JSON lines of what became of each file: made, or gone on with")
      .addOption(
        numberOption("--min-age <seconds>", "leave files alone that were written to later; 60 unless given", {
          from: 0,
        }),
      )
      .addOption(
        numberOption("--concurrency <number>", "files in work at a time; 4 unless given", { from: 1, to: 64 }),
      ),
  run: ({ settings, options, args: [directory = ""], io: { signal, showProgress }, show, paint }) =>
    withKeyStore(settings, {}, async (keyStore) => {
      const { to, suffix, dryRun, deletePlain, report, minAge, concurrency } = options;
      const rule = await ruleOf(options);
      const result = await migrateRecordings(keyStore, {
        directory,
        rule,
        signal,
        onProgress: ({ files, totalFiles, failed, doneBytes, totalBytes }) =>
          showProgress?.({
            done: doneBytes,
            total: totalBytes,
            note: `${files} of ${totalFiles} files${failed > 0 ? `, ${failed} failed` : ""}`,
          }),
        ...defined({
          outputDirectory: to,
          suffix,
          dryRun,
          deletePlain,
          reportPath: report,
          minAge: minAge === undefined ? undefined : minAge * 1_000,
          concurrency,
        }),
      });
      show(result, migrationLines(result, paint));
      if (!result.complete && !result.dryRun) return exitCodes.incomplete;
    }),
});

async function ruleOf({ rules, ids }: MigrateOptions): Promise<MigrationRule> {
  if (rules === undefined) return ruleByExtension(defined({ recordingIds: ids }));
  try {
    return ruleByPatterns((await readJson("--rules", rules)) as unknown as MigrationPattern[]);
  } catch (error) {
    throw error instanceof InvalidInputError ? new UsageError(`--rules ${rules}: ${error.message}`) : error;
  }
}

const tones: Readonly<Partial<Record<MigrationState, Tone>>> = {
  verified: "good",
  deleted: "good",
  encrypted: "warning",
  changed: "bad",
  failed: "bad",
};

const says: Readonly<Record<MigrationState, string>> = {
  "to-encrypt": "would be encrypted and verified",
  "to-verify": "are encrypted, and would be verified",
  encrypted: "encrypted; KMS has not opened them yet",
  verified: "encrypted, and verified through KMS",
  deleted: "encrypted, verified through KMS, and the plain file deleted",
  left: "left alone",
  changed: "changed after they were encrypted",
  failed: "failed",
};

/** Files listed by name; the report and `--json` have all. */
const most = 50;

function migrationLines(report: MigrationReport, paint: Paint): string[] {
  const { files, bytes, unfinished, plaintextElsewhere, leftovers, encryptedOnly, complete, dryRun } = report;
  const listed = unfinished.filter(({ state }) => !state.startsWith("to-"));
  const more = listed.length - most;
  const counts = migrationStates
    .filter((state) => files[state] > 0)
    .map((state) => [toned(files[state], tones[state]), sizeText(bytes[state]), says[state]]);
  return [
    ...(counts.length > 0 ? tableLines(["files", "size", ""], counts, paint) : ["There are no plain files."]),
    ...(encryptedOnly > 0 ? ["", `${encryptedOnly} encrypted recordings have no plain file.`] : []),
    ...(listed.length > 0 ? ["", ...tableLines(["", "file", "why"], listed.slice(0, most).map(rowOf), paint)] : []),
    ...(more > 0 ? [`… and ${more} more: --report FILE and --json have them all`] : []),
    ...plaintextElsewhere.map((path) => `${path}: deleted, but its content has another name (a hard link) still`),
    ...(leftovers.length > 0
      ? ["", `Temporary files; remove them if nothing is running:`, ...leftovers.map((path) => `  ${path}`)]
      : []),
    "",
    complete
      ? paint("good", "Nothing is left to do.")
      : dryRun
        ? "Nothing was done."
        : paint("warning", "Something is left to do."),
  ];
}

function rowOf({ path, state, left, message, code }: MigratedFile) {
  const why = message ?? (left === "in-use" ? "written to a moment ago, or while it was read" : "its name is no UTF-8");
  return [toned(state, tones[state] ?? "warning"), path, `${why}${code === undefined ? "" : ` (${code})`}`];
}
