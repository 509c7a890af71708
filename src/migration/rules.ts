import { InvalidInputError } from "../errors.js";
import type { RecordingName } from "../key-store/options.js";
import { knownOptions } from "../util/check-input.js";
import { defined } from "../util/defined.js";

/** A plain file, as a rule sees it. */
export interface PlainFile {
  /** Path below the folder, with `/` between names on every system. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly modifiedAt: Date;
}

/** What a plain file becomes. */
export interface MigrationTarget extends RecordingName {
  /** As for `encryptRecording`. */
  readonly publicMetadata?: Readonly<Record<string, unknown>>;
  /** As for `encryptRecording`. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/**
 * Says which recording and which asset of it a plain file is, or `undefined` for one that is to be left alone. Must say the same of the
 * same path each time: a run that goes on from another asks again. What it throws is the file's failure.
 */
export type MigrationRule = (file: PlainFile) => MigrationTarget | undefined | Promise<MigrationTarget | undefined>;

/** Asset by extension. */
const assets: ReadonlyMap<string, string> = new Map(
  Object.entries({
    main: "wav wave mp3 m4a m4b aac ogg oga opus flac amr awb wma au snd aif aiff caf weba mka gsm ulaw alaw spx",
    video: "mp4 m4v mkv mov avi webm mpg mpeg ts mts wmv flv 3gp 3g2 ogv",
    transcript: "txt vtt srt sbv ttml json",
  }).flatMap(([asset, extensions]) => extensions.split(" ").map((extension) => [extension, asset])),
);

/** Options of {@link ruleByExtension}. */
export interface RuleByExtensionOptions {
  /**
   * `name` (default): the file's name without its extension is the recording's id, whatever folder it lies in. `path`: the path below the
   * folder without the extension, for names that are unique in their folder only.
   */
  readonly recordingIds?: "name" | "path";
}

/**
 * The rule that holds unless another is given: audio is the asset `main`, video `video`, and a transcript (`txt`, `vtt`, `srt`, `json` …)
 * `transcript` of the recording that is called as the file is without its extension. So `call-1.wav`, `call-1.mp4` and `call-1.vtt`
 * are three assets of the recording `call-1`. Other extensions, and names that begin with a dot, are left alone.
 * @throws InvalidInputError
 */
export function ruleByExtension(options: RuleByExtensionOptions = {}): MigrationRule {
  const { recordingIds = "name" } = knownOptions(options, { recordingIds: true });
  if (recordingIds !== "name" && recordingIds !== "path")
    throw new InvalidInputError("recordingIds", "must be one of name, path", recordingIds);
  return ({ path }) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const dot = name.lastIndexOf(".");
    const asset = assets.get(name.slice(dot + 1).toLowerCase());
    if (dot < 1 || name.startsWith(".") || asset === undefined) return undefined;
    const whole = recordingIds === "name" ? name : path;
    return { recordingId: whole.slice(0, dot - name.length), asset };
  };
}

/** One of {@link ruleByPatterns}. */
export interface MigrationPattern {
  /** Regular expression (JavaScript's, with the flag `u`) that the path below the folder must match. */
  readonly path: string;
  /** Id of the recording; `$1` … `$9` and `$<name>` stand for what the groups have matched, `$$` for a dollar sign. */
  readonly recordingId: string;
  /** As `recordingId`. Default `main`. */
  readonly asset?: string;
}

/**
 * A rule of regular expressions, of which the first that matches counts. Files that none matches are left alone.
 * @example
 * ```ts
 * ruleByPatterns([
 *   { path: "([^/]+)\\.screen\\.mp4$", recordingId: "$1", asset: "screen" },
 *   { path: "([^/]+)\\.wav$", recordingId: "$1" },
 * ]);
 * ```
 * @throws InvalidInputError naming the pattern and what is wrong with it
 */
export function ruleByPatterns(patterns: readonly MigrationPattern[]): MigrationRule {
  if (!Array.isArray(patterns) || patterns.length === 0)
    throw new InvalidInputError("patterns", "must be a list of { path, recordingId, asset }", patterns);
  const rules = patterns.map((given: unknown, index) => compiled(given, `patterns.${index}`));
  return ({ path }) => {
    for (const { pattern, recordingId, asset } of rules) {
      const match = pattern.exec(path);
      if (!match) continue;
      return { recordingId: filled(recordingId, match), ...defined({ asset: asset && filled(asset, match) }) };
    }
    return undefined;
  };
}

function compiled(given: unknown, field: string) {
  if (typeof given !== "object" || given === null)
    throw new InvalidInputError(field, "must be an object with path and recordingId", given);
  const known = knownOptions(given as MigrationPattern, { path: true, recordingId: true, asset: true });
  for (const name of ["path", "recordingId", "asset"] as const) {
    const isMissing = known[name] === undefined;
    if (typeof known[name] !== "string" && !(isMissing && name === "asset"))
      throw new InvalidInputError(`${field}.${name}`, isMissing ? "is required" : "must be a string", known[name]);
  }
  try {
    return { ...known, pattern: new RegExp(known.path, "u") };
  } catch {
    throw new InvalidInputError(`${field}.path`, "must be a regular expression", known.path);
  }
}

function filled(template: string, match: RegExpExecArray): string {
  return template.replaceAll(/\$(?:\$|([1-9])|<([^>]*)>)/g, (whole, digit?: string, name?: string) => {
    if (whole === "$$") return "$";
    return (digit === undefined ? match.groups?.[name ?? ""] : match[Number(digit)]) ?? "";
  });
}
