import { randomBytes } from "node:crypto";
import { RecordingKeyStoreError } from "../errors.js";
import { abortable, whenAborted } from "../util/abort.js";
import type { HeadChanges } from "./key-pair-store.js";

/** Most entries that one look tells of. */
const mostTold = 1_000;
/** Most organizations of one entry: some 100 KiB of ids that are as long as they may be, each character escaped. */
const mostTogether = 32;
/** Random, so that a cursor is not taken for one of the log that a restore of the database has undone. */
const markPattern = /^[\w-]{22}$/;
const newMark = () => randomBytes(16).toString("base64url");

/** The announcement that the heads of organizations are about to change. */
export interface HeadLogEntry {
  /** From 1, without gaps: an entry is written only by one who has seen the entry before it. */
  readonly number: number;
  readonly mark: string;
  readonly organizationIds: readonly string[];
}

/** Where a database keeps the entries. Reads are strongly consistent; nothing is ever changed or removed. */
export interface HeadLogEntries {
  /** The entry with the highest number; `undefined` before the first one. */
  last(signal: AbortSignal): Promise<HeadLogEntry | undefined>;
  /** The entries from a number on, by number, at most `limit`. */
  from(number: number, limit: number, signal: AbortSignal): Promise<readonly HeadLogEntry[]>;
  /** Writes an entry; `false` if its number is taken, be it by the same. */
  append(entry: HeadLogEntry, signal: AbortSignal): Promise<boolean>;
}

/** What `headChanges` of the store's contract reads and every swap writes before it: a log of numbered entries. */
export class HeadLog {
  readonly #entries: HeadLogEntries;
  /** The group that is still to be written. */
  #gathering: Group | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(entries: HeadLogEntries) {
    this.#entries = entries;
  }

  /**
   * Adds an entry, together with all that this process announces meanwhile: otherwise many at once would contend for each number. One
   * announcement too many does no harm.
   */
  async announce(organizationId: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#gathering?.isOpen) this.#gathering = this.#newGroup();
    await this.#gathering.join(organizationId, signal);
  }

  #newGroup(): Group {
    const before = this.#writing;
    const group: Group = new Group(async () => {
      await before;
      if (this.#gathering === group) this.#gathering = undefined;
      await this.#write(group.organizationIds, group.signal);
    });
    this.#writing = group.written.catch(() => undefined); // its members hear of it
    return group;
  }

  async #write(organizationIds: readonly string[], signal: AbortSignal): Promise<void> {
    const mark = newMark();
    for (;;) {
      signal.throwIfAborted();
      const last = await this.#entries.last(signal);
      const number = (last?.number ?? 0) + 1;
      if (await this.#entries.append({ number, mark, organizationIds }, signal)) return;
      const [taken] = await this.#entries.from(number, 1, signal);
      if (taken?.mark === mark) return; // by this very entry, which a client or proxy has sent twice
    }
  }

  async changes(after: string | undefined, signal: AbortSignal): Promise<HeadChanges> {
    const place = placeOf(after);
    const told = place && (await this.#behind(place, signal));
    if (told) return told;
    return { cursor: cursorAt(await this.#entries.last(signal)), organizationIds: undefined };
  }

  /** The changes behind a place; `undefined` where the log has no such place, or too many behind it. */
  async #behind({ number, mark }: Place, signal: AbortSignal): Promise<HeadChanges | undefined> {
    const entries = await this.#entries.from(Math.max(number, 1), mostTold + 2, signal);
    const isKnown = number === 0 || (entries[0]?.number === number && entries[0].mark === mark);
    if (!isKnown || entries.length > mostTold + 1) return undefined;
    let last = number === 0 ? undefined : entries[0];
    const organizationIds: string[] = [];
    for (const entry of number === 0 ? entries : entries.slice(1)) {
      // What was written while these were read may be seen without the entry before it: the next look has both.
      if (entry.number !== (last?.number ?? 0) + 1) break;
      organizationIds.push(...entry.organizationIds);
      last = entry;
    }
    return { cursor: cursorAt(last), organizationIds };
  }
}

/** Organizations that are announced in one entry. */
class Group {
  readonly organizationIds: string[] = [];
  readonly written: Promise<void>;
  readonly #abandoned = new AbortController();
  #waiting = 0;

  constructor(write: () => Promise<void>) {
    this.written = Promise.resolve().then(write);
  }

  /** Aborts when nobody waits any more. */
  get signal(): AbortSignal {
    return this.#abandoned.signal;
  }

  /** Whether others may join: there is room, and it was not given up. */
  get isOpen(): boolean {
    return this.organizationIds.length < mostTogether && !this.signal.aborted;
  }

  async join(organizationId: string, signal: AbortSignal): Promise<void> {
    this.organizationIds.push(organizationId);
    this.#waiting += 1;
    const stay = whenAborted(signal, () => {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#abandoned.abort(signal.reason);
    });
    await abortable(this.written, signal).finally(stay);
  }
}

type Place = Pick<HeadLogEntry, "number" | "mark">;

function cursorAt(entry: Place | undefined): string {
  return entry ? `${entry.number}.${entry.mark}` : "0";
}

function placeOf(cursor: string | undefined): Place | undefined {
  if (cursor === "0") return { number: 0, mark: "" };
  const [digits = "", mark = ""] = cursor?.split(".") ?? [];
  return isNumber(digits) && markPattern.test(mark) ? { number: Number(digits), mark } : undefined;
}

/** The organizations of an entry as text, without control characters. */
export function headLogText({ organizationIds }: Pick<HeadLogEntry, "organizationIds">): string {
  return JSON.stringify(organizationIds);
}

/** An entry as it stands in a database. @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
export function headLogEntryOf(stored: {
  readonly number: unknown;
  readonly mark: unknown;
  /** As {@link headLogText} has written it. */
  readonly text: unknown;
}): HeadLogEntry {
  const { number, mark, text } = stored;
  const organizationIds = typeof text === "string" ? idsOf(text) : undefined;
  if (typeof number === "string" && isNumber(number) && typeof mark === "string" && markPattern.test(mark)) {
    if (organizationIds) return { number: Number(number), mark, organizationIds };
  }
  throw new RecordingKeyStoreError(
    "ERR_STORE_CORRUPT",
    "the log of changes to heads has an entry that this library did not write: remove it",
  );
}

function idsOf(text: string): string[] | undefined {
  try {
    const ids: unknown = JSON.parse(text);
    return Array.isArray(ids) && ids.every((id): id is string => typeof id === "string") ? ids : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a text is a number that another one can follow. */
function isNumber(digits: string): boolean {
  return /^\d{1,16}$/.test(digits) && Number(digits) >= 1 && Number(digits) < Number.MAX_SAFE_INTEGER;
}
