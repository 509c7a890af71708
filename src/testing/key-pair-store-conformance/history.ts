import assert from "node:assert/strict";
import type { KeyPairStore, StoredKeyPair, StoredWrapping } from "../../stores/key-pair-store.js";
import type { Check, Explanation } from "./check.js";
import {
  assertSame,
  assertStatus,
  atOnce,
  bytes,
  keyPair,
  maxDocumentLength,
  organizationId,
  readPages,
} from "./fixtures.js";

/** More than the pages and batches of 10, 25 and 100 items that clients and services have. */
const several = 120;
/** More documents of the longest kind than a page of 1 MiB holds. */
const longDocuments = 20;
/** Calls at once while a large history is stored. */
const creators = 50;

const paging: Explanation = {
  means:
    "An organization that rotates daily has 100 pairs within months. Pairs behind the cut would count as lost: their recordings " +
    "can't be opened, keyPairs() fails, and a rewrap leaves them under the old KMS key.",
  look:
    "listKeyPairs and listWrappings: what the database calls a page (by number of items, or 1 MiB of them) is not `limit`; read " +
    "on until `limit` or the end is reached.",
};

export function checkHistory(check: Check): void {
  check(
    `takes ${several} of each kind of write at once`,
    {
      means:
        "Writes that were acknowledged, and then dropped: a key pair under which recordings are made would not exist.",
      look: "Batches, pools and queues of the store: all writes are sent, and each is answered by what became of it.",
    },
    async (store, other) => {
      const pairs = Array.from({ length: several }, (_, index) =>
        keyPair(`pair-${index}`, several - index, `${index}`),
      );
      const created = await Promise.all(pairs.map((pair) => store.createKeyPair(pair)));
      assertSame([...new Set(created)], ["created"]);
      await assertHistory(other, pairs, [several, 50, 7]);

      const wrappings = await addWrappings(store, several, (index) => bytes(`${index}`));
      assertSame(await other.listWrappings(organizationId, "pair-0"), wrappings);

      const organizations = Array.from({ length: several }, (_, index) => `org ${index}`);
      const heads = await Promise.all(organizations.map((id) => store.swapHead(id, undefined, bytes(id))));
      await Promise.all(organizations.map((id) => store.writeStatus(id, bytes(id))));
      for (const [index, id] of organizations.entries()) {
        assert.ok(heads[index], `the only swap of ${id} was answered as lost`);
        assertSame(await other.readHead(id), heads[index]);
        await assertStatus(other, id, bytes(id));
      }
    },
  );

  check("lists more than 1 MiB of pairs and wrappings", paging, async (store, other) => {
    const pairs = Array.from({ length: longDocuments }, (_, index) => longPair(index));
    for (const pair of pairs) await store.createKeyPair(pair);
    await assertHistory(other, pairs, [longDocuments, longDocuments * 10]);
    const wrappings = await addWrappings(store, longDocuments, longDocument);
    assertSame(await other.listWrappings(organizationId, "pair-0"), wrappings);
  });
}

/** @param length - number of pairs, and of wrappings beside one of them */
export function checkLargeHistory(check: Check, length: number): void {
  check(`lists ${length} pairs and ${length} wrappings`, paging, async (store, other) => {
    const pairs = Array.from({ length }, (_, index) => keyPair(`pair-${index}`, length - index, `${index}`));
    await inGroups(pairs, async (pair) => assert.equal(await store.createKeyPair(pair), "created"));
    await assertHistory(other, pairs, [5_000, 1_000, 100]);
    const wrappings = await addWrappings(store, length, (index) => bytes(`${index}`));
    assertSame(await other.listWrappings(organizationId, "pair-0"), wrappings);
  });
}

async function assertHistory(store: KeyPairStore, pairs: readonly StoredKeyPair[], limits: number[]): Promise<void> {
  for (const limit of limits) {
    assertSame(await readPages(store, limit, pairs.length), pairs, `the history in pages of ${limit}`);
  }
}

async function addWrappings(
  store: KeyPairStore,
  count: number,
  documentOf: (index: number) => Uint8Array,
): Promise<StoredWrapping[]> {
  const wrappings = Array.from({ length: count }, (_, index) => ({
    wrappingId: `w-${String(index).padStart(6, "0")}`,
    document: documentOf(index),
  }));
  await inGroups(wrappings, async (wrapping) =>
    assert.equal(await store.createWrapping(organizationId, "pair-0", wrapping), "created"),
  );
  return wrappings;
}

async function inGroups<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += creators) {
    const group = items.slice(start, start + creators);
    await atOnce(group.length, (index) => task(group[index] as T));
  }
}

function longPair(index: number): StoredKeyPair {
  const keyPairId = `pair-${index}`;
  return { organizationId, keyPairId, sequence: longDocuments - index, document: longDocument(index) };
}

function longDocument(index: number): Uint8Array {
  return new Uint8Array(maxDocumentLength).fill(index + 1);
}
