import { escapeControls, RecordingKeyStoreError } from "../errors.js";
import { diagnose } from "../kms/diagnosis.js";
import { KmsError } from "../kms/kms-error.js";
import { diagnoseStoreFailure } from "../stores/store-diagnosis.js";
import { StoreError } from "../stores/store-error.js";

type Cell = string | number | boolean | Date | undefined;

const textOf = (value: Cell): string => {
  if (value === undefined) return "";
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "boolean") return value ? "yes" : "no";
  return escapeControls(String(value));
};

/** Names and values, one a line; what is missing is left out. */
export function factLines(facts: Readonly<Record<string, Cell>>): string[] {
  const given = Object.entries(facts).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...given.map(([name]) => name.length));
  return given.map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}`);
}

/** A table for people, its columns aligned. */
export function tableLines(headers: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const cells = [headers, ...rows.map((row) => row.map(textOf))];
  const widths = headers.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** What a command has thrown, and what to do about it. */
export function errorLines(error: unknown): string[] {
  if (!(error instanceof Error)) return [escapeControls(String(error))];
  const code = error instanceof RecordingKeyStoreError ? ` (${error.code})` : "";
  return [`${escapeControls(error.message)}${code}`, ...adviceLines(error)];
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
