/* What there is while the key is changed, as plain numbers: a store, what workers remember, what may disturb. */

type Call = "rotate" | "scheduled" | "configure";

/** Each leaves out one rule, so that a test sees what the rule is there for. */
export type BrokenRule =
  | "swaps whatever the revision"
  | "swaps before it puts"
  | "deletes its record after an ambiguous answer"
  | "marks after an ambiguous answer"
  | "marks without a look at the chain"
  | "takes the winner under another KMS key"
  | "takes the winner instead of its own settings"
  | "removes what nobody has marked"
  | "marks what another has taken up";

export interface Setup {
  /** What each worker is asked for; all hold the first pair if there is one. */
  readonly calls: readonly Call[];
  /** Whether there is a first pair. */
  readonly configured: boolean;
  readonly janitor?: boolean;
  /** How many answers get lost, workers die, and how often the alias moves. */
  readonly lost?: number;
  readonly crashes?: number;
  readonly aliasMoves?: number;
  /** How many callers leave in the middle of their call. */
  readonly aborts?: number;
  /** How often somebody who can write to the store points the head at whatever it has. */
  readonly forgeries?: number;
  readonly broken?: BrokenRule;
}

/** What stands beside a pair for good: a worker has taken it up, or its maker knows that it never was active. */
export type Fate = "open" | "taken up" | "marked";

export interface Pair {
  readonly id: number;
  readonly sequence: number;
  readonly previous: number;
  readonly settings: number;
  readonly kmsKey: number;
  readonly stored: boolean;
  readonly fate: Fate;
}

const workerPlaces = [
  "head",
  "vouch",
  "take-up",
  "make",
  "unwrap",
  "put",
  "swap",
  "settle",
  "reread",
  "winner",
  "vouch-winner",
  "take-up-winner",
  "chain",
  "mark",
  "done",
  "dead",
] as const;
const janitorPlaces = ["head", "vouch", "take-up", "list", "check", "remove", "done"] as const;
const places: readonly string[] = [...workerPlaces, ...janitorPlaces];
const fates: readonly Fate[] = ["open", "taken up", "marked"];

export interface Worker {
  readonly call: Call;
  /** Those that its configure() asks for. */
  readonly settings: number;
  /** Its next step. */
  readonly at: (typeof workerPlaces)[number];
  /** The vouched pair that it holds. */
  readonly held: number;
  /** Of the head that it builds upon: 0 is none. */
  readonly revision: number;
  readonly attempt: number;
  /** What it has made in this attempt. */
  readonly pair: number;
  readonly winner: number;
  /** To which KMS key the alias resolved when the call began. */
  readonly began: number;
  /** The pair that its call returned, or one of the two words below. */
  readonly result: number;
}

export const nothing = 0;
export const failed = -1;
const first = 1;

export interface Janitor {
  readonly at: (typeof janitorPlaces)[number];
  readonly head: number;
  /** What the history does not name, still to be looked at. */
  readonly left: readonly number[];
}

export interface State {
  /** All that the head has ever named, in order; the store knows the last one only, and their number as revision. */
  readonly heads: readonly number[];
  /** Every pair that a worker has ever held as the active one, by id. */
  readonly used: readonly number[];
  readonly pairs: readonly Pair[];
  readonly workers: readonly Worker[];
  readonly janitor: Janitor;
  /** A swap whose caller has given up and that may still arrive. */
  readonly late?: { readonly pair: number; readonly revision: number };
  readonly alias: number;
  readonly lost: number;
  readonly crashes: number;
  readonly aliasMoves: number;
  readonly aborts: number;
  readonly forgeries: number;
}

/** What a step uses up of what may disturb. */
export interface Cost {
  readonly lost?: number;
  readonly crashes?: number;
  readonly aborts?: number;
}

/** More than any call here makes, so that every pair has an id of its own. */
const attempts = 8;

export const idOf = (worker: number, attempt: number) => first + worker * attempts + attempt;
/** `0.1`: the first pair that worker 0 has made. */
export const nameOf = (id: number) => {
  return id <= first
    ? id === first
      ? "1"
      : "-"
    : `${Math.floor((id - first - 1) / attempts)}.${((id - first - 1) % attempts) + 1}`;
};

export const headOf = ({ heads }: State) => heads.at(-1) ?? nothing;
export const pairOf = ({ pairs }: State, id: number) => pairs.find((pair) => pair.id === id);
export const hasEnded = ({ at }: { readonly at: string }) => at === "done" || at === "dead";

/** The pairs that a pair leads to, newest first, for as long as the store has them. */
export function chainOf(state: State, id: number): Pair[] {
  const chain: Pair[] = [];
  for (let pair = pairOf(state, id); pair?.stored; pair = pairOf(state, pair.previous)) chain.push(pair);
  return chain;
}

/** What a worker has in its memory before its call, and no more once that has ended. */
export const forgotten = { held: nothing, revision: 0, attempt: 0, pair: nothing, winner: nothing };

export function startOf(setup: Setup): State {
  const {
    calls,
    configured,
    janitor = false,
    lost = 0,
    crashes = 0,
    aliasMoves = 0,
    aborts = 0,
    forgeries = 0,
  } = setup;
  const pair: Pair = { id: first, sequence: 1, previous: nothing, settings: 0, kmsKey: 0, stored: true, fate: "open" };
  const worker = { ...forgotten, at: "head", held: configured ? first : nothing, began: 0, result: nothing } as const;
  return {
    heads: configured ? [first] : [],
    used: configured ? [first] : [],
    pairs: configured ? [pair] : [],
    workers: calls.map((call, index) => ({ ...worker, call, settings: index + 1 })),
    janitor: { at: janitor ? "head" : "done", head: nothing, left: [] },
    alias: 0,
    lost,
    crashes,
    aliasMoves,
    aborts,
    forgeries,
  };
}

