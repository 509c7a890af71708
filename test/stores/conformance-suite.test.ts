import { describe, expect, it } from "vitest";
import type { KeyPairStoreConformanceOptions } from "../../src/testing/index.js";
import { MemoryKeyPairStore } from "../../src/stores/memory.js";
import {
  correctStores,
  endlessMistakes,
  inputMistakes,
  organizationMistakes,
  signalMistakes,
} from "./mistakes/call-mistakes.js";
import { correctHeadChanges, headChangesMistakes } from "./mistakes/head-changes-mistakes.js";
import { headMistakes, statusMistakes } from "./mistakes/head-mistakes.js";
import type { Mistake } from "./mistakes/mistaken.js";
import { correctInOutages, outageMistakes } from "./mistakes/outage-mistakes.js";
import { largeMistakes, listingMistakes, pairMistakes, wrappingMistakes } from "./mistakes/record-mistakes.js";
import { removalMistakes } from "./mistakes/removal-mistakes.js";
import { failureOf, namesOf } from "./mistakes/run-suite.js";

/** Milliseconds: far more than a call in memory takes, and little to wait for one that never ends. */
const callTimeout = 2_000;
interface Group {
  readonly about: string;
  /** The part of the suite that most of them fail. */
  readonly part: string;
  readonly mistakes: Readonly<Record<string, Mistake>>;
  readonly options?: KeyPairStoreConformanceOptions;
}

const groups: readonly Group[] = [
  { about: "heads", part: "head", mistakes: headMistakes },
  {
    about: "changes of heads",
    part: "changes of heads",
    mistakes: headChangesMistakes,
    options: { headChanges: true, callTimeout },
  },
  { about: "status items", part: "status", mistakes: statusMistakes },
  { about: "pairs", part: "key pairs", mistakes: pairMistakes },
  { about: "listings", part: "history", mistakes: listingMistakes },
  { about: "large histories", part: "large history", mistakes: largeMistakes, options: { largeHistory: 1_100 } },
  { about: "wrappings", part: "wrappings", mistakes: wrappingMistakes },
  { about: "removal", part: "removal", mistakes: removalMistakes },
  { about: "organizations", part: "every call", mistakes: organizationMistakes },
  { about: "input", part: "every call", mistakes: inputMistakes },
  { about: "signals", part: "every call", mistakes: signalMistakes },
  { about: "calls without an end", part: "every call", mistakes: endlessMistakes, options: { callTimeout } },
  { about: "outages", part: "outages", mistakes: outageMistakes, options: { outages: true, callTimeout } },
];

describe.concurrent.each(groups)(
  "a mistake about $about: the suite catches a store that",
  ({ mistakes, options, part }) => {
    // Beside one another: the suite gives a status item seconds, and a store that was away half a minute.
    it.each(Object.keys(mistakes))("%s", async (mistake) => {
      const failure = await failureOf(mistakes[mistake] as Mistake, options, { first: part });
      expect(failure, "the first check that fails").toBeDefined();
      expect(failure?.error.message).toMatch(/What it means: .{20,}\nWhere to look: /);
      // What a mistaken store itself trips over is no finding of the suite's.
      expect(failure?.error.message).not.toMatch(/is not a function|Cannot read properties|is not iterable/);
    });
  },
);

describe("the conformance suite passes a store that", () => {
  it.each(Object.keys(correctStores))("%s", async (name) => {
    expect(await failureOf(correctStores[name] as Mistake)).toBeUndefined();
  });

  it("has a large history", async () => {
    const options = { headChanges: true, largeHistory: 1_100 };
    expect(await failureOf(() => ({ store: new MemoryKeyPairStore() }), options)).toBeUndefined();
  });

  it("tells of changes to heads, and says so", async () => {
    expect(await failureOf(correctHeadChanges, { headChanges: true })).toBeUndefined();
    expect(await failureOf(correctHeadChanges)).toMatchObject({ name: "has what the options say" });
  });

  it("is away for a while, and lets its callers know", async () => {
    expect(await failureOf(correctInOutages, { outages: true })).toBeUndefined();
  });

  it("removes nothing, and says so", async () => {
    const mute = removalMistakes["has no removal, and does not say so"] as Mistake;
    expect(await failureOf(mute, { removal: "none" })).toBeUndefined();
  });

  it("can't tell which of several callers removed a pair, and says so", async () => {
    const mistake = removalMistakes["looks for the pair, then removes it, with a pause between"] as Mistake;
    expect(await failureOf(mistake, { removal: "at-least-one-hears-true" })).toBeUndefined();
    const deaf = removalMistakes["never says that it removed something"] as Mistake;
    expect(await failureOf(deaf, { removal: "at-least-one-hears-true" })).toBeDefined();
  });
});

describe("the conformance suite names what it does not check", () => {
  it("in the names of tests, or by the runner's own way to skip one", async () => {
    const left = [
      /^not checked: what is told of changes to heads/,
      /^not checked: large histories/,
      /^not checked: a second process/,
      /^not checked: what is behind/,
    ];
    const { declared } = namesOf({});
    for (const name of left) expect(declared).toContainEqual(expect.stringMatching(name));
    const { declared: run, skipped } = namesOf({ removal: "none" }, { skipping: true });
    expect(run.filter((name) => name.startsWith("not checked"))).toEqual([]);
    for (const name of [...left, /^not checked: removal/]) expect(skipped).toContainEqual(expect.stringMatching(name));
  });

  it.each(["processes", "outages"] as const)("and fails where %s is asked for and cannot be had", async (part) => {
    const failure = await failureOf(() => ({ store: new MemoryKeyPairStore() }), { [part]: true });
    expect(failure?.name).toBe("has what the options say");
  });
});
