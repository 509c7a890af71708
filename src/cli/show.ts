import { escapeControls, RecordingKeyStoreError } from "../errors.js";
import { diagnose } from "../kms/diagnosis.js";
import { KmsError } from "../kms/kms-error.js";
import { diagnoseStoreFailure } from "../stores/store-diagnosis.js";
import { StoreError } from "../stores/store-error.js";
import { describeErrno } from "../util/file-system.js";
import { noPaint, type Paint, type Tone } from "./terminal.js";

type Value = string | number | boolean | Date | undefined;
/** A value, and how it is meant. */
interface Toned {
  readonly value: Value;
  readonly tone: Tone;
}
type Cell = Value | Toned;

/** A value with a tone; without one as it is. */
export const toned = (value: Value, tone: Tone | undefined): Cell => (tone === undefined ? value : { value, tone });

const isToned = (cell: Cell): cell is Toned => typeof cell === "object" && !(cell instanceof Date);

const textOf = (cell: Cell): string => {
  const value = isToned(cell) ? cell.value : cell;
  if (value === undefined) return "";
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "boolean") return value ? "yes" : "no";
  return escapeControls(String(value));
};

/** The text in its colour. Colours take no room, so that what is to be aligned is padded before. */
const painted = (cell: Cell, text: string, paint: Paint) => (isToned(cell) ? paint(cell.tone, text) : text);

/** Names and values, one a line; what is missing is left out. */
export function factLines(facts: Readonly<Record<string, Cell>>, paint: Paint = noPaint): string[] {
  const given = Object.entries(facts).filter(([, cell]) => (isToned(cell) ? cell.value : cell) !== undefined);
  const width = Math.max(0, ...given.map(([name]) => name.length));
  return given.map(([name, cell]) => `${paint("faint", name.padEnd(width))}  ${painted(cell, textOf(cell), paint)}`);
}

/** A table for people, its columns aligned. */
export function tableLines(
  headers: readonly string[],
  rows: readonly (readonly Cell[])[],
  paint: Paint = noPaint,
): string[] {
  const cells: readonly (readonly Cell[])[] = [headers.map((header) => toned(header, "heading")), ...rows];
  const widths = headers.map((_, column) => Math.max(...cells.map((row) => textOf(row[column]).length)));
  return cells.map((row) => rowLine(row, widths, paint));
}

/** One row of a table whose columns are so wide. */
export function rowLine(row: readonly Cell[], widths: readonly number[], paint: Paint = noPaint): string {
  const last = row.findLastIndex((cell) => textOf(cell) !== "");
  return row
    .slice(0, last + 1)
    .map((cell, column) => painted(cell, textOf(cell).padEnd(column === last ? 0 : (widths[column] ?? 0)), paint))
    .join("  ");
}

/** What a command has thrown, and what to do about it. */
export function errorLines(error: unknown, paint: Paint = noPaint): string[] {
  if (!(error instanceof Error)) return [paint("bad", escapeControls(String(error)))];
  const isOurs = error instanceof RecordingKeyStoreError;
  const { syscall } = error as NodeJS.ErrnoException;
  const text = !isOurs && syscall !== undefined ? `cannot ${syscall}: ${describeErrno(error)}` : error.message;
  return [`${paint("bad", escapeControls(text))}${isOurs ? ` (${error.code})` : ""}`, ...adviceLines(error)];
}

/** Steps to take, numbered. */
export const stepLines = (steps: readonly string[]): string[] =>
  steps.map((step, index) => `  ${index + 1}. ${escapeControls(step)}`);

/** What to do about a failure of KMS or of the store, as far as it is known. */
export function adviceLines(error: unknown): string[] {
  const found = adviceOn(error) ?? adviceOn((error as { cause?: unknown } | null)?.cause);
  if (!found) return [];
  return ["", escapeControls(found.summary), ...stepLines(found.whatToDo)];
}

function adviceOn(error: unknown): { summary: string; whatToDo: readonly string[] } | undefined {
  if (error instanceof KmsError) return diagnose(error);
  return error instanceof StoreError ? diagnoseStoreFailure(error) : undefined;
}
