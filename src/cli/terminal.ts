/** What a terminal is, as far as it is written to: `process.stderr`, say. */
export interface TerminalStream {
  readonly isTTY?: boolean | undefined;
  /** Width now: it changes when the window does. */
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** How something is meant. */
export type Tone = "good" | "bad" | "warning" | "heading" | "faint";
/** Gives a text the colour of its tone, or leaves it as it is. */
export type Paint = (tone: Tone, text: string) => string;

export const noPaint: Paint = (_, text) => text;

/** Begin and end of each tone. */
const codes: Readonly<Record<Tone, readonly [number, number]>> = {
  good: [32, 39],
  bad: [31, 39],
  warning: [33, 39],
  heading: [1, 22],
  faint: [2, 22],
};

/** Colours for a stream: where a person sees them, unless `NO_COLOR` or a dumb terminal says no; `FORCE_COLOR` decides before all else. */
export function paintFor(stream: Pick<TerminalStream, "isTTY">, environment: Environment): Paint {
  if (!hasColours(stream, environment)) return noPaint;
  return (tone, text) => {
    const [begin, end] = codes[tone];
    return text === "" ? "" : `\u001B[${begin}m${text}\u001B[${end}m`;
  };
}

function hasColours({ isTTY }: Pick<TerminalStream, "isTTY">, environment: Environment): boolean {
  const { FORCE_COLOR: force, NO_COLOR: none, TERM: term } = environment;
  if (force !== undefined) return force !== "0" && force !== "false";
  return isTTY === true && (none ?? "") === "" && term !== "dumb";
}

/** How far a long command is. */
export interface Shown {
  /** Missing where nothing is counted, and the note is all. */
  readonly done?: number;
  /** Missing where nobody knows. */
  readonly total?: number | undefined;
  /** What is counted; bytes unless given. */
  readonly unit?: string;
  /** What else is to be said, if there is room. */
  readonly note?: string | undefined;
}

/** Columns of the bar between its brackets. */
const barWidth = 24;
/** In ms. */
const shortestPause = 80;
/** Time before a rate says anything, in ms. */
const firstRate = 1_000;
const clearLine = "\r\u001B[K";

/** One line at the end of a terminal that says how far a command is. Whatever else is said goes above it. */
export class ProgressBar {
  readonly #stream: TerminalStream;
  readonly #now: () => number;
  #isShown = false;
  #begun: number | undefined;
  #next = 0;

  /** @param now - in ms */
  constructor(stream: TerminalStream, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  /** A bar for a stream, where a person watches it, and its terminal can take a line back. */
  static for(stream: TerminalStream, environment: Environment): ProgressBar | undefined {
    const { TERM: term, CI: ci } = environment;
    const isWatched = stream.isTTY === true && term !== "dumb" && ["", "0", "false"].includes(ci ?? "");
    return isWatched ? new ProgressBar(stream) : undefined;
  }

  readonly show = (shown: Shown): void => {
    const now = this.#now();
    this.#begun ??= now;
    if (now < this.#next) return;
    this.#next = now + shortestPause;
    const room = (this.#stream.columns ?? 80) - 1;
    this.#stream.write(`${clearLine}${lineOf(shown, now - this.#begun, room)}`);
    this.#isShown = true;
  };

  /** Takes the line away. What comes next is shown at once. */
  readonly clear = (): void => {
    if (this.#isShown) this.#stream.write(clearLine);
    this.#isShown = false;
    this.#next = 0;
  };
}

/** As much as there is room for, the most important first. */
function lineOf({ done, total, unit, note }: Shown, elapsed: number, room: number): string {
  const amount = unit === undefined ? sizeText : (count: number) => String(Math.floor(count));
  if (done === undefined) return (note ?? "").slice(0, Math.max(0, room));
  const counted = `${amount(done)}${total === undefined ? "" : ` of ${amount(total)}`}${unit === undefined ? "" : ` ${unit}`}`;
  const parts = [counted];
  if (total !== undefined) {
    const share = total > 0 ? Math.min(1, done / total) : 1;
    const full = Math.floor(share * barWidth);
    parts.unshift(
      `[${"#".repeat(full)}${".".repeat(barWidth - full)}]`,
      `${String(Math.floor(share * 100)).padStart(3)} %`,
    );
  }
  if (elapsed >= firstRate && done > 0) {
    if (unit === undefined) parts.push(`${sizeText((done / elapsed) * 1_000)}/s`);
    if (total !== undefined && done < total) parts.push(`${timeText((elapsed / done) * (total - done))} left`);
  }
  if (note !== undefined) parts.push(note);
  let line = "";
  for (const part of parts) {
    const longer = line === "" ? part : `${line}  ${part}`;
    if (longer.length > room) break;
    line = longer;
  }
  return line;
}

/** Bytes for people, such as `1.2 GB`. */
export function sizeText(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  const power = Math.min(units.length - 1, bytes < 1_000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return power === 0 ? `${Math.floor(bytes)} bytes` : `${(bytes / 1_000 ** power).toFixed(1)} ${units[power] ?? ""}`;
}

/** A time in ms for people, such as `2:05` or `1:02:05`. */
function timeText(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  const two = (count: number) => String(count).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
