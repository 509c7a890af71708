/*
 * Changing the key as DESIGN.md sections 5 and 7 have it, as steps between states, without any code of src: records are
 * put, the head is swung by compare-and-swap, losers mark their pair, and the janitor removes what is marked.
 */
import type { Model, Step } from "./explore.js";
import { JanitorSteps } from "./rotation-janitor.js";
import * as rotation from "./rotation-state.js";
import {
  chainOf,
  failed,
  forgotten,
  hasEnded,
  headOf,
  idOf,
  nothing,
  pairOf,
  withoutUnseen,
  type BrokenRule,
  type Cost,
  type Pair,
  type Setup,
  type State,
  type Worker,
} from "./rotation-state.js";

export function rotationModel(setup: Setup, start = rotation.startOf(setup)): Model<State> {
  return {
    start,
    keyOf: rotation.keyOf,
    stepsFrom: (state) => stepsFrom(state, setup.broken),
    harmIn: setup.forgeries ? rotation.harmDespiteForgeries : rotation.harmIn,
    isEnd: ({ workers, janitor, late }) => !late && hasEnded(janitor) && workers.every(hasEnded),
  };
}

/** Every step that anybody can take: workers, janitor, network, whoever moves the alias or writes to the store. */
function stepsFrom(state: State, broken: BrokenRule | undefined): Step<State>[] {
  // What KMS says of a pair that nobody else has seen comes out the same before or after any other's step.
  const unseen = state.workers.findIndex(({ at }) => at === "unwrap");
  if (unseen >= 0) return new WorkerSteps(state, unseen, broken).all();
  const steps: Step<State>[] = [];
  for (const index of state.workers.keys()) steps.push(...new WorkerSteps(state, index, broken).all());
  steps.push(...new JanitorSteps(state, broken).all());
  if (state.late) {
    const { late, ...rest } = state;
    const arrived = late.revision === state.heads.length ? { ...rest, heads: [...state.heads, late.pair] } : rest;
    steps.push({ by: "a swap that was given up", does: "arrives", to: withoutUnseen(arrived) });
  }
  if (state.aliasMoves > 0) {
    const to = { ...state, alias: state.alias + 1, aliasMoves: state.aliasMoves - 1 };
    steps.push({ by: "the alias", does: "moves", to });
  }
  if (state.forgeries > 0) {
    for (const { id, stored } of state.pairs) {
      if (!stored || id === headOf(state)) continue;
      const to = { ...state, heads: [...state.heads, id], forgeries: state.forgeries - 1 };
      steps.push({ by: "a writer", does: `points the head at ${rotation.nameOf(id)}`, to });
    }
  }
  return steps;
}

const oneLost = { lost: 1 };
const oneCrash = { crashes: 1 };
const oneAbort = { aborts: 1 };

/** What one worker can do next. */
class WorkerSteps {
  readonly #state: State;
  readonly #index: number;
  readonly #worker: Worker;
  readonly #broken: BrokenRule | undefined;
  readonly #steps: Step<State>[] = [];

  constructor(state: State, index: number, broken: BrokenRule | undefined) {
    this.#state = state;
    this.#index = index;
    this.#worker = state.workers[index] as Worker;
    this.#broken = broken;
  }

  all(): Step<State>[] {
    const { at } = this.#worker;
    if (at === "done" || at === "dead") return [];
    this.#can("dies", { at: "dead" }, oneCrash);
    this[at]();
    return this.#steps;
  }

