import { member } from "../../util/safe-cause.js";
import { maxDocumentLength, recordIdPattern } from "../input.js";
import { headLogEntryOf, type HeadLogEntry } from "../head-log.js";
import { StoreError } from "../store-error.js";
import { corruptRow } from "./failures.js";

/*
 * What a driver gives back: a claim, like everything in the store. A row of the wrong form is ERR_STORE_CORRUPT, an answer that
 * PostgreSQL never gives an error that the boundary takes for `unexpected-answer`.
 */

/** One stored row, of texts. */
export class Row {
  readonly #row: object;
  readonly #table: string;

  constructor(row: object, table: string) {
    this.#row = row;
    this.#table = table;
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
  id(): string {
    const id = member(this.#row, "id");
    if (typeof id === "string" && recordIdPattern.test(id)) return id;
    throw corruptRow(`a row of ${this.#table}`);
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
  sequence(what: string): number {
    const text = member(this.#row, "sequence");
    const sequence = typeof text === "string" && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(sequence)) return sequence;
    throw corruptRow(what);
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
  revision(): string {
    const revision = member(this.#row, "revision");
    if (typeof revision === "string" && isRevision(revision)) return revision;
    throw corruptRow("the head");
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
  headLogEntry(): HeadLogEntry {
    const [number, mark, hex] = ["position", "mark", "organizations"].map((name) => member(this.#row, name));
    return headLogEntryOf({ number, mark, text: typeof hex === "string" ? Buffer.from(hex, "hex").toString() : hex });
  }

  /** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
  document(what: string): Uint8Array {
    const hex = member(this.#row, "document");
    if (typeof hex !== "string" || hex.length > 2 * maxDocumentLength || !/^(?:[0-9a-f]{2})*$/.test(hex))
      throw corruptRow(what);
    return new Uint8Array(Buffer.from(hex, "hex"));
  }
}

/** A revision as this store makes them: random, so that none comes again, also after a restore of the database. */
export function isRevision(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/** The rows of an answer to a read. @throws StoreError where a replica has given it */
export function storedRows(answer: unknown, table: string, operation: string): readonly Row[] {
  const rows = rowsOf(answer);
  const [first] = rows;
  if (!first) throw new Error("no row");
  const replica = member(first, "replica");
  if (replica === "true") {
    throw new StoreError("read-only", {
      operation,
      message: `${operation}: a replica has answered, which may not know yet what is stored; connect to the primary`,
    });
  }
  if (replica !== "false") throw new Error("not what was asked");
  if (rows.length === 1 && member(first, "stored") === null) return [];
  return rows.map((row) => new Row(row, table));
}

/** Whether a write has changed a row. */
export function written(answer: unknown): boolean {
  const count = countWritten(answer);
  if (count > 1) throw new Error("not what was asked");
  return count === 1;
}

/** The number of rows that a write has changed. */
export function countWritten(answer: unknown): number {
  const [row] = rowsOf(answer);
  const count = row && member(row, "written");
  if (typeof count !== "string" || !/^\d{1,9}$/.test(count)) throw new Error("not what was asked");
  return Number(count);
}

function rowsOf(answer: unknown): readonly object[] {
  const rows = typeof answer === "object" && answer !== null ? member(answer, "rows") : undefined;
  if (!Array.isArray(rows)) throw new Error("no rows");
  return Array.from(rows, (row: unknown) => {
    if (typeof row !== "object" || row === null) throw new Error("no row");
    return row;
  });
}
