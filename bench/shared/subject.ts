/** One line of a subject's table. */
export interface Row {
  /** What was measured, with its size. */
  readonly what: string;
  /** Median and range, with the unit. */
  readonly figure: string;
  /** What it is held against, measured in the same run. */
  readonly against?: string;
  readonly promise?: Promised;
}

export interface Promised {
  /** As the table shows it: `≥ 0.85`. */
  readonly rule: string;
  readonly met: boolean;
  /** A count, which neither a busy machine nor a short run excuses. */
  readonly exact: boolean;
}

/** How much is measured: `quick` shows that everything runs, and is too little to judge by. */
export type Scale = "quick" | "default" | "full";

export interface Subject {
  readonly title: string;
  /** What the table shows and how it was measured, in a sentence or two. */
  readonly about: string;
  run(scale: Scale): Promise<Row[]>;
}

export function atLeast(value: number, limit: number, shown = limit.toLocaleString("en-US")): Promised {
  return { rule: `≥ ${shown}`, met: value >= limit, exact: false };
}

export function below(value: number, limit: number, unit = ""): Promised {
  return { rule: `< ${limit}${unit}`, met: value < limit, exact: false };
}

/** A promise about a count. */
export function counted(rule: string, met: boolean): Promised {
  return { rule, met, exact: true };
}
