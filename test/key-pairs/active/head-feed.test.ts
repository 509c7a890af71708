import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { momentOf } from "../../../src/clock.js";
import { HeadFeed, headFeedOf, longestTrust, settlingTime } from "../../../src/key-pairs/active/head-feed.js";
import type { HeadChanges, KeyPairStore } from "../../../src/stores/key-pair-store.js";
import { MemoryKeyPairStore, TestClock } from "../../../src/testing/index.js";
import { minute, second } from "../world.js";

const headTtl = minute;
const hour = 60 * minute;
const timeout = 5_000;
const nothing: HeadChanges = { cursor: "c", organizationIds: [] };

/** A list that can't be looked at. */
function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  return proxy;
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** A feed whose store gives what it is told to, and what it was asked. */
function scripted() {
  const clock = new TestClock();
  const asked: (string | undefined)[] = [];
  let answer: () => unknown = () => nothing;
  const headChanges: NonNullable<KeyPairStore["headChanges"]> = async ({ after }) => {
    asked.push(after);
    return (await answer()) as HeadChanges;
  };
  const feed = new HeadFeed({ headChanges }, clock);
  const answers = (next: () => unknown) => (answer = next);
  const tells = (...organizationIds: string[]) => answers(() => ({ cursor: `c${asked.length}`, organizationIds }));
  const ask = (organizationId: string, readAt = momentOf(clock)) =>
    feed.askUnchanged({ organizationId, readAt, headTtl }, timeout);
  return { clock, feed, asked, answers, tells, ask };
}

/** A feed that has told of everything for a while, and a head that was read under it. */
async function settled() {
  const parts = scripted();
  await parts.ask("org");
  parts.clock.advance(settlingTime);
  const readAt = momentOf(parts.clock);
  const isUnchanged = (organizationId = "org", at = readAt) => parts.ask(organizationId, at);
  expect(await isUnchanged()).toBe(true);
  return { ...parts, readAt, isUnchanged };
}

