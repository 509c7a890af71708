import { describe, expect, it, test } from "vitest";
import { interleaved, median, speedRatios, spread } from "../../bench/shared/measure.js";
import { broken, machineFacts, subjectSection, table, updatedPage } from "../../bench/shared/report.js";
import { atLeast, below, counted, type Row } from "../../bench/shared/subject.js";

describe("figures", () => {
  test.each([
    { values: [3], median: 3, shown: "3.00 (3.00–3.00)" },
    { values: [1, 9, 2], median: 2, shown: "2.00 (1.00–9.00)" },
    { values: [4, 1, 2, 3], median: 2.5, shown: "2.50 (1.00–4.00)" },
    { values: [0.8499, 0.85, 0.849], median: 0.8499, shown: "0.84 (0.84–0.85)" },
    { values: [1.1, 1.1], median: 1.1, shown: "1.10 (1.10–1.10)" },
    { values: [-4.5, 12_345.6], median: 6_170.55, shown: "6,170.55 (-4.50–12,345.60)" },
  ])("median and range of $values", (example) => {
    expect(median(example.values)).toBe(example.median);
    expect(spread(example.values)).toBe(example.shown);
  });

  it("takes ratios within a round: twice the time is half the speed", () => {
    expect(speedRatios([2, 4], [1, 4])).toEqual([0.5, 1]);
  });

  it("runs every task once per round, in turned order, after one round that does not count", async () => {
    const order: string[] = [];
    const times = await interleaved(2, {
      a: () => order.push("a"),
      b: () => order.push("b"),
      c: () => order.push("c"),
    });
    expect(order.join("")).toBe("abcbcacab");
    expect(Object.values(times).map(({ length }) => length)).toEqual([2, 2, 2]);
  });
});

describe("verdicts", () => {
  const row = (promise: Row["promise"]): Row => ({ what: "thing", figure: "1", ...(promise ? { promise } : {}) });
  test.each([
    { promise: atLeast(0.85, 0.85), scale: "default", shown: "≥ 0.85: met", fails: false },
    { promise: atLeast(0.8499, 0.85), scale: "default", shown: "≥ 0.85: **NOT met**", fails: true },
    { promise: atLeast(NaN, 5_000), scale: "full", shown: "≥ 5,000: **NOT met**", fails: true },
    { promise: below(31.9, 32, " MiB"), scale: "default", shown: "< 32 MiB: met", fails: false },
    { promise: below(32, 32, " MiB"), scale: "default", shown: "< 32 MiB: **NOT met**", fails: true },
    { promise: atLeast(0.1, 0.85), scale: "quick", shown: "≥ 0.85: too short to judge", fails: false },
    { promise: counted("≤ 2", false), scale: "quick", shown: "≤ 2: **NOT met**", fails: true },
    { promise: undefined, scale: "default", shown: "", fails: false },
  ] as const)("$shown at scale $scale", ({ promise, scale, shown, fails }) => {
    expect(
      table([row(promise)], scale)
        .split("\n")
        .at(-1),
    ).toBe(`| thing | 1 |  | ${shown} |`);
    expect(broken([row(promise)], scale).length).toBe(fails ? 1 : 0);
  });
});

describe("docs/benchmarks.md", () => {
  const order = ["One", "Two", "Three"];
  const written = (page: string, major: number, facts: string, figures: Record<string, string>) => {
    const measured = Object.entries(figures).map(([title, figure]): [string, string] => {
      const outcome = { name: "name", title, about: "About.", rows: [{ what: "thing", figure }] };
      return [title, subjectSection(outcome, { facts, date: "2030-01-02", scale: "default" })];
    });
    return updatedPage(page, { major, sections: new Map(measured) }, order);
  };
  const outline = (page: string) =>
    [...page.matchAll(/^#{2,3} (.*)$|^\| thing \| (\S+) /gm)].map(([, heading, figure]) => heading ?? figure);

  it("has a section for each Node major, the newest first, of which a run replaces its own subjects only", () => {
    let page = written("", 24, "Machine A.", { Two: "24a", One: "24b" });
    page = written(page, 20, "Machine A.", { One: "20a", Three: "20b" });
    expect(outline(page)).toEqual(["Node 24", "One", "24b", "Two", "24a", "Node 20", "One", "20a", "Three", "20b"]);
    page = written(page, 24, "Machine A.", { One: "24c" });
    expect(outline(page)).toEqual(["Node 24", "One", "24c", "Two", "24a", "Node 20", "One", "20a", "Three", "20b"]);
    expect(written(page, 24, "Machine A.", { One: "24c" })).toBe(page);
  });

  it("keeps what was measured on another machine, and says on which", () => {
    const page = written(written("", 24, "Machine A.", { One: "24a", Two: "24b" }), 20, "Machine A.", { One: "20a" });
    const updated = written(page, 24, "Machine B.", { Two: "24c" });
    expect(outline(updated)).toEqual(["Node 24", "One", "24a", "Two", "24c", "Node 20", "One", "20a"]);
    const measuredOn = [...updated.matchAll(/^Measured on 2030-01-02 by `npm run bench -- name`: (.*)$/gm)].map(
      ([, facts]) => facts,
    );
    expect(measuredOn).toEqual(["Machine A.", "Machine B.", "Machine A."]);
  });

  it("drops subjects that are no more", () => {
    expect(outline(written("", 24, "Machine A.", { One: "24a", Gone: "24b" }))).toEqual(["Node 24", "One", "24a"]);
  });

  it("says in words what was measured on", () => {
    expect(machineFacts()).toMatch(
      /^Node \d+\.\d+\.\d+, OpenSSL [\d.]+\S*, \w+ on \w+, \d+ cores?, [^/\\]+, \d+ GiB of memory\.$/,
    );
  });
});
