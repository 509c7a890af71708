import { describe, expect, it } from "vitest";
import { explore } from "./explore.js";
import { exploreRuns, Run, type Choice } from "./interleavings.js";
import { rotationModel } from "./rotation-model.js";
import { configurationOf, RotationParts } from "./rotation-parts.js";
import { seenOf, type Setup } from "./rotation-state.js";
import { viewedChain } from "./store-view.js";

/** The promises of DESIGN.md sections 5, 7 and 10, about a real store and what real workers have returned. */
async function harmIn(run: Run, setup: Setup): Promise<string | undefined> {
  const { heads } = run;
  const view = await run.view();
  const chain = viewedChain(view);
  if (new Set(heads).size < heads.length) return "a pair has become active twice";
  const lost = heads.find((id) => !chain.some((pair) => pair.id === id));
  if (lost !== undefined) return `pair ${run.nameOf(lost)} was active, and no chain from the head leads to it`;
  if (chain.some(({ sequence }, index) => sequence !== chain.length - index)) return "sequences do not descend by one";
  if (view.head && view.head.sequence !== chain[0]?.sequence)
    return "the head names another sequence than its pair has";
  const marked = view.pairs.find(({ id, fate }) => fate === "marked" && heads.includes(id));
  if (marked) return `pair ${run.nameOf(marked.id)} was active, and is marked as never active`;
  const needed = run.removed.find(({ fate }) => fate !== "marked");
  if (needed) return `pair ${run.nameOf(needed.id)} was removed, and nobody had marked it`;
  for (const [index, pair] of run.returned().entries()) {
    if (typeof pair !== "object") continue;
    if (!heads.includes(pair.birth.keyPairId)) return `worker ${index} returned a pair that never was active`;
    const { periodicKeyChange } = configurationOf(index);
    const isOwn = pair.birth.periodicKeyChange === periodicKeyChange;
    if (setup.calls[index] === "configure" && !isOwn)
      return `worker ${index} returned a pair with other settings than its own`;
  }
  return undefined;
}

/** What comes of the next change of key, by a worker that holds nothing yet. */
async function nextChange(parts: RotationParts, run: Run): Promise<string | undefined> {
  const before = viewedChain(await run.view());
  const { rotation } = parts.worker(run.store, { name: "next", aliasMoves: () => 0 });
  const pair = await rotation.rotate(before.length > 0 ? {} : { configuration: configurationOf(0) });
  const after = viewedChain(await run.view());
  const isNext = after.length === before.length + 1 && after[0]?.id === pair.birth.keyPairId;
  return isNext ? undefined : "the next change of key did not become active upon the one before";
}

function wayOf(choices: readonly Choice[]): string[] {
  return choices.map(({ by, happening }) =>
    happening ? `the call of worker ${by} ${happening.does}` : `the ${by} moves on`,
  );
}

/** Everything that can be seen of the real workers in all their interleavings, each with a way to it. */
async function seenOfRuns(
  setup: Setup,
  prepare: (run: Run) => Promise<void> = async () => undefined,
): Promise<Set<string>> {
  const parts = new RotationParts();
  const from = setup.configured ? await parts.configured() : undefined;
  const begin = async () => {
    const run = new Run(parts, setup);
    await run.begin(from);
    await prepare(run);
    return run;
  };
  const seen = new Set<string>();
  const stores = new Set<string>();
  await exploreRuns(begin, async (run, way) => {
    const now = await run.seen();
    if (seen.has(now)) return;
    seen.add(now);
    expect({ harm: await harmIn(run, setup), way: wayOf(way) }).toEqual({ harm: undefined, way: wayOf(way) });
    if (run.choices().length > 0) return;
    const store = JSON.stringify(await run.view());
    if (stores.has(store)) return;
    stores.add(store);
    expect({ next: await nextChange(parts, run), way: wayOf(way) }).toEqual({ next: undefined, way: wayOf(way) });
  });
  return seen;
}

const seenOfModel = (setup: Setup) => new Set(explore(rotationModel(setup)).states.map(seenOf));

