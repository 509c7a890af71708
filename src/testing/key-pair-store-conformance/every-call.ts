import assert from "node:assert/strict";
import type { Check, Explanation } from "./check.js";
import {
  assertBytes,
  assertFilled,
  assertInvalid,
  assertSame,
  assertStatus,
  bytes,
  callsOf,
  fill,
  keyPair,
  maxDocumentLength,
  organizationId,
  readsOf,
  writesOf,
} from "./fixtures.js";

/** Ids that a store might take for a path, a pattern, a query, or each other. */
export const hostileOrganizationIds = [
  "a",
  "A",
  "a ",
  " a",
  "a.",
  "a/",
  "/a",
  "..",
  ".",
  "../a",
  "../../a",
  "a/../a",
  "a\\..\\a",
  "%61",
  "%2e%2e",
  "a%",
  "%h61",
  "a\0",
  "a\n",
  "a:b",
  "a*",
  "a?",
  "~",
  "$HOME",
  "con",
  "nul",
  "__proto__",
  "constructor",
  "' or 1=1 --",
  "a#b",
  "a|b",
  "\u00e9",
  "e\u0301",
  "\u0130",
  "i\u0307",
  "\u{1f511}",
  "\u202ea",
  "\ufeffa",
  "x".repeat(512),
  `${"x".repeat(511)}y`,
  "\u{1f511}".repeat(128),
];

const apart: Explanation = {
  means: "One organization would record under another's key, see its history, or overwrite it.",
  look:
    "How an organization's id becomes a key, a path or a column: as its bytes (UTF-8 in a binary column, or base64url), with " +
    "nothing folded, trimmed, normalized, cut, or taken for a pattern or a folder.",
};
const bytesKept: Explanation = {
  means: "A record that comes back changed fails its checks: the pair, and what was recorded under it, can't be used.",
  look: "Documents: a copy before the first await on the way in, a new array on the way out, a binary column, no text.",
};
const input: Explanation = {
  means:
    "What one store takes and another refuses would be found when an organization moves, and an id could reach further.",
  look: "The checks of recording-keystore/stores (checkOrganizationId, checkKeyPair, checkListQuery …), first in each call.",
};
const aborted: Explanation = {
  means: "A caller that has gone would go on waiting, or be told of a failure of the store that there was not.",
  look: "`options?.signal?.throwIfAborted()` before the first step, in an async function.",
};

export function checkEveryCall(check: Check): void {
  check("keeps organizations apart, whatever their ids", apart, async (store, other) => {
    for (const id of hostileOrganizationIds) {
      assert.equal(await other.readHead(id), undefined, `head of ${JSON.stringify(id)}`);
      await fill(store, id);
    }
    for (const id of hostileOrganizationIds) await assertFilled(other, id);
  });

  check("copies bytes on their way in and out", bytesKept, async (store) => {
    const given = bytes("original");
    const pair = { organizationId, keyPairId: "pair", sequence: 1, document: given };
    // Not awaited: the caller may reuse its buffer as soon as a call has returned its promise.
    const writes = [
      store.swapHead(organizationId, undefined, given),
      store.createKeyPair(pair),
      store.createWrapping(organizationId, "pair", { wrappingId: "w", document: given }),
      store.writeStatus(organizationId, given),
    ];
    given.fill(0);
    await Promise.all(writes);
    const readAll = async (): Promise<(Uint8Array | undefined)[]> => [
      (await store.readHead(organizationId))?.document,
      (await store.readKeyPair(organizationId, "pair"))?.document,
      (await store.listKeyPairs(organizationId, { limit: 1 }))[0]?.document,
      (await store.listWrappings(organizationId, "pair"))[0]?.document,
      await store.readStatus(organizationId),
    ];
    await assertStatus(store, organizationId, bytes("original"));
    for (const document of await readAll()) document?.fill(0);
    for (const document of await readAll()) assertBytes(document, "original");
  });

  check("takes any bytes from none to 64 KiB, and not one more", bytesKept, async (store, other) => {
    const every = Uint8Array.from({ length: maxDocumentLength }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    for (const [index, document] of [new Uint8Array(0), every, Buffer.from(every).subarray(1, 1000)].entries()) {
      const id = `org-${index}`;
      await fill(store, id, document);
      await assertFilled(other, id, document);
    }
    const tooLong = new Uint8Array(maxDocumentLength + 1);
    for (const write of writesOf(store, "org-9", tooLong)) await assertInvalid(write());
    assert.equal(await store.readHead("org-9"), undefined);
  });

  check("refuses ids and numbers that break the rules", input, async (store) => {
    const badOrganizationIds = [
      "",
      "x".repeat(513),
      "\u{1f511}".repeat(129),
      "\ud800",
      "a\udc00b",
      7 as unknown as string,
    ];
    for (const id of badOrganizationIds) for (const call of callsOf(store, id)) await assertInvalid(call());
    for (const id of ["", "a.b", "../a", "a/b", "a b", "é", "x".repeat(65), undefined as unknown as string]) {
      await assertInvalid(store.createKeyPair(keyPair(id, 1, "")));
      await assertInvalid(store.readKeyPair(organizationId, id));
      await assertInvalid(store.listWrappings(organizationId, id));
      await assertInvalid(store.createWrapping(organizationId, id, { wrappingId: "w", document: bytes("") }));
      await assertInvalid(store.createWrapping(organizationId, "pair", { wrappingId: id, document: bytes("") }));
    }
    for (const number of [0, -1, 1.5, NaN, Infinity, 2 ** 53, "1" as unknown as number]) {
      await assertInvalid(store.createKeyPair(keyPair("pair", number, "")));
      await assertInvalid(store.listKeyPairs(organizationId, { limit: number }));
    }
    await assertInvalid(store.writeStatus(organizationId, "text" as unknown as Uint8Array));
    assertSame(await store.listKeyPairs(organizationId, { limit: 10 }), []);
  });

  check("takes ids of the longest allowed length", input, async (store, other) => {
    const id = "Aa0-_Zz9".repeat(8);
    await store.createKeyPair(keyPair(id, Number.MAX_SAFE_INTEGER, "content"));
    await store.createWrapping(organizationId, id, { wrappingId: id, document: bytes("content") });
    assertSame(await other.readKeyPair(organizationId, id), keyPair(id, Number.MAX_SAFE_INTEGER, "content"));
    assert.equal((await other.listWrappings(organizationId, id))[0]?.wrappingId, id);
  });

  check("rejects with the reason of a signal that is aborted, and writes nothing", aborted, async (store) => {
    const reason = new Error("the caller has gone");
    const signal = AbortSignal.abort(reason);
    for (const call of callsOf(store, organizationId, signal))
      await assert.rejects(call(), (error) => error === reason);
    for (const read of readsOf(store, organizationId))
      assertSame((await read()) ?? [], [], "what an aborted write wrote");
    for (const call of callsOf(store, organizationId, new AbortController().signal)) await call();
    await assertFilled(store, organizationId, bytes("content"));
  });
}
