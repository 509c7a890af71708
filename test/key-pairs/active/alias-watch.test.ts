import { describe, expect, it } from "vitest";
import { AliasWatch, aliasLookEvery, type AliasTarget } from "../../../src/key-pairs/active/alias-watch.js";
import type { FleetWord } from "../../../src/key-pairs/active/fleet-word.js";
import { TestClock } from "../../../src/testing/index.js";
import { invented } from "../inventions.js";
import { minute, world } from "../world.js";

const hour = 60 * minute;
const arn = (id: string) => `arn:aws:kms:eu-west-1:000000000000:key/${id}`;

/** What one process knows of a pair's alias, and what it has told. */
function watching() {
  const { trust } = world().worker();
  const [pair, next] = [1, 2].map((sequence) => trust.vouchByHost(invented({ birth: { sequence } })));
  const clock = new TestClock();
  const events: [name: string, event: object][] = [];
  const alias = new AliasWatch(clock, (name, event) => void events.push([name, event]));
  alias.takeUp(pair!);
  /** Another worker's word on the pair. */
  const learn = (word: FleetWord["alias"]) => alias.learn(pair!, { alias: word } as FleetWord);
  return { alias, clock, events, learn, pair: pair!, next: next!, told: () => events.splice(0) };
}

describe("a look at the alias", () => {
  it("is due an hour after the pair was taken up, and an hour after the last look", () => {
    const { alias, clock, pair } = watching();
    const isDue = (after: number) => (clock.advance(after), alias.isLookDue(pair));
    expect(aliasLookEvery).toBe(hour);
    expect([isDue(hour - 1), isDue(1)]).toEqual([false, true]);
    alias.looking(pair);
    expect([isDue(0), isDue(hour - 1), isDue(1)]).toEqual([false, false, true]);
  });

  it("is due about the pair in use alone", () => {
    const { alias, clock, pair, next } = watching();
    clock.advance(hour);
    expect(alias.isLookDue(next)).toBe(false);
    alias.takeUp(next);
    expect([alias.isLookDue(pair), alias.isLookDue(next)]).toEqual([false, false]);
  });

  it("about another pair says nothing of the one in use", () => {
    const { alias, clock, pair, next } = watching();
    alias.found(pair, { kmsKeyArn: arn("b") });
    clock.advance(hour);
    alias.looking(next);
    expect([alias.isLookDue(pair), alias.driftOf(pair)]).toEqual([
      true,
      expect.objectContaining({ kmsKeyArn: arn("b") }),
    ]);
  });

  it("is not put off by taking the same pair up again", () => {
    const { alias, clock, pair } = watching();
    clock.advance(hour);
    alias.takeUp(pair);
    expect(alias.isLookDue(pair)).toBe(true);
  });
});