describe("the code of rotation, in every interleaving of store calls of", () => {
  it.each<[string, Setup]>([
    ["two rotate()", { calls: ["rotate", "rotate"], configured: true }],
    ["configure() and rotate()", { calls: ["configure", "rotate"], configured: true }],
    ["two first configure()", { calls: ["configure", "configure"], configured: false }],
    ["a due change and rotate()", { calls: ["scheduled", "rotate"], configured: true }],
    ["two due changes", { calls: ["scheduled", "scheduled"], configured: true }],
    ["two rotate() and an alias that moves", { calls: ["rotate", "rotate"], configured: true, aliasMoves: 1 }],
    ["two rotate() and a lost answer", { calls: ["rotate", "rotate"], configured: true, lost: 1 }],
    ["configure(), rotate() and a lost answer", { calls: ["configure", "rotate"], configured: true, lost: 1 }],
    ["two first configure() and a lost answer", { calls: ["configure", "configure"], configured: false, lost: 1 }],
    ["configure(), a due change and a crash", { calls: ["configure", "scheduled"], configured: true, crashes: 1 }],
  ])("%s, does what the model does, and all of it", async (_, setup) => {
    const [code, model] = [await seenOfRuns(setup), seenOfModel(setup)];
    expect([...code].filter((seen) => !model.has(seen))).toEqual([]);
    expect([...model].filter((seen) => !code.has(seen))).toEqual([]);
  });

  it.each<[string, Setup]>([
    ["configure(), rotate() and a caller who leaves", { calls: ["configure", "rotate"], configured: true, aborts: 1 }],
    ["two rotate() and a caller who leaves", { calls: ["rotate", "rotate"], configured: true, aborts: 1 }],
  ])("%s, does nothing but what the model does", async (_, setup) => {
    const [code, model] = [await seenOfRuns(setup), seenOfModel(setup)];
    expect([...code].filter((seen) => !model.has(seen))).toEqual([]);
    expect(code.size).toBeGreaterThan(seenOfModel({ ...setup, aborts: 0 }).size);
  });

  it.each<[string, (run: Run) => Promise<void>]>([
    ["while a loser is about to mark its pair", (run) => run.alone(1, ["createWrapping", "createWrapping"])],
    ["when a loser has marked its pair", (run) => run.alone(1)],
  ])("rotate() and the janitor, %s, keeps every promise", async (_, loses) => {
    const setup: Setup = { calls: ["rotate", "rotate", "rotate"], configured: true, janitor: true };
    const code = await seenOfRuns(setup, async (run) => {
      await run.alone(1, ["swapHead"]);
      await run.alone(0);
      await loses(run);
    });
    const marked = [...code].filter((seen) => seen.includes("1.1 on 1 key 0 of 0 marked"));
    const removed = [...code].filter((seen) => !seen.includes("1.1 on"));
    expect({ marked: marked.length > 0, removed: removed.length > 0 }).toEqual({ marked: true, removed: true });
  });

  it("settles a swap of which it has heard nothing by reading the head again", async () => {
    const setup: Setup = { calls: ["rotate", "rotate"], configured: true, lost: 1 };
    const code = await seenOfRuns(setup, async (run) => {
      await run.alone(0, ["swapHead"]);
      await run.let(0, "fails, and was done");
    });
    expect([...code].filter((seen) => seen.startsWith("1,0.1 |") && seen.includes("0.1,"))).not.toEqual([]);
    expect([...code].filter((seen) => seen.startsWith("1,0.1 |") && seen.includes("failed,"))).toEqual([]);
  });

  it("looks at the history before it marks: its swap may have succeeded, and the next worker told nobody", async () => {
    const setup: Setup = { calls: ["rotate", "rotate"], configured: true, lost: 2 };
    const code = await seenOfRuns(setup, async (run) => {
      await run.alone(0, ["swapHead"]);
      await run.let(0, "is done, repeated by the store's client, and refused");
      await run.alone(1, ["createWrapping"]);
      await run.let(1, "fails, and was not done");
    });
    expect([...code].filter((seen) => seen.includes("1,0.1,1.1 |"))).not.toEqual([]);
  });
});
