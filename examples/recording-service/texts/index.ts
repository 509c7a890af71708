import { en } from "./en.js";
import { ja } from "./ja.js";

/** A text that is missing in a language is an error of types. */
export type Texts = typeof en;

export const languages = { en, ja } as const satisfies Record<string, Texts>;
export type Language = keyof typeof languages;

export const isLanguage = (text: string | undefined): text is Language =>
  text !== undefined && Object.hasOwn(languages, text);

/** The language of a browser's `Accept-Language`: the first one that is known, by weight. */
export function languageOf(header: string | undefined): Language {
  const wanted = (header ?? "")
    .split(",")
    .map((item) => {
      const [tag = "", ...parameters] = item.trim().split(";");
      const weight = parameters.map((parameter) => /^\s*q=([0-9.]+)\s*$/.exec(parameter)?.[1]).find(Boolean);
      return { language: tag.split("-")[0]?.toLowerCase(), weight: weight === undefined ? 1 : Number(weight) };
    })
    .sort((a, b) => b.weight - a.weight);
  return wanted.map(({ language }) => language).find(isLanguage) ?? "en";
}

/** How numbers and times are written in a language. */
export function formats(language: Language) {
  const megabytes = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  const date = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });
  return {
    size: (bytes: number) =>
      bytes < 1_000_000 ? `${megabytes.format(bytes / 1000)} kB` : `${megabytes.format(bytes / 1_000_000)} MB`,
    time: (at: Date) => date.format(at),
    milliseconds: (ms: number) => `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`,
    length: (seconds: number | undefined) => {
      if (seconds === undefined) return "–";
      const whole = Math.round(seconds);
      return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
    },
  };
}
