import assert from "node:assert/strict";
import type { StoredKeyPair } from "../../stores/key-pair-store.js";
import type { Check } from "./check.js";
import { assertBytes, assertSame, atOnce, bytes, keyPair, organizationId, readPages } from "./fixtures.js";

const lostPair =
  "A key pair whose private half is not found again: every recording made under it could never be opened.";
const replacedPair =
  "A key pair that was replaced by another: the recordings made under the first could never be opened, and an intruder could " +
  "put a key of his own in the place of the organization's.";
const unseenHistory =
  "Rotation, rewrap and the history walk the listing. What it leaves out, or shows in another order, counts as lost: " +
  "keyPairs() fails with ERR_STORE_CORRUPT, and a rewrap skips pairs that a KMS key about to be deleted still holds.";
const insert =
  "createKeyPair: a conditional insert, `exists` where it hits the primary key. Never an upsert, never a read first.";

export function checkKeyPairs(check: Check): void {
  check(
    "are found by id as they were stored",
    { means: lostPair, look: "createKeyPair and readKeyPair: each member and each byte comes back as it was." },
    async (store, other) => {
      for (const pair of [keyPair("Pair_1-a", 7, "content"), keyPair("pair_2", 2 ** 31 + 1, "another")]) {
        assert.equal(await store.readKeyPair(organizationId, pair.keyPairId), undefined);
        assert.equal(await store.createKeyPair(pair), "created");
        assertSame(await other.readKeyPair(organizationId, pair.keyPairId), pair);
      }
    },
  );

  check("are never changed", { means: replacedPair, look: insert }, async (store, other) => {
    const pair = keyPair("pair", 1, "first");
    assert.equal(await store.createKeyPair(pair), "created");
    for (const again of [pair, keyPair("pair", 1, "second"), keyPair("pair", 2, "first")]) {
      assert.equal(await other.createKeyPair(again), "exists", "the answer to an id that is taken");
    }
    assertSame(await store.readKeyPair(organizationId, "pair"), pair);
    assertSame(await store.listKeyPairs(organizationId, { limit: 10 }), [pair]);
  });

  check(
    "are created once when many create one id at once",
    { means: replacedPair, look: insert, betweenProcesses: true },
    async (store, other) => {
      for (const id of ["pair-1", "pair-2", "pair-3", "pair-4"]) {
        const answers = await atOnce(16, (worker) =>
          (worker % 2 ? store : other).createKeyPair(keyPair(id, worker + 1, `by ${worker}`)),
        );
        assert.equal(answers.filter((answer) => answer === "created").length, 1, "number of creators told `created`");
        const stored = await store.readKeyPair(organizationId, id);
        assert.ok(stored, "the created pair is there");
        assert.equal(answers[stored.sequence - 1], "created", "the answer to the one whose pair is stored");
        assertBytes(stored.document, `by ${stored.sequence - 1}`);
      }
    },
  );

  check(
    "whose ids differ in case, or begin alike, are different pairs",
    { means: lostPair, look: "The id's column or key: binary comparison, no case folding, no prefix match." },
    async (store, other) => {
      const ids = ["abc", "ab-", "a_b", "ab", "AB", "a", "00", "0", "1000", "1e3"];
      for (const [index, id] of ids.entries()) {
        assert.equal(await other.readKeyPair(organizationId, id), undefined, `pair ${id} before it is stored`);
        assertSame(await other.listWrappings(organizationId, id), [], `wrappings of ${id} before they are stored`);
        assert.equal(await store.createKeyPair(keyPair(id, index + 1, `pair ${id}`)), "created", id);
        assert.equal(
          await store.createWrapping(organizationId, id, { wrappingId: "w", document: bytes(`wrapping ${id}`) }),
          "created",
          id,
        );
      }
      for (const [index, id] of ids.entries()) {
        assertSame(await other.readKeyPair(organizationId, id), keyPair(id, index + 1, `pair ${id}`));
        assertSame(await other.listWrappings(organizationId, id), [
          { wrappingId: "w", document: bytes(`wrapping ${id}`) },
        ]);
      }
    },
  );

  check(
    "are listed from the highest sequence down, then by id in ASCII order, page by page",
    {
      means: unseenHistory,
      look:
        "listKeyPairs: ORDER BY sequence DESC as a number, then by id in binary collation (`C`), behind (sequence, id) of " +
        "`after` compared as a pair, whether such a pair is stored or not.",
    },
    async (store, other) => {
      const history = [
        keyPair("high", Number.MAX_SAFE_INTEGER, "highest"),
        keyPair("next", Number.MAX_SAFE_INTEGER - 1, "next"),
        keyPair("k", 2 ** 32, "2^32"),
        keyPair("i", 100, "100"),
        keyPair("z", 10, "10 z"),
        keyPair("m", 9, "9 m"),
        ...["-", "1", "B", "_", "a", "b"].map((id) => keyPair(id, 2, `2 ${id}`)),
        keyPair("c", 1, "1 c"),
      ];
      for (const pair of [...history].sort((a, b) => (a.keyPairId < b.keyPairId ? 1 : -1)))
        await store.createKeyPair(pair);
      assertSame(await other.listKeyPairs(organizationId, { limit: 100 }), history);
      for (const limit of [1, 2, 3, history.length]) {
        assertSame(await readPages(other, limit, history.length), history, `in pages of ${limit}`);
      }
      const behind = async (after: Pick<StoredKeyPair, "sequence" | "keyPairId">) =>
        (await store.listKeyPairs(organizationId, { limit: 1, after }))[0]?.keyPairId;
      assert.equal(await behind({ sequence: 9, keyPairId: "zz" }), "-", "behind a place where no pair is");
      assert.equal(await behind({ sequence: 50, keyPairId: "a" }), "z", "behind a sequence that no pair has");
      assert.equal(await behind({ sequence: 1, keyPairId: "c" }), undefined, "behind the last");
      assertSame(await store.listKeyPairs("nobody", { limit: 10 }), []);
    },
  );

  check(
    "are listed as soon as they are stored",
    {
      means: unseenHistory,
      look: "listKeyPairs: a consistent read, not of an index or replica that follows later.",
      betweenProcesses: true,
    },
    async (store, other) => {
      for (let sequence = 1; sequence <= 5; sequence += 1) {
        await store.createKeyPair(keyPair(`pair-${sequence}`, sequence, "content"));
        const listed = await other.listKeyPairs(organizationId, { limit: 100 });
        assertSame(
          listed.map((pair) => pair.sequence),
          Array.from({ length: sequence }, (_, i) => sequence - i),
        );
      }
    },
  );
}

