import assert from "node:assert/strict";
import { assertBytes, assertSame, bytes, organizationId, swapped, type Check } from "./fixtures.js";

export function checkHead(check: Check): void {
  check("is missing at first", async (store) => {
    assert.equal(await store.readHead(organizationId), undefined);
  });

  check("is seen by everybody as soon as a swap resolves", async (store, other) => {
    const first = await store.swapHead(organizationId, undefined, bytes("one"));
    assert.ok(first, "the first swap wins");
    assertBytes(first.document, "one");
    assertSame(await other.readHead(organizationId), first);
    const second = await other.swapHead(organizationId, first.revision, bytes("two"));
    assert.ok(second, "a swap from the current revision wins");
    assert.notEqual(second.revision, first.revision);
    assertSame(await store.readHead(organizationId), second);
  });

  check("stays as it is when the expected revision is not the current one", async (store, other) => {
    const first = await swapped(store, undefined, "one");
    const second = await swapped(store, first, "two");
    for (const stale of [undefined, first, "no such revision", ""]) {
      assert.equal(await other.swapHead(organizationId, stale, bytes("late")), undefined, `from ${stale}`);
    }
    assert.equal((await store.readHead(organizationId))?.revision, second);
  });

  check("never gets an earlier revision back, even with the same content", async (store) => {
    const revisions = new Set<string>();
    let revision: string | undefined;
    for (let swap = 0; swap < 12; swap += 1) revisions.add((revision = await swapped(store, revision, "same")));
    assert.equal(revisions.size, 12);
  });

  check("moves once when many swap at once, and the winner is the one that is read", async (store, other) => {
    let revision: string | undefined;
    for (let generation = 0; generation < 20; generation += 1) {
      const from = revision;
      const swaps = await Promise.all(
        Array.from({ length: 16 }, (_, worker) =>
          (worker % 2 ? store : other).swapHead(organizationId, from, bytes(`${generation} by ${worker}`)),
        ),
      );
      const winners = swaps.filter((head) => head !== undefined);
      assert.equal(winners.length, 1, `winners in generation ${generation}`);
      assertSame(await store.readHead(organizationId), winners[0]);
      assertSame(await other.readHead(organizationId), winners[0]);
      revision = winners[0]?.revision;
    }
  });
}

export function checkStatus(check: Check): void {
  check("is what was written last", async (store, other) => {
    assert.equal(await store.readStatus(organizationId), undefined);
    for (const text of ["first", "second", ""]) {
      await store.writeStatus(organizationId, bytes(text));
      assertBytes(await other.readStatus(organizationId), text);
    }
    assert.equal(await store.readHead(organizationId), undefined, "status is not the head");
  });

  check("is always whole while many write it", async (store, other) => {
    const documents = Array.from({ length: 8 }, (_, writer) => new Uint8Array(20_000 + writer).fill(writer));
    await store.writeStatus(organizationId, documents[0] as Uint8Array);
    await Promise.all(
      documents.map(async (document, writer) => {
        for (let round = 0; round < 5; round += 1) {
          await (writer % 2 ? store : other).writeStatus(organizationId, document);
          const read = (await (writer % 2 ? other : store).readStatus(organizationId)) as Uint8Array;
          assertSame(read, documents[read[0] ?? -1], "one writer's document");
        }
      }),
    );
  });
}
