/*
 * The real KeyRotation and ActiveKeyPairs in every interleaving of their store calls: each run replays choices that
 * another has left, and goes on from there until it comes to a state in which one has been before.
 */
import { createHash } from "node:crypto";
import { removeOrphans } from "../../src/key-pairs/operations/orphans.js";
import type { VouchedKeyPair } from "../../src/key-pairs/trust.js";
import { MemoryKeyPairStore } from "../../src/testing/index.js";
import { happenings, type Happening } from "./happenings.js";
import { configurationOf, organizationId, settingsOf, type RotationParts } from "./rotation-parts.js";
import { seenAs, type Setup } from "./rotation-state.js";
import { away, ScheduledStore, type StoreMethod, type WaitingCall } from "./scheduled-store.js";
import { viewOf, type StoreView, type ViewedPair } from "./store-view.js";

export interface Choice {
  /** A worker; or what is nobody's: a late swap that is done, the alias that moves. */
  readonly by: number | "network" | "alias";
  readonly happening?: Happening;
}

interface Budget {
  lost: number;
  crashes: number;
  aborts: number;
  aliasMoves: number;
}

/** One worker and how far it is. */
class RunningWorker {
  readonly scheduled: ScheduledStore;
  readonly controller = new AbortController();
  readonly ended: Promise<void>;
  /** All that it has been told, under one hash: what it does next depends on nothing else. */
  told = "";
  result: VouchedKeyPair | "failed" | "dead" | "done" | undefined;

  constructor(store: MemoryKeyPairStore, start: (worker: RunningWorker) => Promise<VouchedKeyPair | "done">) {
    this.scheduled = new ScheduledStore(store);
    this.ended = start(this).then(
      (result) => this.#end(result),
      () => this.#end("failed"),
    );
  }

  /** Resolves when it waits for its next store call, or has ended. */
  async quiet(): Promise<void> {
    if (this.result === undefined) await Promise.race([this.scheduled.arrival(), this.ended]);
  }

  #end(result: VouchedKeyPair | "failed" | "done"): void {
    this.result ??= result;
  }
}

export class Run {
  readonly store = new MemoryKeyPairStore();
  /** Ids of all pairs that the head has ever named, in order. */
  readonly heads: string[] = [];
  /** As they were when they were removed. */
  readonly removed: ViewedPair[] = [];
  readonly #names = new Map<string, string>();
  readonly #setup: Setup;
  readonly #parts: RotationParts;
  readonly #budget: Budget;
  readonly #workers: RunningWorker[] = [];
  readonly #made: number[] = [];
  #late: (() => Promise<unknown>) | undefined;
  #aliasMoves = 0;

  constructor(parts: RotationParts, setup: Setup) {
    const { lost = 0, crashes = 0, aborts = 0, aliasMoves = 0 } = setup;
    this.#parts = parts;
    this.#setup = setup;
    this.#budget = { lost, crashes, aborts, aliasMoves };
  }

