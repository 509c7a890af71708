import { Option } from "commander";
import { UsageError } from "./io.js";

const dayInMs = 86_400_000;

interface Bounds {
  readonly from: number;
  /** Missing where any safe integer will do. */
  readonly to?: number;
}

/** An option whose value is a whole number. */
export function numberOption(flags: string, about: string, bounds: Bounds): Option {
  return new Option(flags, about).argParser((text) => readNumber(text, flags, "a whole number", bounds));
}

/** An option given in days, which becomes milliseconds. */
export function daysOption(flags: string, about: string, bounds: Bounds): Option {
  return new Option(flags, about).argParser(
    (text) => readNumber(text, flags, "a whole number of days", bounds) * dayInMs,
  );
}

/** @throws UsageError in the unit of the command line, which the key store does not know */
function readNumber(text: string, flags: string, what: string, { from, to }: Bounds): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < from || value > (to ?? value))
    throw new UsageError(`${flags}: must be ${what} from ${from}${to === undefined ? "" : ` to ${to}`}`);
  return value;
}

/** The values of a list on the command line. */
export const listOf = (text: string): string[] => text.split(",").map((item) => item.trim());

/** An option with several values, separated by commas. */
export function listOption(flags: string, about: string): Option {
  return new Option(flags, `${about}, separated by commas`).argParser(listOf);
}