export function checkWrappings(check: Check): void {
  const means =
    "A private half that was wrapped under another KMS key or Region would not be found when the first key is gone, or one " +
    "pair's would be taken for another's: recordings could not be opened.";
  check(
    "are listed by id, of their own pair only",
    { means, look: "listWrappings: all of exactly this pair, by id in binary collation." },
    async (store, other) => {
      for (const id of ["pair", "PAIR", "pair-2"]) await store.createKeyPair(keyPair(id, 1, id));
      assertSame(await store.listWrappings(organizationId, "pair"), []);
      for (const wrappingId of ["b", "a", "B", "_", "-", "1"]) {
        assert.equal(
          await store.createWrapping(organizationId, "pair", { wrappingId, document: bytes(wrappingId) }),
          "created",
        );
      }
      for (const id of ["PAIR", "pair-2"])
        await store.createWrapping(organizationId, id, { wrappingId: "other", document: bytes("other") });
      assertSame(
        await other.listWrappings(organizationId, "pair"),
        ["-", "1", "B", "_", "a", "b"].map((wrappingId) => ({ wrappingId, document: bytes(wrappingId) })),
      );
      assertSame(
        (await other.listKeyPairs(organizationId, { limit: 10 })).map((pair) => pair.keyPairId),
        ["PAIR", "pair", "pair-2"],
        "pairs listed beside wrappings",
      );
    },
  );

  check(
    "are created once, never changed, and change no pair",
    { means, look: "createWrapping: a conditional insert, as createKeyPair. Never an upsert.", betweenProcesses: true },
    async (store, other) => {
      const pair = keyPair("pair", 1, "content");
      await store.createKeyPair(pair);
      const answers = await atOnce(8, (worker) =>
        (worker % 2 ? store : other).createWrapping(organizationId, "pair", {
          wrappingId: "w",
          document: bytes(`${worker}`),
        }),
      );
      assert.equal(answers.filter((answer) => answer === "created").length, 1, "number of creators told `created`");
      const stored = { wrappingId: "w", document: bytes(`${answers.indexOf("created")}`) };
      assertSame(await store.listWrappings(organizationId, "pair"), [stored]);
      const again = { wrappingId: "w", document: bytes("later") };
      assert.equal(await other.createWrapping(organizationId, "pair", again), "exists");
      assertSame(await other.listWrappings(organizationId, "pair"), [stored]);
      assertSame(await other.readKeyPair(organizationId, "pair"), pair);
    },
  );

  check(
    "are stored without their pair too",
    {
      means:
        "A mark or wrapping that is written beside its pair, or before it is seen, would be refused, and the change with it.",
      look: "createWrapping: no foreign key, and no read of the pair.",
    },
    async (store, other) => {
      const wrapping = { wrappingId: "w", document: bytes("alone") };
      assert.equal(await store.createWrapping(organizationId, "pair", wrapping), "created");
      assertSame(await other.listWrappings(organizationId, "pair"), [wrapping]);
      assert.equal(await other.readKeyPair(organizationId, "pair"), undefined);
      assertSame(await other.listKeyPairs(organizationId, { limit: 10 }), []);
    },
  );
}
