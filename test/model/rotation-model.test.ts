import { describe, expect, it } from "vitest";
import { explore } from "./explore.js";
import { rotationModel } from "./rotation-model.js";
import { afterwards, headOf, type BrokenRule, type Setup, type State } from "./rotation-state.js";

const all = { lost: 1, crashes: 1, aliasMoves: 1, janitor: true } as const;
const setups: Readonly<Record<string, Setup>> = {
  "two rotate(), and whatever disturbs": { calls: ["rotate", "rotate"], configured: true, ...all },
  "configure() and rotate(), and whatever disturbs": { calls: ["configure", "rotate"], configured: true, ...all },
  "two first configure(), and whatever disturbs": { calls: ["configure", "configure"], configured: false, ...all },
  "a due change and rotate(), and whatever disturbs": { calls: ["scheduled", "rotate"], configured: true, ...all },
  "one of each, a lost answer and a crash": {
    calls: ["configure", "rotate", "scheduled"],
    configured: true,
    lost: 1,
    crashes: 1,
  },
  "three rotate(), a lost answer and the janitor": {
    calls: ["rotate", "rotate", "rotate"],
    configured: true,
    lost: 1,
    janitor: true,
  },
  "three first configure() and a lost answer": {
    calls: ["configure", "configure", "configure"],
    configured: false,
    lost: 1,
  },
};

/** Whether the next change of key succeeds, and makes one more active pair, whatever has happened before. */
function canChangeAfter(end: State): boolean {
  const { harm, ends } = explore(rotationModel({ calls: ["rotate"], configured: false }, afterwards(end)));
  const [after] = ends;
  if (harm || !after || ends.length > 1) return false;
  return after.heads.length === end.heads.length + 1 && after.workers[0]?.result === headOf(after);
}

describe("every interleaving of", () => {
  it.each(Object.entries(setups))("%s keeps every promise", (_, setup) => {
    const { harm, stuck, ends } = explore(rotationModel(setup));
    const stores = new Map(ends.map((end) => [JSON.stringify([end.heads, end.pairs, end.alias]), end]));
    const closed = [...stores.values()].find((end) => !canChangeAfter(end));
    expect({ harm, stuck, closed }).toEqual({ harm: undefined, stuck: undefined, closed: undefined });
    expect(ends.length).toBeGreaterThan(1);
  });
});

describe("somebody who points the head at whatever the store has", () => {
  it.each<[string, Setup]>([
    ["three workers", { calls: ["rotate", "rotate", "scheduled"], configured: true, forgeries: 1 }],
    [
      "two workers, a crash and the janitor",
      { calls: ["configure", "rotate"], configured: true, crashes: 1, janitor: true, forgeries: 1 },
    ],
    [
      "two workers and the janitor, twice",
      { calls: ["rotate", "rotate"], configured: true, janitor: true, forgeries: 2 },
    ],
  ])("has no pair removed or marked that a worker has used: %s", (_, setup) => {
    const { harm, stuck, ends } = explore(rotationModel(setup));
    expect({ harm, stuck }).toEqual({ harm: undefined, stuck: undefined });
    expect(ends.length).toBeGreaterThan(1);
  });
});

describe("every rule of a change of key", () => {
  const two: Setup = { calls: ["rotate", "rotate"], configured: true };
  const three: Setup = { calls: ["rotate", "rotate", "scheduled"], configured: true };
  const isGone = /was active, and is not in the store/;
  const brokenChain = /no chain from the head leads to it/;
  it.each<[BrokenRule, { setup: Setup; harm: RegExp }]>([
    ["swaps whatever the revision", { setup: two, harm: brokenChain }],
    ["swaps before it puts", { setup: two, harm: isGone }],
    ["deletes its record after an ambiguous answer", { setup: { ...two, lost: 1 }, harm: isGone }],
    ["marks after an ambiguous answer", { setup: { ...two, lost: 1 }, harm: /is marked as never active/ }],
    ["marks without a look at the chain", { setup: { ...two, lost: 2 }, harm: /is marked as never active/ }],
    ["takes the winner under another KMS key", { setup: { ...two, aliasMoves: 1 }, harm: /that the alias had left/ }],
    [
      "takes the winner instead of its own settings",
      { setup: { ...two, calls: ["configure", "rotate"] }, harm: /other settings/ },
    ],
    ["removes what nobody has marked", { setup: { ...two, janitor: true }, harm: isGone }],
    ["marks what another has taken up", { setup: { ...three, forgeries: 1 }, harm: /was used, and is marked/ }],
  ])("is needed: harm comes of one who %s", (broken, { setup, harm }) => {
    expect(explore(rotationModel(setup)).harm).toBeUndefined();
    expect(explore(rotationModel({ ...setup, broken })).harm?.what).toMatch(harm);
  });
});