/** A state of the store as a fresh worker finds it that is asked to change the key, and nothing disturbs. */
export function afterwards({ heads, used, pairs, alias }: State): State {
  const start = startOf({ calls: [heads.length === 0 ? "configure" : "rotate"], configured: false });
  const [worker] = start.workers as [Worker];
  return { ...start, heads, used, pairs, alias, workers: [{ ...worker, settings: 9, attempt: attempts / 2 }] };
}

/** A stored pair in one line: what it is called, built upon, under which KMS key, with whose settings, and its fate. */
export interface SeenPair {
  readonly name: string;
  readonly previous: string;
  readonly kmsKey: number;
  readonly settings: number;
  readonly fate: Fate;
}

/** What can be seen from without: heads, records, what became of each call. Model and code are compared by it. */
export function seenAs(heads: readonly string[], pairs: readonly SeenPair[], results: readonly string[]): string {
  const shown = pairs.map(
    ({ name, previous, kmsKey, settings, fate }) => `${name} on ${previous} key ${kmsKey} of ${settings} ${fate}`,
  );
  return [heads.join(), shown.sort().join(), results.join()].join(" | ");
}

export function seenOf({ heads, pairs, workers }: State): string {
  const stored = pairs.filter((pair) => pair.stored);
  const seen = stored.map((pair) => ({ ...pair, name: nameOf(pair.id), previous: nameOf(pair.previous) }));
  const results = workers.map(({ at, result }) => (at === "dead" ? at : result === failed ? "failed" : nameOf(result)));
  return seenAs(heads.map(nameOf), seen, results);
}

/** Small numbers as one character each: there are some hundred thousand states. */
export function keyOf(state: State): string {
  const { heads, used, pairs, workers, janitor, late, alias, lost, crashes, aliasMoves, aborts, forgeries } = state;
  const end = 99;
  const codes = [...heads, end, ...used, end, alias, lost, crashes, aliasMoves, aborts, forgeries];
  codes.push(late?.pair ?? 0, late?.revision ?? 0);
  codes.push(places.indexOf(janitor.at), janitor.head, ...janitor.left, end);
  for (const { at, held, revision, attempt, pair, winner, began, result } of workers) {
    codes.push(places.indexOf(at), held, revision, attempt, pair, winner, began, result + 1);
  }
  for (const { id, previous, settings, kmsKey, stored, fate } of pairs) {
    codes.push(id, previous, settings, kmsKey, stored ? 1 : 0, fates.indexOf(fate));
  }
  return String.fromCharCode(...codes);
}

/** Pairs that no store has and nobody can put any more are as if they had never been made. */
export function withoutUnseen(state: State): State {
  const { pairs, workers, heads, used, late } = state;
  const isSeen = ({ id, stored }: Pair) => {
    return (
      stored || heads.includes(id) || used.includes(id) || late?.pair === id || workers.some(({ pair }) => pair === id)
    );
  };
  return pairs.every(isSeen) ? state : { ...state, pairs: pairs.filter(isSeen) };
}

/** The promises of DESIGN.md sections 5, 7 and 10 about one state. */
export function harmIn(state: State): string | undefined {
  const { pairs } = state;
  const usedOf = (id: number) => state.used.includes(id) || state.heads.includes(id);
  const marked = pairs.find((pair) => pair.fate === "marked" && usedOf(pair.id));
  if (marked) return `pair ${nameOf(marked.id)} was active, and is marked as never active`;
  const gone = pairs.find((pair) => !pair.stored && usedOf(pair.id));
  if (gone) return `pair ${nameOf(gone.id)} was active, and is not in the store`;
  return harmInHistory(state) ?? harmInResults(state);
}

/** Under forgeries in which heads were pointed at what had not become active, what a worker has used counts. */
export function harmDespiteForgeries(state: State): string | undefined {
  const harmed = state.pairs.find(({ id, fate, stored }) => state.used.includes(id) && (fate === "marked" || !stored));
  return (
    harmed &&
    `pair ${nameOf(harmed.id)} was used, and is ${harmed.stored ? "marked as never active" : "not in the store"}`
  );
}

function harmInHistory(state: State): string | undefined {
  const { heads } = state;
  if (new Set(heads).size < heads.length) return "a pair has become active twice";
  const chain = chainOf(state, headOf(state));
  const lost = heads.find((id) => !chain.some((pair) => pair.id === id));
  if (lost !== undefined) return `pair ${nameOf(lost)} was active, and no chain from the head leads to it in the store`;
  const descends = chain.every((pair, index) => pair.sequence === chain.length - index);
  return descends ? undefined : "sequences along the chain do not descend by one";
}

function harmInResults(state: State): string | undefined {
  for (const [index, { call, settings, result, began }] of state.workers.entries()) {
    if (result <= nothing) continue;
    const pair = pairOf(state, result);
    if (!pair || !state.heads.includes(result)) return `worker ${index} returned a pair that never was active`;
    if (call === "configure" && pair.settings !== settings)
      return `worker ${index} returned a pair with other settings than its own`;
    if (call === "rotate" && pair.kmsKey < began)
      return `worker ${index} returned a pair under a KMS key that the alias had left`;
  }
  return undefined;
}