  /** @param from - a store with the first pair, and the pair; absent where nothing is configured */
  async begin(from: { store: MemoryKeyPairStore; first: VouchedKeyPair } | undefined): Promise<void> {
    if (from) {
      const [pair] = await from.store.listKeyPairs(organizationId, { limit: 1 });
      const head = await from.store.readHead(organizationId);
      await this.store.createKeyPair(pair!);
      await this.store.swapHead(organizationId, undefined, head!.document);
      this.#names.set(pair!.keyPairId, "1");
      await this.#noteHead();
    }
    for (const [index, call] of this.#setup.calls.entries()) {
      this.#start(index, async ({ controller: { signal } }, { active, rotation }) => {
        if (from) await active.adopt({ pair: from.first, vouchedBy: "kms", confirmedAt: this.#parts.clock.now() });
        if (call === "configure") return rotation.rotate({ configuration: configurationOf(index), signal });
        return rotation.rotate({ scheduled: call === "scheduled", signal });
      });
    }
    if (this.#setup.janitor) {
      this.#start(this.#workers.length, async ({ controller: { signal } }, { active, context }) => {
        const { pair } = await active.rotationBase(signal);
        if (pair) await removeOrphans(context, pair, { dryRun: false }, signal);
        return "done";
      });
    }
    for (const worker of this.#workers) await worker.quiet();
  }

  /** Everything that can happen next. */
  choices(): Choice[] {
    const choices: Choice[] = [];
    for (const [by, { result, scheduled }] of this.#workers.entries()) {
      if (result !== undefined) continue;
      const { method } = scheduled.waiting!;
      const can = ({ costs, calls, done }: Happening) => {
        return (
          (!costs || this.#budget[costs] > 0) && (!calls || calls.includes(method)) && !(done === "later" && this.#late)
        );
      };
      choices.push(...happenings.filter(can).map((happening) => ({ by, happening })));
    }
    if (this.#late) choices.push({ by: "network" });
    if (this.#budget.aliasMoves > 0) choices.push({ by: "alias" });
    return choices;
  }

  async take({ by, happening }: Choice): Promise<void> {
    if (by === "network") {
      const late = this.#late;
      this.#late = undefined;
      await late?.();
      await this.#noteHead();
    } else if (by === "alias") {
      this.#budget.aliasMoves -= 1;
      this.#aliasMoves += 1;
    } else {
      await this.#happen(this.#workers[by]!, happening!, by);
    }
  }

  /** Two runs of one name go on alike. */
  async name(): Promise<string> {
    const view = await viewOf(this.store);
    const workers = this.#workers.map(({ told, result }) => [
      told,
      typeof result === "object" ? result.birth.keyPairId : result,
    ]);
    return JSON.stringify([view, workers, this.heads, this.#budget, this.#late !== undefined, this.#aliasMoves]);
  }

  view(): Promise<StoreView> {
    return viewOf(this.store);
  }

  /** What can be seen of it from without, as the model says it. */
  async seen(): Promise<string> {
    const { pairs } = await this.view();
    const seen = pairs.map(({ id, previous, kmsKeyArn, period, fate }) => {
      const before = pairs.find(({ digest }) => digest === previous)?.id;
      const of = { kmsKey: this.#parts.keyArns.indexOf(kmsKeyArn), settings: settingsOf(period) };
      return { name: this.nameOf(id), previous: before === undefined ? "-" : this.nameOf(before), ...of, fate };
    });
    return seenAs(
      this.heads.map((id) => this.nameOf(id)),
      seen,
      this.results(),
    );
  }

  nameOf(id: string): string {
    return this.#names.get(id) ?? "never stored";
  }

  /** What each worker's call has come to: the name of a pair, or how it ended. */
  results(): string[] {
    return this.returned().map((result) =>
      typeof result === "object" ? this.nameOf(result.birth.keyPairId) : (result ?? "-"),
    );
  }

  returned(): RunningWorker["result"][] {
    return this.#workers.slice(0, this.#setup.calls.length).map(({ result }) => result);
  }

  /** Has something come to pass with the store call with which a worker waits. */
  async let(by: number, does: string): Promise<void> {
    await this.take({ by, happening: happenings.find((happening) => happening.does === does)! });
  }

  /** Lets one worker go on alone: to its end, or until it waits with the last of some calls. */
  async alone(by: number, until: readonly StoreMethod[] = []): Promise<void> {
    const worker = this.#workers[by]!;
    const left = [...until];
    while (worker.result === undefined) {
      if (worker.scheduled.waiting!.method === left[0] && left.shift() && left.length === 0) return;
      await this.let(by, "is answered");
    }
  }

  /** Lets nobody do anything more. */
  async end(): Promise<void> {
    for (const { scheduled } of this.#workers) scheduled.close();
    await Promise.all(this.#workers.map(({ ended }) => ended));
  }

  #start(
    index: number,
    call: (worker: RunningWorker, made: ReturnType<RotationParts["worker"]>) => Promise<VouchedKeyPair | "done">,
  ): void {
    const maker = { name: String(index), aliasMoves: () => this.#aliasMoves };
    this.#made[index] = 0;
    this.#workers.push(
      new RunningWorker(this.store, (worker) => call(worker, this.#parts.worker(worker.scheduled.store, maker))),
    );
  }

  async #happen(worker: RunningWorker, { does, costs, done, told }: Happening, index: number): Promise<void> {
    const call = worker.scheduled.waiting!;
    if (costs) this.#budget[costs] -= 1;
    if (done === "later") this.#late = call.perform;
    const result = done === "now" ? await this.#perform(call, index) : undefined;
    if (costs === "aborts" && ((await this.#aborts(worker, call)) || done === "never")) return;
    if (costs === "crashes") {
      worker.result = "dead";
      return;
    }
    worker.scheduled.waiting = undefined;
    this.#tell(worker, `${call.method} ${does} ${told === "result" ? shown(result) : ""}`);
    if (told === "away") call.refuse(away());
    else call.answer(told === "result" ? result : undefined);
    await worker.quiet();
  }

  /** A caller leaves. Some calls go on all the same: whether this one does not. */
  async #aborts(worker: RunningWorker, { signal }: WaitingCall): Promise<boolean> {
    worker.controller.abort(new Error("the caller has left"));
    this.#tell(worker, "abort");
    if (!signal?.aborted) return false;
    worker.scheduled.waiting = undefined;
    await worker.quiet();
    return true;
  }

  async #perform(call: WaitingCall, index: number): Promise<unknown> {
    const before = await this.view();
    const result = await call.perform();
    if (call.method === "removeKeyPair") {
      const { pairs } = await this.view();
      this.removed.push(...before.pairs.filter(({ id }) => !pairs.some((pair) => pair.id === id)));
    }
    if (call.method === "createKeyPair") {
      this.#made[index]! += 1;
      for (const { id } of (await this.view()).pairs)
        if (!this.#names.has(id)) this.#names.set(id, `${index}.${this.#made[index]}`);
    }
    if (call.method === "swapHead") await this.#noteHead();
    return result;
  }

  async #noteHead(): Promise<void> {
    const { head } = await this.view();
    if (head && head.id !== this.heads.at(-1)) this.heads.push(head.id);
  }

  /** Where the alias points is told too: a pair that is made now is made under that KMS key. */
  #tell(worker: RunningWorker, what: string): void {
    worker.told = createHash("sha256").update(`${worker.told} ${this.#aliasMoves} ${what}`).digest("base64url");
  }
}

function shown(result: unknown): string {
  return JSON.stringify(result, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value,
  );
}

/** Every state that runs can come to, each once, in the order in which it was first met. */
export async function exploreRuns(
  begin: () => Promise<Run>,
  visit: (run: Run, way: readonly Choice[]) => Promise<void>,
): Promise<void> {
  const seen = new Set<string>();
  const waysToTry: Choice[][] = [[]];
  for (let way = waysToTry.pop(); way; way = waysToTry.pop()) {
    const run = await begin();
    for (const choice of way) await run.take(choice);
    for (;;) {
      const name = await run.name();
      if (seen.has(name)) break;
      seen.add(name);
      await visit(run, way);
      const [next, ...others] = run.choices();
      if (!next) break;
      for (const other of others) waysToTry.push([...way, other]);
      way = [...way, next];
      await run.take(next);
    }
    await run.end();
  }
}