describe("an alias that leads elsewhere", () => {
  it("is told once for each place that it leads to, and at its end", () => {
    const { alias, clock, pair, told } = watching();
    const { kmsKeyAliasArn } = pair.birth;
    const found = (target?: AliasTarget) => (clock.advance(minute), alias.found(pair, target), told());
    const start = clock.now();
    const since = (minutes: number) => start + minutes * minute;
    expect(found()).toEqual([]);
    expect(found({ kmsKeyArn: arn("b") })).toEqual([
      ["aliasDrift", { kmsKeyAliasArn, kmsKeyArn: arn("b"), since: since(2) }],
    ]);
    expect(found({ kmsKeyArn: arn("b") })).toEqual([]);
    expect(alias.driftOf(pair)).toEqual({ kmsKeyArn: arn("b"), since: since(2) });
    expect(found({ kmsKeyArn: arn("c") })).toEqual([
      ["aliasDrift", { kmsKeyAliasArn, kmsKeyArn: arn("c"), since: since(4) }],
    ]);
    expect(found({ refusal: "access-denied" })).toEqual([["aliasDrift", { kmsKeyAliasArn, since: since(5) }]]);
    expect(found({})).toEqual([["aliasDrift", { kmsKeyAliasArn, since: since(6) }]]);
    expect(found({ refusal: "key-disabled" })).toEqual([["aliasDrift", { kmsKeyAliasArn, since: since(7) }]]);
    expect(found({ refusal: "access-denied" })).toEqual([["aliasDrift", { kmsKeyAliasArn, since: since(8) }]]);
    expect(found()).toEqual([["aliasDriftEnded", { since: since(8) }]]);
    expect(alias.driftOf(pair)).toBeUndefined();
    expect(found()).toEqual([]);
  });

  it("keeps its name where somebody sees it who can't tell that, and gets it from whoever can", () => {
    const { alias, pair, told } = watching();
    alias.found(pair, {});
    alias.found(pair, { kmsKeyArn: arn("b") });
    alias.found(pair, {});
    expect(alias.driftOf(pair)).toMatchObject({ kmsKeyArn: arn("b") });
    expect(told()).toHaveLength(2);
  });

  it("is over with the next pair, which was made under the KMS key that it leads to", () => {
    const { alias, clock, pair, next, told } = watching();
    alias.found(pair, { kmsKeyArn: arn("b") });
    told();
    alias.takeUp(next);
    expect(told()).toEqual([["aliasDriftEnded", { since: clock.now() }]]);
    expect([alias.driftOf(pair), alias.driftOf(next)]).toEqual([undefined, undefined]);
    alias.found(pair, { kmsKeyArn: arn("b") }); // an answer that comes late
    expect(told()).toEqual([]);
  });
});

