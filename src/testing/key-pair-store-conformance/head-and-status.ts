import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { StoredHead } from "../../stores/key-pair-store.js";
import type { Check } from "./check.js";
import { assertSame, assertStatus, atOnce, bytes, organizationId, swapped } from "./fixtures.js";

const twoActive =
  "Two workers that change the key at once would each believe that their pair is the active one. One of the pairs would be " +
  "used and then forgotten, and a change that an administrator was told of would be undone.";
const lateHead =
  "A worker would go on recording under a key pair that was changed, perhaps because its KMS key is at risk, and a change " +
  "made on top of an old head would be lost.";
const conditional =
  "swapHead: comparing and writing must be one conditional operation of the database (`UPDATE … WHERE revision = …`, " +
  "`INSERT … ON CONFLICT DO NOTHING`, a condition expression), not a read and then a write, nor a lock of this process.";
const consistent = "readHead: a consistent read, from the primary, without a cache.";

/** @param swaps - number of swaps one after another of which none may be lost */
export function checkHead(check: Check, swaps: number): void {
  check("is missing at first", { means: "No organization could be configured.", look: "readHead." }, async (store) => {
    assert.equal(await store.readHead(organizationId), undefined);
  });

  check(
    "is seen by everybody as soon as a swap resolves",
    { means: lateHead, look: consistent, betweenProcesses: true },
    async (store, other) => {
      const first = await swapped(store, undefined, "one");
      assertSame(await other.readHead(organizationId), first);
      const second = await swapped(other, first.revision, "two");
      assert.notEqual(second.revision, first.revision);
      assertSame(await store.readHead(organizationId), second);
    },
  );

  check(
    "is seen at once by one who reads all the time",
    { means: lateHead, look: `${consistent} One of a millisecond is too long.`, betweenProcesses: true },
    async (store, other) => {
      let head: StoredHead | undefined;
      let reading = true;
      const readers = atOnce(2, async () => {
        for (; reading; await turn()) await other.readHead(organizationId);
      });
      readers.catch(() => undefined); // looked at below
      try {
        for (let generation = 0; generation < 30; generation += 1) {
          await other.readHead(organizationId);
          head = await swapped(store, head?.revision, `generation ${generation}`);
          assertSame(await other.readHead(organizationId), head, `head after ${generation + 1} swaps`);
        }
      } finally {
        reading = false;
        await readers;
      }
    },
  );

  check(
    "stays as it is when the expected revision is not the current one",
    { means: twoActive, look: conditional },
    async (store, other) => {
      const { revision: first } = await swapped(store, undefined, "one");
      const second = await swapped(store, first, "two");
      for (const stale of [undefined, first, "", "no such revision", `${second.revision} `, `${second.revision}x`]) {
        assert.equal(await other.swapHead(organizationId, stale, bytes("late")), undefined, `from ${stale}`);
        assertSame(await store.readHead(organizationId), second, `after a swap from ${stale}`);
      }
      assert.equal(
        await other.swapHead("org-without-head", first, bytes("late")),
        undefined,
        "from a head that is not there",
      );
      assert.equal(await other.readHead("org-without-head"), undefined);
    },
  );

  check(
    `never gets an earlier revision back, and loses none of ${swaps} swaps`,
    { means: twoActive, look: `${conditional} A revision is a counter or random, not a time or the content's digest.` },
    async (store, other) => {
      const revisions = new Set<string>();
      let head: StoredHead | undefined;
      for (let swap = 1; swap <= swaps; swap += 1) {
        head = await swapped(store, head?.revision, "same");
        revisions.add(head.revision);
        assertSame(await other.readHead(organizationId), head, `head after ${swap} swaps`);
      }
      assert.equal(revisions.size, swaps, "different revisions");
    },
  );

  check(
    "moves once when many swap at once, and the winner is the one that is read",
    { means: twoActive, look: conditional, betweenProcesses: true },
    async (store, other) => {
      let revision: string | undefined;
      for (let generation = 0; generation < 20; generation += 1) {
        const from = revision;
        const heads = await atOnce(16, (worker) =>
          (worker % 2 ? store : other).swapHead(organizationId, from, bytes(`${generation} by ${worker}`)),
        );
        const winners = heads.filter((head) => head !== undefined);
        assert.equal(winners.length, 1, `number of 16 swaps that were told they won, in generation ${generation}`);
        assertSame(await store.readHead(organizationId), winners[0]);
        assertSame(await other.readHead(organizationId), winners[0]);
        revision = winners[0]?.revision;
      }
    },
  );
}

export function checkStatus(check: Check): void {
  const means =
    "Workers would not learn from one another that KMS is away or refuses, nor what KMS has confirmed: a new pod would start an " +
    "outage with nothing.";
  check(
    "is what was written last",
    { means, look: "writeStatus replaces the item; it is no part of the head." },
    async (store, other) => {
      assert.equal(await store.readStatus(organizationId), undefined);
      for (const text of ["first", "second, which is longer", "3", ""]) {
        await store.writeStatus(organizationId, bytes(text));
        await assertStatus(other, organizationId, bytes(text));
      }
      assert.equal(await store.readHead(organizationId), undefined, "the head: a status is none");
      const head = await swapped(store, undefined, "head");
      await store.writeStatus(organizationId, bytes("status"));
      assertSame(await other.readHead(organizationId), head, "the head behind a status");
    },
  );

  check(
    "is always whole while many write it",
    { means, look: "writeStatus: one write of the whole item, not several, and not over the old one in its place." },
    async (store, other) => {
      const documents = Array.from({ length: 8 }, (_, writer) => new Uint8Array(20_000 + writer).fill(writer));
      await store.writeStatus(organizationId, documents[0] as Uint8Array);
      for (const each of [store, other]) await assertStatus(each, organizationId, documents[0] as Uint8Array);
      await Promise.all(
        documents.map(async (document, writer) => {
          for (let round = 0; round < 5; round += 1) {
            await (writer % 2 ? store : other).writeStatus(organizationId, document);
            const read = await (writer % 2 ? other : store).readStatus(organizationId);
            assertSame(read, documents[read?.[0] ?? -1], "one writer's document");
          }
        }),
      );
    },
  );
}
