import type { Step } from "./explore.js";
import {
  chainOf,
  headOf,
  nothing,
  pairOf,
  withoutUnseen,
  type BrokenRule,
  type Cost,
  type Janitor,
  type Pair,
  type State,
} from "./rotation-state.js";

const ended: Janitor = { at: "done", left: [], head: nothing };
const oneLost = { lost: 1 };
const oneCrash = { crashes: 1 };

/** What removeOrphanedKeyPairs() of a worker that holds nothing yet can do next. */
export class JanitorSteps {
  readonly #state: State;
  readonly #janitor: Janitor;
  readonly #takesAll: boolean;
  readonly #steps: Step<State>[] = [];

  constructor(state: State, broken: BrokenRule | undefined) {
    this.#state = state;
    this.#janitor = state.janitor;
    this.#takesAll = broken === "removes what nobody has marked";
  }

  all(): Step<State>[] {
    const { at } = this.#janitor;
    if (at === "done") return [];
    this.#can("fails", ended, oneLost);
    this.#can("dies", ended, oneCrash);
    this[at]();
    return this.#steps;
  }

  head(): void {
    const head = headOf(this.#state);
    if (head === nothing) this.#can("finds nothing", ended);
    else this.#can("reads the head", { at: "vouch", head });
  }

  vouch(): void {
    const fate = pairOf(this.#state, this.#janitor.head)?.fate;
    if (fate === "marked") this.#can("finds the head's pair marked", ended);
    else this.#can("has the head's pair vouched for", { at: fate === "open" ? "take-up" : "list" });
  }

  "take-up"(): void {
    const { head } = this.#janitor;
    const isFirst = pairOf(this.#state, head)?.fate === "open";
    const taken = isFirst ? this.#change(head, { fate: "taken up" }) : {};
    if (isFirst) this.#can("takes up the head's pair", { at: "list" }, {}, taken);
    else this.#can("is not the first to say something of the head's pair", { at: "vouch" });
    this.#can("can't say that it takes up the head's pair", { at: "list" }, oneLost);
    this.#can("hears nothing of having taken up the head's pair", { at: "list" }, oneLost, taken);
    this.#can("dies having taken up the head's pair", ended, oneCrash, taken);
  }

  list(): void {
    const { head } = this.#janitor;
    const history = new Set(chainOf(this.#state, head).map(({ id }) => id));
    const highest = this.#takesAll ? Infinity : (pairOf(this.#state, head)?.sequence ?? 0);
    const isOrphan = ({ id, stored, sequence }: Pair) => stored && sequence <= highest && !history.has(id);
    const left = this.#state.pairs.filter(isOrphan).map(({ id }) => id);
    this.#can("lists what the history does not name", left.length > 0 ? { at: "check", left } : ended);
  }

  check(): void {
    const isMarked = pairOf(this.#state, this.#first)?.fate === "marked";
    if (isMarked || this.#takesAll) this.#can("finds a mark", { at: "remove" });
    else this.#can("keeps what nobody has marked", this.#next);
  }

  remove(): void {
    const removed = this.#change(this.#first, { stored: false });
    this.#can("removes a pair", this.#next, {}, removed);
    this.#can("hears nothing of a pair that it removed", ended, oneLost, removed);
    this.#can("dies having removed a pair", ended, oneCrash, removed);
  }

  get #first(): number {
    return this.#janitor.left[0] ?? nothing;
  }

  get #next(): Partial<Janitor> {
    const [, ...left] = this.#janitor.left;
    return left.length > 0 ? { at: "check", left } : ended;
  }

  #change(id: number, change: Partial<Pair>): Partial<State> {
    return { pairs: this.#state.pairs.map((pair) => (pair.id === id ? { ...pair, ...change } : pair)) };
  }

  #can(
    does: string,
    memory: Partial<Janitor>,
    { lost = 0, crashes = 0 }: Cost = {},
    change: Partial<State> = {},
  ): void {
    const state = this.#state;
    if (state.lost < lost || state.crashes < crashes) return;
    const left = { lost: state.lost - lost, crashes: state.crashes - crashes };
    const to = { ...state, ...change, ...left, janitor: { ...this.#janitor, ...memory } };
    this.#steps.push({ by: "the janitor", does, to: withoutUnseen(to) });
  }
}