describe("what the workers of a fleet tell each other of the alias", () => {
  it("is nothing before KMS has told, and then when it was and where the alias leads", () => {
    const { alias, clock, pair, next } = watching();
    const at = clock.now();
    alias.looking(pair);
    expect(alias.told(pair)).toBeUndefined();
    alias.found(pair, undefined);
    expect(alias.told(pair)).toEqual({ at });
    clock.advance(5);
    for (let times = 0; times < 2; times += 1) alias.found(pair, { kmsKeyArn: arn("b") });
    expect(alias.told(pair)).toEqual({ at: at + 5, kmsKeyArn: arn("b"), since: at + 5 });
    clock.advance(5);
    alias.looking(pair); // without an answer
    expect(alias.told(pair)).toEqual({ at: at + 5, kmsKeyArn: arn("b"), since: at + 5 });
    alias.found(pair, { kmsKeyArn: arn("b") });
    expect(alias.told(pair)).toEqual({ at: at + 10, kmsKeyArn: arn("b"), since: at + 5 });
    expect(alias.told(next)).toBeUndefined();
  });

  it("spares the others their look, and tells them what it told the one", () => {
    const { alias, clock, pair, learn, told } = watching();
    clock.advance(2 * hour);
    const at = clock.now() - minute;
    learn({ at, since: at - 1, kmsKeyArn: arn("b") });
    expect(alias.driftOf(pair)).toEqual({ kmsKeyArn: arn("b"), since: at - 1 });
    expect(told().map(([name]) => name)).toEqual(["aliasDrift"]);
    clock.advance(hour - minute - 1);
    expect(alias.isLookDue(pair)).toBe(false);
    clock.advance(1);
    expect(alias.isLookDue(pair)).toBe(true);
    learn({ at: clock.now() });
    expect([alias.driftOf(pair), told().map(([name]) => name)]).toEqual([undefined, ["aliasDriftEnded"]]);
  });

  it("spares the others a look for an hour from then, however long ago their own was", () => {
    const { alias, clock, pair, learn } = watching();
    alias.looking(pair);
    clock.advance(hour / 2);
    learn({ at: clock.now() });
    clock.advance(hour - 1);
    expect(alias.isLookDue(pair)).toBe(false);
    clock.advance(1);
    expect(alias.isLookDue(pair)).toBe(true);
  });

  it("counts from when it was, also by the machine's own clock", () => {
    const { alias, clock, pair, learn } = watching();
    clock.advance(hour);
    learn({ at: clock.now() - minute });
    const wall = clock.now();
    clock.advance(hour - minute);
    clock.set(wall);
    expect(alias.isLookDue(pair)).toBe(true);
  });

  it("puts no look of this worker's own behind it, which told nothing", () => {
    const { alias, clock, pair, learn } = watching();
    clock.advance(hour);
    alias.looking(pair);
    learn({ at: clock.now() - minute, since: clock.now() - minute, kmsKeyArn: arn("b") });
    expect(alias.driftOf(pair)).toMatchObject({ kmsKeyArn: arn("b") });
    clock.advance(hour - 1);
    expect(alias.isLookDue(pair)).toBe(false);
  });

  it("of a KMS refusal too, and of another KMS key that nobody could name", () => {
    const { alias, clock, pair, learn } = watching();
    const at = clock.now();
    learn({ at, since: at, refusal: "key-disabled" });
    expect(alias.driftOf(pair)).toEqual({ refusal: "key-disabled", since: at });
    clock.advance(1);
    learn({ at: at + 1, since: at + 1 });
    expect(alias.driftOf(pair)).toEqual({ since: at + 1 });
  });

  const ms = 1;
  const word = (now: number, more: object) => ({ at: now, since: now, ...more });
  const useless: [what: string, word: (now: number, found: number) => FleetWord["alias"]][] = [
    ["an item without it", () => undefined],
    ["one from before this worker knew", (_, found) => word(found - minute, {})],
    ["one of the same time", (_, found) => word(found, {})],
    ["one from the future", (now) => word(now + ms, {})],
    ["a KMS key of another account", (now) => word(now, { kmsKeyArn: arn("b").replace(/0{12}/, "111122223333") })],
    ["a KMS key of another Region", (now) => word(now, { kmsKeyArn: arn("b").replace("eu-west-1", "eu-west-2") })],
    ["something that is no KMS key", (now) => word(now, { kmsKeyArn: "javascript:alert(1)" })],
    ["the alias of another KMS key", (now) => word(now, { kmsKeyArn: arn("b").replace("key/", "alias/") })],
    ["a failure that this version does not know", (now) => word(now, { refusal: "key-melted" })],
  ];
  describe.each<[before: string, target: AliasTarget | undefined]>([
    ["leads elsewhere", { kmsKeyArn: arn("c") }],
    ["is refused", { refusal: "key-disabled" }],
    ["leads where it should", undefined],
  ])("while the alias %s", (_before, target) => {
    it.each(useless)("changes nothing where it is %s", (_, wordAt) => {
      const { alias, clock, pair, learn, told } = watching();
      clock.advance(hour);
      const found = clock.now();
      alias.looking(pair);
      alias.found(pair, target);
      clock.advance(minute);
      told();
      const before = { drift: alias.driftOf(pair), said: alias.told(pair) };
      learn(wordAt(clock.now(), found));
      expect({ drift: alias.driftOf(pair), said: alias.told(pair) }).toEqual(before);
      expect(told()).toEqual([]);
    });
  });

  it.each([
    [2 * hour, "ends"],
    [2 * hour + ms, "stays"],
  ])("counts for two hours, so that an old one that is brought back hides little: %i ms, the drift %s", (age, then) => {
    const { alias, clock, pair, learn } = watching();
    alias.found(pair, { kmsKeyArn: arn("b") });
    clock.advance(3 * hour);
    learn({ at: clock.now() - age });
    expect(alias.driftOf(pair) === undefined ? "ends" : "stays").toBe(then);
  });

  it("is nothing about a pair that is not in use", () => {
    const { alias, clock, next, told } = watching();
    alias.learn(next, { alias: { at: clock.now(), since: 1 } } as FleetWord);
    expect([alias.driftOf(next), told()]).toEqual([undefined, []]);
  });
});
