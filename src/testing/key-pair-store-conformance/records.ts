import assert from "node:assert/strict";
import type { StoredKeyPair } from "../../stores/key-pair-store.js";
import { assertBytes, assertSame, bytes, keyPair, organizationId, type Check } from "./fixtures.js";

export function checkKeyPairs(check: Check): void {
  check("are found by id as they were stored", async (store, other) => {
    const pair = keyPair("Pair_1-a", 7, "content");
    assert.equal(await store.readKeyPair(organizationId, pair.keyPairId), undefined);
    assert.equal(await store.createKeyPair(pair), "created");
    assertSame(await other.readKeyPair(organizationId, pair.keyPairId), pair);
  });

  check("are never changed", async (store, other) => {
    const pair = keyPair("pair", 1, "first");
    await store.createKeyPair(pair);
    for (const again of [pair, keyPair("pair", 1, "second"), keyPair("pair", 2, "first")]) {
      assert.equal(await other.createKeyPair(again), "exists");
    }
    assertSame(await store.readKeyPair(organizationId, "pair"), pair);
    assertSame(await store.listKeyPairs(organizationId, { limit: 10 }), [pair]);
  });

  check("are created once when many create one id at once", async (store, other) => {
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, worker) =>
        (worker % 2 ? store : other).createKeyPair(keyPair("pair", worker + 1, `by ${worker}`)),
      ),
    );
    assert.equal(answers.filter((answer) => answer === "created").length, 1);
    const { sequence, document } = (await store.readKeyPair(organizationId, "pair")) as StoredKeyPair;
    assert.equal(answers[sequence - 1], "created", "the stored pair is the winner's");
    assertBytes(document, `by ${sequence - 1}`);
  });

  check("whose ids differ in case are different pairs", async (store) => {
    assert.equal(await store.createKeyPair(keyPair("ab", 1, "lower")), "created");
    assert.equal(await store.createKeyPair(keyPair("AB", 2, "upper")), "created");
    assertBytes((await store.readKeyPair(organizationId, "ab"))?.document, "lower");
    assertBytes((await store.readKeyPair(organizationId, "AB"))?.document, "upper");
  });

  check("are listed from the highest sequence down, then by id in ASCII order, page by page", async (store, other) => {
    const history = [
      keyPair("z", 10, "10 z"),
      keyPair("m", 9, "9 m"),
      ...["-", "1", "B", "_", "a", "b"].map((id) => keyPair(id, 2, `2 ${id}`)),
      keyPair("c", 1, "1 c"),
    ];
    for (const pair of [...history].sort((a, b) => (a.keyPairId < b.keyPairId ? 1 : -1)))
      await store.createKeyPair(pair);
    assertSame(await other.listKeyPairs(organizationId, { limit: 100 }), history);
    for (const limit of [1, 2, 3, history.length]) {
      const seen: StoredKeyPair[] = [];
      for (let page = await other.listKeyPairs(organizationId, { limit }); page.length > 0;) {
        assert.ok(page.length <= limit, "no page is longer than its limit");
        seen.push(...page);
        page = await other.listKeyPairs(organizationId, { limit, after: page[page.length - 1] });
      }
      assertSame(seen, history, `in pages of ${limit}`);
    }
    // No stored pair needs to be at the position.
    assertSame(await store.listKeyPairs(organizationId, { limit: 1, after: { sequence: 9, keyPairId: "zz" } }), [
      history[2],
    ]);
    assertSame(await store.listKeyPairs("nobody", { limit: 10 }), []);
  });

  check("are listed as soon as they are stored", async (store, other) => {
    for (let sequence = 1; sequence <= 5; sequence += 1) {
      await store.createKeyPair(keyPair(`pair-${sequence}`, sequence, "content"));
      const listed = await other.listKeyPairs(organizationId, { limit: 100 });
      assertSame(
        listed.map((pair) => pair.sequence),
        Array.from({ length: sequence }, (_, i) => sequence - i),
      );
    }
  });
}

export function checkWrappings(check: Check): void {
  check("are listed by id, of their own pair only", async (store, other) => {
    for (const id of ["pair", "PAIR"]) await store.createKeyPair(keyPair(id, 1, id));
    assertSame(await store.listWrappings(organizationId, "pair"), []);
    for (const wrappingId of ["b", "a", "B"]) {
      assert.equal(
        await store.createWrapping(organizationId, "pair", { wrappingId, document: bytes(wrappingId) }),
        "created",
      );
    }
    await store.createWrapping(organizationId, "PAIR", { wrappingId: "other", document: bytes("other") });
    const listed = await other.listWrappings(organizationId, "pair");
    assertSame(
      listed,
      ["B", "a", "b"].map((wrappingId) => ({ wrappingId, document: bytes(wrappingId) })),
    );
  });

  check("are created once, never changed, and change no pair", async (store, other) => {
    const pair = keyPair("pair", 1, "content");
    await store.createKeyPair(pair);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, worker) =>
        (worker % 2 ? store : other).createWrapping(organizationId, "pair", {
          wrappingId: "w",
          document: bytes(`${worker}`),
        }),
      ),
    );
    assert.equal(answers.filter((answer) => answer === "created").length, 1);
    const stored = { wrappingId: "w", document: bytes(`${answers.indexOf("created")}`) };
    assertSame(await store.listWrappings(organizationId, "pair"), [stored]);
    assertSame(await other.readKeyPair(organizationId, "pair"), pair);
  });
}
