import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { paintFor, ProgressBar, sizeText, type Shown } from "../../src/cli/terminal.js";
import { factLines, tableLines, toned } from "../../src/cli/show.js";
import { FakeTerminal } from "./support.js";

const red = "\u001B[31mx\u001B[39m";

describe("colours", () => {
  it.each([
    ["a terminal", true, {}, red],
    ["a terminal whose user wants none", true, { NO_COLOR: "1" }, "x"],
    ["a terminal with an empty NO_COLOR", true, { NO_COLOR: "" }, red],
    ["a dumb terminal", true, { TERM: "dumb" }, "x"],
    ["a pipe", false, {}, "x"],
    ["a pipe", undefined, {}, "x"],
    ["a pipe that takes them", false, { FORCE_COLOR: "1" }, red],
    ["a pipe that takes them", false, { FORCE_COLOR: "" }, red],
    ["a dumb terminal that takes them", true, { TERM: "dumb", FORCE_COLOR: "true" }, red],
    ["both at once, as Node decides it", true, { NO_COLOR: "1", FORCE_COLOR: "3" }, red],
    ["a terminal of whom they were taken", true, { FORCE_COLOR: "0" }, "x"],
    ["a terminal of whom they were taken", true, { FORCE_COLOR: "false" }, "x"],
  ])("for %s, with %o %o: %j", (_, isTTY, environment, shown) => {
    expect(paintFor({ isTTY }, environment)("bad", "x")).toBe(shown);
  });

  it("take no room in tables and lists, and none where there is no text", () => {
    const paint = paintFor({ isTTY: true }, {});
    const rows = [
      [toned("kept", "good"), "a", toned("", "bad")],
      [toned("BROKEN", "bad"), "bb", toned("why", "bad")],
    ];
    const bare = tableLines(["", "promise", "seen"], rows);
    const colours = /\u001B\[\d+m/g;
    expect(bare).toEqual(["        promise  seen", "kept    a", "BROKEN  bb       why"]);
    expect(tableLines(["", "promise", "seen"], rows, paint).map((line) => line.replaceAll(colours, ""))).toEqual(bare);
    expect(factLines({ a: toned(true, "bad"), long: undefined, b2: 1 }, paint)).toEqual([
      "\u001B[2ma \u001B[22m  \u001B[31myes\u001B[39m",
      "\u001B[2mb2\u001B[22m  1",
    ]);
  });
});

describe("a bar", () => {
  it.each([
    ["a terminal", true, {}, true],
    ["a pipe", false, {}, false],
    ["nothing", undefined, {}, false],
    ["a dumb terminal", true, { TERM: "dumb" }, false],
    ["a terminal of CI", true, { CI: "true" }, false],
    ["a terminal where CI is said to be none", true, { CI: "false" }, true],
  ])("is there for %s, with %o %o: %s", (_, isTTY, environment, is) => {
    expect(ProgressBar.for({ isTTY, write: () => undefined }, environment) !== undefined).toBe(is);
  });

  const drawn = (shown: Shown, { columns, time = 0 }: { columns?: number; time?: number } = {}) => {
    const terminal = new FakeTerminal();
    terminal.columns = columns;
    let now = 0;
    const bar = new ProgressBar(terminal, () => now);
    bar.show({ ...shown, done: 0 });
    now += time || 80;
    bar.show(shown);
    return terminal.drawn.at(-1);
  };

  it.each<[Shown, object, string]>([
    [{ done: 50, total: 200 }, {}, "[######..................]   25 %  50 bytes of 200 bytes"],
    [{ done: 0, total: 0 }, {}, "[########################]  100 %  0 bytes of 0 bytes"],
    [{ done: 300, total: 200 }, {}, "[########################]  100 %  300 bytes of 200 bytes"],
    [
      { done: 1.5e6, total: 3e9 },
      { time: 1_000, columns: 200 },
      "[........................]    0 %  1.5 MB of 3.0 GB  1.5 MB/s  33:19 left",
    ],
    [{ done: 2e6 }, { time: 2_000 }, "2.0 MB  1.0 MB/s"],
    [
      { done: 3, total: 4, unit: "key pairs", note: "1 failed" },
      {},
      "[##################......]   75 %  3 of 4 key pairs  1 failed",
    ],
    [
      { done: 1, total: 10_000, unit: "files" },
      { time: 1_000 },
      "[........................]    0 %  1 of 10000 files  2:46:39 left",
    ],
    [{ done: 3, total: 4, note: "x".repeat(100) }, {}, "[##################......]   75 %  3 bytes of 4 bytes"],
    [{ done: 3, total: 4 }, { columns: 40 }, "[##################......]   75 %"],
  ])("for %o on %o reads: %s", (shown, options, line) => {
    expect(drawn(shown, options)).toBe(line);
  });

  it("never reaches the last column, however wide the window is by then", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.record({
          done: fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined }),
          total: fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined }),
          note: fc.option(fc.string(), { nil: undefined }),
        }),
        (columns, { done, ...rest }) => {
          const terminal = new FakeTerminal();
          terminal.columns = 200;
          let now = 0;
          const bar = new ProgressBar(terminal, () => now);
          bar.show({ done: 0, total: 1 });
          now = 5_000;
          terminal.columns = columns;
          bar.show(done === undefined ? rest : { done, ...rest });
          const [, line = ""] = terminal.written.at(-1)?.split("\u001B[K") ?? [];
          expect(line.length).toBeLessThan(columns);
        },
      ),
    );
  });

  it("is drawn no more often than the eye follows, and taken away once", () => {
    const terminal = new FakeTerminal();
    let now = 0;
    const bar = new ProgressBar(terminal, () => now);
    bar.clear();
    for (let done = 0; done < 100; done += 1) {
      bar.show({ done, total: 100 });
      now += 10;
    }
    expect(terminal.drawn).toHaveLength(13);
    bar.clear();
    bar.clear();
    expect(terminal.written.filter((text) => text === "\r\u001B[K")).toHaveLength(1);
  });

  it.each([
    [0, "0 bytes"],
    [999, "999 bytes"],
    [1_000, "1.0 kB"],
    [1_549_999, "1.5 MB"],
    [5e18, "5000.0 PB"],
  ])("says %i bytes as %s", (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });
});
