import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Tells on the terminal what happens: plain text, with colour only where somebody sees it. */
export class Narrator {
  readonly #coloured = process.stdout.isTTY && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
  #chapter = 0;

  title(text: string): void {
    this.#print(`\n  ${this.#paint("bold", text)}\n`);
  }

  /** A numbered heading. */
  chapter(text: string): void {
    this.#chapter += 1;
    this.#print(`\n  ${this.#paint("cyan", String(this.#chapter))}  ${this.#paint("bold", text)}`);
  }

  fact(name: string, value: string): void {
    this.#print(`     ${this.#paint("dim", name.padEnd(16))} ${value}`);
  }

  done(text: string, remark = ""): void {
    this.#mark("green", "✓", text, remark);
  }

  /** Something that went wrong on purpose. */
  trouble(text: string, remark = ""): void {
    this.#mark("yellow", "✗", text, remark);
  }

  failed(text: string, remark = ""): void {
    this.#mark("red", "✗", text, remark);
  }

  /** Paragraphs, one a line. */
  note(text: string): void {
    for (const paragraph of text.split("\n")) {
      wrap(paragraph, 88).forEach((line, index) =>
        this.#print(`       ${this.#paint("dim", `${index === 0 ? "·" : " "} ${line}`)}`),
      );
    }
  }

  table(rows: readonly (readonly string[])[]): void {
    const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
    rows.forEach((row, index) => {
      const line = row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd();
      this.#print(`     ${index === 0 ? this.#paint("dim", line) : line}`);
    });
  }

  close(text: string, good: boolean): void {
    this.#print(`\n  ${this.#paint(good ? "green" : "red", text)}\n`);
  }

  #mark(style: Style, mark: string, text: string, remark: string): void {
    this.#print(
      `     ${this.#paint(style, mark)} ${remark ? `${text.padEnd(52)} ${this.#paint("dim", remark)}` : text}`,
    );
  }

  #paint(style: Style, text: string): string {
    return this.#coloured ? styleText(style, text) : text;
  }

  #print(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}

export const bytes = (count: number): string => `${count.toLocaleString("en-US")} bytes`;
export const milliseconds = (duration: number): string =>
  `${duration < 10 ? duration.toFixed(1) : duration.toFixed(0)} ms`;
export const short = (digest: string): string => `${digest.slice(0, 12)}…${digest.slice(-8)}`;

/** Duration and shape of a PCM WAV file, from its first bytes; `undefined` for anything else. */
export function describeWav(head: Buffer, size: number): string | undefined {
  if (head.length < 44 || head.toString("latin1", 0, 4) !== "RIFF" || head.toString("latin1", 8, 16) !== "WAVEfmt ")
    return undefined;
  const channels = head.readUInt16LE(22);
  const seconds = (size - 44) / head.readUInt32LE(28);
  return `${seconds.toFixed(1)} s, ${channels === 2 ? "two channels" : `${channels} channel(s)`}, ${head.readUInt32LE(24) / 1000} kHz`;
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1) ?? "";
    if (line && line.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines;
}
