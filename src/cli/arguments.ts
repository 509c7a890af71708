import { Option } from "commander";
import { UsageError } from "./io.js";

const dayInMs = 86_400_000;

/** An option whose value is a whole number. */
export function numberOption(flags: string, about: string, { from }: { from: number }): Option {
  return new Option(flags, about).argParser((text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < from)
      throw new UsageError(`${flags}: must be a whole number from ${from}`);
    return value;
  });
}

/** An option given in days, which becomes milliseconds. */
export function daysOption(flags: string, about: string): Option {
  return new Option(flags, about).argParser((text) => {
    if (!/^\d+$/.test(text)) throw new UsageError(`${flags}: must be a whole number of days`);
    return Number(text) * dayInMs;
  });
}

/** The values of a list on the command line. */
export const listOf = (text: string): string[] => text.split(",").map((item) => item.trim());

/** An option with several values, separated by commas. */
export function listOption(flags: string, about: string): Option {
  return new Option(flags, `${about}, separated by commas`).argParser(listOf);
}
