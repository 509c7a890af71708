import assert from "node:assert/strict";
import type { KeyPairStore } from "../../stores/key-pair-store.js";
import {
  assertFilled,
  assertInvalid,
  assertSame,
  bytes,
  fill,
  keyPair,
  organizationId,
  type Check,
} from "./fixtures.js";

type Removing = KeyPairStore & Required<Pick<KeyPairStore, "removeKeyPair">>;

/** Passes for stores that can't remove. */
export function checkRemoval(check: Check): void {
  const checkRemoving = (name: string, body: (store: Removing, other: Removing) => Promise<void>) =>
    check(name, async (store, other) => {
      if (canRemove(store) && canRemove(other)) await body(store, other);
    });

  checkRemoving("removes a pair and its wrappings, and nothing else", async (store, other) => {
    const [kept, gone] = [keyPair("kept", 1, "kept"), keyPair("gone", 1, "gone")];
    for (const pair of [kept, gone]) {
      await store.createKeyPair(pair);
      for (const wrappingId of ["a", "b"])
        await store.createWrapping(organizationId, pair.keyPairId, { wrappingId, document: bytes(pair.keyPairId) });
    }
    const head = await store.swapHead(organizationId, undefined, bytes("head"));
    await other.listKeyPairs(organizationId, { limit: 10 }); // for stores that cache listings
    assert.equal(await store.removeKeyPair(organizationId, "gone"), true);
    assert.equal(await other.readKeyPair(organizationId, "gone"), undefined);
    assertSame(await other.listWrappings(organizationId, "gone"), []);
    for (const each of [store, other]) assertSame(await each.listKeyPairs(organizationId, { limit: 10 }), [kept]);
    assertSame(await other.readKeyPair(organizationId, "kept"), kept);
    assert.equal((await other.listWrappings(organizationId, "kept")).length, 2);
    assertSame(await other.readHead(organizationId), head);
  });

  checkRemoving("changes nothing for a pair that is not there, and says so", async (store) => {
    assert.equal(await store.removeKeyPair(organizationId, "pair"), false);
    await store.createKeyPair(keyPair("pair", 1, "content"));
    assert.equal(await store.removeKeyPair(organizationId, "PAIR"), false);
    assert.equal(await store.removeKeyPair(organizationId, "pair"), true);
    assert.equal(await store.removeKeyPair(organizationId, "pair"), false);
    assertSame(await store.listKeyPairs(organizationId, { limit: 1 }), []);
  });

  checkRemoving("removes wrappings without a pair too", async (store, other) => {
    await store.createWrapping(organizationId, "pair", { wrappingId: "w", document: bytes("left by a crash") });
    assert.equal(await other.removeKeyPair(organizationId, "pair"), false);
    assertSame(await store.listWrappings(organizationId, "pair"), []);
  });

  checkRemoving("tells exactly one of many concurrent callers that there was a pair", async (store, other) => {
    await fill(store, organizationId);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, worker) => (worker % 2 ? store : other).removeKeyPair(organizationId, "pair")),
    );
    assert.equal(answers.filter((there) => there).length, 1);
  });

  checkRemoving("shortens no page of a concurrent listing but the last", async (store, other) => {
    const pairs = Array.from({ length: 12 }, (_, index) => keyPair(`pair-${index}`, 12 - index, "content"));
    for (const pair of pairs) await store.createKeyPair(pair);
    const listing = Promise.all(Array.from({ length: 6 }, () => other.listKeyPairs(organizationId, { limit: 3 })));
    for (const { keyPairId } of pairs.slice(0, 6)) await store.removeKeyPair(organizationId, keyPairId);
    for (const page of await listing) assert.equal(page.length, 3, "a page ends early only where the history does");
  });

  checkRemoving("keeps organizations apart", async (store) => {
    for (const id of ["org", "ORG", "org/pair"]) await fill(store, id);
    assert.equal(await store.removeKeyPair("org", "pair"), true);
    for (const id of ["ORG", "org/pair"]) await assertFilled(store, id);
  });

  checkRemoving("rejects bad input and the reason of an aborted signal, and removes nothing", async (store) => {
    await fill(store, organizationId);
    for (const id of ["", "\ud800", "x".repeat(513)]) await assertInvalid(store.removeKeyPair(id, "pair"));
    for (const id of ["", "..", "a/b", "*", "x".repeat(65)])
      await assertInvalid(store.removeKeyPair(organizationId, id));
    const reason = new Error("the caller has gone");
    await assert.rejects(
      store.removeKeyPair(organizationId, "pair", { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
    await assertFilled(store, organizationId);
  });
}

function canRemove(store: KeyPairStore): store is Removing {
  return typeof store.removeKeyPair === "function";
}