  head(): void {
    const { heads, alias } = this.#state;
    const { attempt, held } = this.#worker;
    const head = headOf(this.#state);
    const base = { revision: heads.length, began: attempt === 0 ? alias : this.#worker.began };
    if (head === held) this.#built("reads the head", base);
    else if (!this.#isAhead(head)) this.#ends("reads a head that went backwards", failed);
    else this.#can("reads a head that it does not hold", { ...base, at: "vouch" });
    this.#fails("reads no head");
  }

  vouch(): void {
    const head = this.#base();
    const fate = pairOf(this.#state, head)?.fate;
    if (fate === "marked") this.#ends("finds the head's pair marked", failed);
    else if (fate === "open") this.#can("has the head's pair vouched for", { at: "take-up" });
    else this.#built("has the head's pair vouched for", { held: head });
    this.#fails("has nobody to vouch for the head's pair");
  }

  "take-up"(): void {
    const head = this.#base();
    const taken = this.#takenUp(head);
    if (taken) this.#built("takes up the head's pair", { held: head }, {}, taken);
    else this.#can("is not the first to say something of the head's pair", { at: "vouch" });
    // A store that takes no writes is no reason not to record.
    this.#built("can't say that it takes up the head's pair", { held: head }, oneLost);
    this.#built("hears nothing of having taken up the head's pair", { held: head }, oneLost, taken);
    this.#ends("leaves before it takes up the head's pair", failed, {}, {}, oneAbort);
    this.#ends("leaves having taken up the head's pair", failed, {}, taken, oneAbort);
    this.#can("dies having taken up the head's pair", { at: "dead" }, oneCrash, taken);
  }

  make(): void {
    const { call, settings, revision } = this.#worker;
    const base = pairOf(this.#state, this.#base());
    const attempt = this.#worker.attempt + 1;
    const pair: Pair = {
      id: idOf(this.#index, attempt),
      sequence: (base?.sequence ?? 0) + 1,
      previous: base?.id ?? nothing,
      settings: call === "configure" ? settings : (base?.settings ?? 0),
      kmsKey: this.#state.alias,
      stored: false,
      fate: "open",
    };
    const pairs = [...this.#state.pairs, pair].sort((one, other) => one.id - other.id);
    if (call !== "configure" && revision === 0) this.#ends("is not configured", failed);
    else this.#can("makes a pair", { at: "unwrap", attempt, pair: pair.id }, {}, { pairs });
    this.#fails("has KMS refuse a new pair");
  }

  unwrap(): void {
    this.#can("has KMS open its pair", { at: this.#broken === "swaps before it puts" ? "swap" : "put" });
    this.#fails("has KMS refuse to open its pair");
  }

  put(): void {
    const stored = this.#change(this.#worker.pair, { stored: true });
    if (this.#broken === "swaps before it puts") this.#ends("puts its pair", this.#worker.pair, {}, stored);
    else this.#can("puts its pair", { at: "swap" }, {}, stored);
    this.#fails("hears nothing of its pair, which was put", stored);
    this.#fails("hears nothing of its pair, which was not put");
    this.#can("dies having put its pair", { at: "dead" }, oneCrash, stored);
  }

  swap(): void {
    const { pair, revision } = this.#worker;
    const { heads, late } = this.#state;
    const fits = revision === heads.length || this.#broken === "swaps whatever the revision";
    const swung = fits ? { heads: [...heads, pair] } : {};
    const onItsWay = late ? undefined : { late: { pair, revision } };
    if (!fits) this.#can("loses the swap", { at: "reread" });
    else if (this.#broken === "swaps before it puts") this.#can("swings the head", { at: "put" }, {}, swung);
    else this.#ends("swings the head", pair, { held: pair }, swung);
    this.#can("hears nothing of its swap", { at: "settle" }, oneLost, swung);
    this.#can("hears nothing of its swap, which never arrives", { at: "settle" }, oneLost);
    if (onItsWay) this.#can("hears nothing of its swap, which is on its way", { at: "settle" }, oneLost, onItsWay);
    if (fits)
      this.#can("is told that its swap lost, by a client that has repeated it", { at: "reread" }, oneLost, swung);
    this.#can("dies having swung the head", { at: "dead" }, oneCrash, swung);
    if (onItsWay) this.#can("dies with its swap on its way", { at: "dead" }, oneCrash, onItsWay);
  }

  /** The answer got lost: reading the head again settles it, or nobody knows. */
  settle(): void {
    const { pair } = this.#worker;
    const deletes = this.#broken === "deletes its record after an ambiguous answer";
    const marks = this.#broken === "marks after an ambiguous answer";
    const change = deletes
      ? this.#change(pair, { stored: false })
      : marks
        ? this.#change(pair, { fate: "marked" })
        : {};
    if (headOf(this.#state) === pair) this.#ends("finds its pair at the head", pair, { held: pair });
    else this.#ends("does not find its pair at the head", failed, {}, change);
    this.#fails("can't settle its swap");
  }

  reread(): void {
    const { pair } = this.#worker;
    if (headOf(this.#state) === pair) this.#ends("finds its pair at the head after all", pair, { held: pair });
    else this.#can("finds another pair at the head", { at: "winner" });
    this.#fails("can't read who won");
  }

  winner(): void {
    const winner = headOf(this.#state);
    const { held } = this.#worker;
    if (winner === held) this.#triesAgain("reads the head that it had built upon: nobody has won");
    else if (!this.#isAhead(winner)) this.#ends("reads a winner that went backwards", failed);
    else this.#can("reads the winner", { winner, at: "vouch-winner" });
    this.#fails("can't read the winner");
  }

  "vouch-winner"(): void {
    const fate = pairOf(this.#state, this.#worker.winner)?.fate;
    if (fate === "marked") this.#ends("finds the winner marked", failed);
    else if (fate === "open") this.#can("has the winner vouched for", { at: "take-up-winner" });
    else this.#hasWinner("has the winner vouched for");
    this.#fails("has nobody to vouch for the winner");
  }

  "take-up-winner"(): void {
    const taken = this.#takenUp(this.#worker.winner);
    if (taken) this.#hasWinner("takes up the winner", {}, taken);
    else this.#can("is not the first to say something of the winner", { at: "vouch-winner" });
    this.#hasWinner("can't say that it takes up the winner", oneLost);
    this.#hasWinner("hears nothing of having taken up the winner", oneLost, taken);
    this.#ends("leaves before it takes up the winner", failed, {}, {}, oneAbort);
    this.#ends("leaves having taken up the winner", failed, {}, taken, oneAbort);
    this.#can("dies having taken up the winner", { at: "dead" }, oneCrash, taken);
  }

  chain(): void {
    const { pair, winner } = this.#worker;
    const wasActive = chainOf(this.#state, winner).some(({ id }) => id === pair);
    if (wasActive && this.#broken !== "marks without a look at the chain")
      this.#afterLoss("finds its pair in the history");
    else this.#can("does not find its pair in the history", { at: "mark" });
    this.#afterLoss("can't read the history", oneLost);
  }

  mark(): void {
    const { pair } = this.#worker;
    const free = pairOf(this.#state, pair)?.fate === "open" || this.#broken === "marks what another has taken up";
    const marked = free ? this.#change(pair, { fate: "marked" }) : {};
    this.#afterLoss("marks its pair", {}, marked);
    this.#afterLoss("can't mark its pair", oneLost);
    this.#can("dies having marked its pair", { at: "dead" }, oneCrash, marked);
  }

  #hasWinner(name: string, cost: Cost = {}, change: Partial<State> = {}): void {
    const { winner, pair } = this.#worker;
    if (winner === pair) this.#ends(`${name}, which is its own`, pair, { held: pair }, change, cost);
    else this.#can(name, { held: winner, at: "chain" }, cost, change);
  }

  /** A scheduled change takes any winner, one on demand one under the KMS key of now, configure() none. */
  #afterLoss(name: string, cost: Cost = {}, change: Partial<State> = {}): void {
    const { call, winner, pair } = this.#worker;
    const sameKey = pairOf(this.#state, winner)?.kmsKey === pairOf(this.#state, pair)?.kmsKey;
    const takes = {
      scheduled: true,
      rotate: sameKey || this.#broken === "takes the winner under another KMS key",
      configure: this.#broken === "takes the winner instead of its own settings",
    }[call];
    if (takes) this.#ends(`${name} and takes the winner`, winner, {}, change, cost);
    else this.#triesAgain(`${name} and tries again`, cost, change);
  }

  #triesAgain(name: string, cost: Cost = {}, change: Partial<State> = {}): void {
    this.#can(name, { at: "head", pair: nothing, winner: nothing, revision: 0 }, cost, change);
  }

  /** Has what it builds upon; a scheduled change ends here where another worker was first. */
  #built(name: string, memory: Partial<Worker>, cost: Cost = {}, change: Partial<State> = {}): void {
    const { call, held } = this.#worker;
    const base = memory.held ?? held;
    if (call === "scheduled" && base !== held && held !== nothing) {
      this.#ends(`${name}: another worker was first`, base, { ...memory }, change, cost);
    } else {
      this.#can(name, { ...memory, at: "make" }, cost, change);
    }
  }

  #base(): number {
    return this.#state.heads[this.#worker.revision - 1] ?? nothing;
  }

  /** Whether a head other than the pair that it holds has not gone backwards. */
  #isAhead(head: number): boolean {
    const sequence = (id: number) => pairOf(this.#state, id)?.sequence ?? 0;
    return sequence(head) > sequence(this.#worker.held);
  }

  /** What taking up a pair changes; `undefined` where another has said something of it before. */
  #takenUp(id: number): Partial<State> | undefined {
    return pairOf(this.#state, id)?.fate === "open" ? this.#change(id, { fate: "taken up" }) : undefined;
  }

  #change(id: number, change: Partial<Pair>): Partial<State> {
    return { pairs: this.#state.pairs.map((pair) => (pair.id === id ? { ...pair, ...change } : pair)) };
  }

  #ends(
    name: string,
    result: number,
    memory: Partial<Worker> = {},
    change: Partial<State> = {},
    cost: Cost = {},
  ): void {
    this.#can(name, { ...memory, at: "done", result }, cost, change);
  }

  #fails(name: string, change: Partial<State> = {}): void {
    this.#ends(name, failed, {}, change, oneLost);
    this.#ends(`${name}, whose caller has left`, failed, {}, change, oneAbort);
  }

  #can(
    name: string,
    memory: Partial<Worker>,
    { lost = 0, crashes = 0, aborts = 0 }: Cost = {},
    change: Partial<State> = {},
  ): void {
    const state = this.#state;
    if (state.lost < lost || state.crashes < crashes || state.aborts < aborts) return;
    const { held = nothing } = memory;
    const used =
      held === nothing || state.used.includes(held) ? state.used : [...state.used, held].sort((a, b) => a - b);
    const ended = memory.at === "dead" || memory.at === "done";
    const workers = [...state.workers];
    workers[this.#index] = { ...this.#worker, ...memory, ...(ended ? forgotten : {}) };
    const left = { lost: state.lost - lost, crashes: state.crashes - crashes, aborts: state.aborts - aborts };
    const to = { ...state, ...change, ...left, used, workers };
    this.#steps.push({ by: `worker ${this.#index}`, does: name, to: ended ? withoutUnseen(to) : to });
  }
}
