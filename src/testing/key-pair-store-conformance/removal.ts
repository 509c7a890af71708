import assert from "node:assert/strict";
import type { KeyPairStore } from "../../stores/key-pair-store.js";
import type { Check, Explanation } from "./check.js";
import type { RemovalPromise } from "./subject.js";
import { assertFilled, assertInvalid, assertSame, atOnce, bytes, fill, keyPair, organizationId } from "./fixtures.js";

type Removing = KeyPairStore & Required<Pick<KeyPairStore, "removeKeyPair">>;

const lost: Explanation = {
  means:
    "removeOrphanedKeyPairs() removes pairs that lost their race, and no other. A removal that reaches further destroys " +
    "recordings: what a removed pair's private half opened stays closed for ever.",
  look: "removeKeyPair: exact organization and id, the pair first and then its wrappings.",
  betweenProcesses: true,
};
const left: Explanation = {
  means: "What is left of a removed pair would stay for ever, or count as damage of the history.",
  look: "removeKeyPair: the pair and all of its wrappings, also where there is no pair (any more).",
};

export function checkRemoval(check: Check, promise: RemovalPromise): void {
  const checkRemoving = (
    name: string,
    explanation: Explanation,
    body: (store: Removing, other: Removing) => Promise<void>,
  ) =>
    check(name, explanation, async (store, other) => {
      assert.ok(canRemove(store) && canRemove(other), "the store has removeKeyPair");
      await body(store, other);
    });

  checkRemoving("removes a pair and its wrappings, and nothing else", lost, async (store, other) => {
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

  checkRemoving("changes nothing for a pair that is not there, and says so", left, async (store) => {
    assert.equal(await store.removeKeyPair(organizationId, "pair"), false);
    await store.createKeyPair(keyPair("pair", 1, "content"));
    assert.equal(await store.removeKeyPair(organizationId, "PAIR"), false);
    assert.equal(await store.removeKeyPair(organizationId, "pair"), true);
    assert.equal(await store.removeKeyPair(organizationId, "pair"), false);
    assertSame(await store.listKeyPairs(organizationId, { limit: 1 }), []);
  });

  checkRemoving("removes wrappings without a pair too", left, async (store, other) => {
    await store.createWrapping(organizationId, "pair", { wrappingId: "w", document: bytes("left by a crash") });
    assert.equal(await other.removeKeyPair(organizationId, "pair"), false);
    assertSame(await store.listWrappings(organizationId, "pair"), []);
  });

  const one = promise === "exact" ? "exactly one" : "at least one";
  checkRemoving(
    `tells ${one} of many concurrent callers that there was a pair`,
    {
      means: "The janitor's count of removed pairs, and the audit that it goes into, would be wrong.",
      look:
        "removeKeyPair: the answer of the conditional delete itself (rows deleted, the old item), not of a read before it. A " +
        'store that can\'t tell who removed something says `removal: "at-least-one-hears-true"`.',
      betweenProcesses: true,
    },
    async (store, other) => {
      for (const id of ["org-1", "org-2", "org-3", "org-4"]) {
        await fill(store, id);
        const answers = await atOnce(8, (worker) => (worker % 2 ? store : other).removeKeyPair(id, "pair"));
        const heard = answers.filter((there) => there).length;
        if (promise === "exact") assert.equal(heard, 1, "number of 8 callers at once who heard `true`");
        else assert.ok(heard > 0, "somebody of 8 callers at once heard `true`");
        assert.equal(await other.removeKeyPair(id, "pair"), false, "the answer when it is long gone");
      }
    },
  );

  const shortPage: Explanation = {
    means: "A listing that ends before the history does: the pairs behind would count as lost.",
    look: "listKeyPairs: what is removed between finding and reading is made up for from behind.",
  };
  checkRemoving("shortens no page of a concurrent listing but the last", shortPage, async (store, other) => {
    const pairs = Array.from({ length: 12 }, (_, index) => keyPair(`pair-${index}`, 12 - index, "content"));
    for (const pair of pairs) await store.createKeyPair(pair);
    const listing = Promise.all(Array.from({ length: 6 }, () => other.listKeyPairs(organizationId, { limit: 3 })));
    for (const { keyPairId } of pairs.slice(0, 6)) await store.removeKeyPair(organizationId, keyPairId);
    for (const page of await listing) assert.equal(page.length, 3, "a page ends early only where the history does");
  });

  checkRemoving("keeps organizations apart", lost, async (store) => {
    for (const id of ["org", "ORG", "org/pair"]) await fill(store, id);
    assert.equal(await store.removeKeyPair("org", "pair"), true);
    for (const id of ["ORG", "org/pair"]) await assertFilled(store, id);
  });

  checkRemoving("rejects bad input and the reason of an aborted signal, and removes nothing", lost, async (store) => {
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