describe("a head counts as unchanged", () => {
  it("only if it was read a minute after the first look, which can tell nothing of before", async () => {
    const { clock, ask } = scripted();
    const before = momentOf(clock);
    expect(await ask("org")).toBe(false);
    clock.advance(settlingTime - 1);
    expect(await ask("org")).toBe(false);
    const almost = momentOf(clock);
    clock.advance(1);
    const after = momentOf(clock);
    expect([await ask("org", before), await ask("org", almost), await ask("org", after)]).toEqual([false, false, true]);
  });

  it("by a look that is younger than headTtl: one for all organizations", async () => {
    const { clock, asked, isUnchanged, feed, readAt } = await settled();
    const looks = asked.length;
    clock.advance(headTtl - 1);
    expect([await isUnchanged(), await isUnchanged("other")]).toEqual([true, true]);
    expect(asked).toHaveLength(looks);
    clock.advance(1);
    expect(feed.isUnchanged({ organizationId: "org", readAt, headTtl })).toBe(false);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => isUnchanged(`org-${index}`)));
    expect(answers).toEqual(Array(100).fill(true));
    expect(asked).toHaveLength(looks + 1);
  });

  it("until its organization is announced, and again once it was read a minute after that", async () => {
    const { clock, tells, isUnchanged, ask } = await settled();
    clock.advance(headTtl);
    tells("another", "org", "org");
    expect([await isUnchanged(), await isUnchanged("untouched")]).toEqual([false, true]);
    tells();
    clock.advance(settlingTime - 1);
    const early = momentOf(clock);
    clock.advance(1);
    const late = momentOf(clock);
    expect([await ask("org", early), await ask("org", late), await ask("another", early)]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it("not where the store can't tell what has changed", async () => {
    const { clock, answers, isUnchanged } = await settled();
    clock.advance(headTtl);
    answers(() => ({ cursor: "new", organizationIds: undefined }));
    expect([await isUnchanged(), await isUnchanged("other")]).toEqual([false, false]);
  });

  it("for an hour at most, whatever is told", async () => {
    const { clock, isUnchanged } = await settled();
    clock.advance(longestTrust - 1);
    expect(await isUnchanged()).toBe(true);
    clock.advance(1);
    expect(await isUnchanged()).toBe(false);
  });

  it("not where the wall clock was set back behind the read, nor after a sleep of the machine", async () => {
    const { clock, isUnchanged, asked, readAt } = await settled();
    clock.set(readAt.wall - 1);
    expect(await isUnchanged()).toBe(false);
    clock.set(readAt.wall + longestTrust);
    expect(await isUnchanged()).toBe(false);
    clock.set(readAt.wall + headTtl);
    const looks = asked.length;
    expect(await isUnchanged()).toBe(true);
    expect(asked).toHaveLength(looks + 1);
  });
});

describe("announcements are remembered", () => {
  it("for as long as a head from before could be relied on", async () => {
    const { clock, tells, ask } = await settled();
    clock.advance(headTtl);
    tells("org");
    await ask("org");
    tells();
    const read = clock.monotonic() + settlingTime - 1;
    for (let passed = 0; passed < hour; passed += 10 * minute) {
      clock.advance(10 * minute);
      await ask("other");
      // Whatever the wall clock says, so that it is the announcement that counts.
      const readAt = { wall: clock.now(), monotonic: read };
      expect(await ask("org", readAt)).toBe(false);
    }
  });

  it("and if there are very many, any head may have changed", async () => {
    const { clock, tells, isUnchanged } = await settled();
    clock.advance(headTtl);
    tells(...Array.from({ length: 100_001 }, (_, index) => `org-${index}`));
    expect(await isUnchanged("untouched")).toBe(false);
  });
});

describe("looks", () => {
  it("go on from the cursor of the one before, also behind a failure", async () => {
    const { clock, asked, answers, tells, isUnchanged } = await settled();
    answers(() => Promise.reject(new Error("no route to store")));
    clock.advance(headTtl);
    const last = await isUnchanged().then(() => asked.at(-1));
    clock.advance(headTtl);
    tells("org");
    expect(await isUnchanged()).toBe(false);
    expect({ last, again: asked.at(-1) }).toEqual({ last: "c", again: "c" });
  });

  const odd: [name: string, answer: () => unknown][] = [
    ["nothing", () => undefined],
    ["null", () => null],
    ["no cursor", () => ({ organizationIds: [] })],
    ["a cursor that is no text", () => ({ cursor: 7, organizationIds: [] })],
    ["an endless cursor", () => ({ cursor: "x".repeat(257), organizationIds: [] })],
    ["no list", () => ({ cursor: "c", organizationIds: "org" })],
    ["null for a list", () => ({ cursor: "c", organizationIds: null })],
    ["a list of numbers", () => ({ cursor: "c", organizationIds: [7] })],
    ["a list of lists", () => ({ cursor: "c", organizationIds: [["org"]] })],
    ["a list of endless names", () => ({ cursor: "c", organizationIds: ["x".repeat(513)] })],
    ["a list that can't be read", () => ({ cursor: "c", organizationIds: revoked() })],
    ["a rejection", () => Promise.reject(new Error("no route to store"))],
    [
      "a throw of no error",
      () => {
        throw undefined;
      },
    ],
  ];
  it.each(odd)("that give %s count for nothing, are not repeated at once, and heal", async (_name, answer) => {
    const { clock, asked, answers, isUnchanged } = await settled();
    const looks = asked.length;
    answers(answer);
    clock.advance(headTtl);
    expect([await isUnchanged(), await isUnchanged("other")]).toEqual([false, false]);
    clock.advance(headTtl - 1);
    expect(await isUnchanged()).toBe(false);
    expect(asked).toHaveLength(looks + 1);
    answers(() => nothing);
    clock.advance(1);
    expect(await isUnchanged()).toBe(true);
  });

  it("that hang hold nobody up for longer than half a second, and those who come later not at all", async () => {
    const { clock, asked, answers, isUnchanged } = await settled();
    const looks = asked.length;
    answers(() => new Promise(() => undefined));
    clock.advance(headTtl);
    let over = false;
    const first = isUnchanged().finally(() => (over = true));
    await vi.advanceTimersByTimeAsync(499);
    expect(over).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await first).toBe(false);
    expect(await isUnchanged("other")).toBe(false);
    await vi.advanceTimersByTimeAsync(timeout);
    expect(await isUnchanged()).toBe(false);
    expect(asked).toHaveLength(looks + 1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("take cursors of 256 characters and names of 512", async () => {
    const { clock, answers, isUnchanged } = await settled();
    clock.advance(headTtl);
    const name = "x".repeat(512);
    answers(() => ({ cursor: "c".repeat(256), organizationIds: [name] }));
    expect([await isUnchanged(), await isUnchanged(name)]).toEqual([true, false]);
  });

  it("that can't tell what has changed go on from their cursor", async () => {
    const { clock, asked, answers, isUnchanged } = await settled();
    clock.advance(headTtl);
    answers(() => ({ cursor: "new", organizationIds: undefined }));
    await isUnchanged();
    clock.advance(headTtl + settlingTime);
    await isUnchanged();
    await isUnchanged("other", momentOf(clock));
    expect(asked.at(-1)).toBe("new");
  });

  it("count when they come, from when they were begun", async () => {
    const { clock, answers, isUnchanged } = await settled();
    clock.advance(headTtl);
    answers(() => new Promise((resolve) => setTimeout(() => resolve(nothing), 2 * second)));
    const asking = isUnchanged();
    await vi.advanceTimersByTimeAsync(500);
    expect(await asking).toBe(false);
    clock.advance(2 * second);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(await isUnchanged()).toBe(true);
    clock.advance(headTtl - 2 * second);
    answers(() => Promise.reject(new Error("no route to store")));
    expect(await isUnchanged()).toBe(false);
  });

  it("that come after the store's time is over are dropped", async () => {
    const { clock, answers, tells, isUnchanged } = await settled();
    clock.advance(headTtl);
    answers(
      () => new Promise((resolve) => setTimeout(() => resolve({ cursor: "late", organizationIds: [] }), timeout + 1)),
    );
    const asking = isUnchanged();
    await vi.advanceTimersByTimeAsync(timeout + 1);
    expect(await asking).toBe(false);
    tells();
    expect(await isUnchanged()).toBe(false);
    clock.advance(headTtl);
    expect(await isUnchanged()).toBe(true);
  });
});

describe("the feed of a store", () => {
  it("is one for all who share store and clock", () => {
    const [store, clock] = [new MemoryKeyPairStore(), new TestClock()];
    const feed = headFeedOf(store, clock);
    expect(feed).toBeInstanceOf(HeadFeed);
    expect(headFeedOf(store, clock)).toBe(feed);
    expect(headFeedOf(store, new TestClock())).not.toBe(feed);
    expect(headFeedOf(new MemoryKeyPairStore(), clock)).not.toBe(feed);
  });

  it("is none where the store tells nothing", () => {
    const store: KeyPairStore = Object.assign(new MemoryKeyPairStore(), { headChanges: undefined });
    expect(headFeedOf(store, new TestClock())).toBeUndefined();
  });
});
