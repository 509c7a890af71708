import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { TextEncoder } from "node:util";
import { InvalidInputError } from "../../errors.js";
import type { KeyPairStore, StoredHead, StoredKeyPair } from "../../stores/key-pair-store.js";
import { isBytes } from "../../util/bytes.js";

export const organizationId = "org";
export const maxDocumentLength = 64 * 1024;
/** Reads of a status item until it must be what was written, and the pause between them, in ms. */
const [statusReads, statusPause] = [200, 25];

/** A call of each method. In this order the reads find nothing, and the writes then fill the organization. */
export function callsOf(store: KeyPairStore, id: string, signal?: AbortSignal): (() => Promise<unknown>)[] {
  return [
    () => store.readHead(id, { signal }),
    () => store.readKeyPair(id, "pair", { signal }),
    () => store.listKeyPairs(id, { limit: 1 }, { signal }),
    () => store.listWrappings(id, "pair", { signal }),
    () => store.readStatus(id, { signal }),
    ...writesOf(store, id, bytes("content"), signal),
  ];
}

export function writesOf(
  store: KeyPairStore,
  id: string,
  document: Uint8Array,
  signal?: AbortSignal,
): (() => Promise<unknown>)[] {
  return [
    () => store.createKeyPair({ organizationId: id, keyPairId: "pair", sequence: 1, document }, { signal }),
    () => store.createWrapping(id, "pair", { wrappingId: "w", document }, { signal }),
    () => store.swapHead(id, undefined, document, { signal }),
    () => store.writeStatus(id, document, { signal }),
  ];
}

/** Reads that find nothing in an empty organization. */
export function readsOf(store: KeyPairStore, id: string): (() => Promise<unknown>)[] {
  return callsOf(store, id).slice(0, 5);
}

/** Stores one of everything for an empty organization. */
export async function fill(store: KeyPairStore, id: string, document: Uint8Array = bytes(id)): Promise<void> {
  const [pair, wrapping, head] = await Promise.all(writesOf(store, id, document).map((write) => write()));
  const name = JSON.stringify(id);
  assert.equal(pair, "created", `pair of ${name}`);
  assert.equal(wrapping, "created", `wrapping of ${name}`);
  assert.ok(head, `head of ${name}`);
}

export async function assertFilled(store: KeyPairStore, id: string, document: Uint8Array = bytes(id)): Promise<void> {
  const pair = { organizationId: id, keyPairId: "pair", sequence: 1, document };
  assertSame((await store.readHead(id))?.document, document);
  assertSame(await store.readKeyPair(id, "pair"), pair);
  assertSame(await store.listKeyPairs(id, { limit: 10 }), [pair]);
  assertSame(await store.listWrappings(id, "pair"), [{ wrappingId: "w", document }]);
  await assertStatus(store, id, document);
}

/** Asserts what the status item is, as soon as the store shows it. */
export async function assertStatus(store: KeyPairStore, id: string, document: Uint8Array): Promise<void> {
  for (let read = 1; ; read += 1) {
    const found = await store.readStatus(id);
    if (found && Buffer.from(found).equals(document)) return;
    if (read === statusReads) return assertSame(found, document, `status of ${JSON.stringify(id)}`);
    await pause(statusPause);
  }
}

/**
 * All pages of the history, one by one. A listing that does not end, or not with the history, fails.
 * @param length - number of pairs in the history
 */
export async function readPages(store: KeyPairStore, limit: number, length: number): Promise<StoredKeyPair[]> {
  const seen: StoredKeyPair[] = [];
  for (;;) {
    const after = seen.at(-1);
    const page = await store.listKeyPairs(organizationId, { limit, after });
    const at =
      after === undefined ? "the first page" : `the page behind ${after.keyPairId} (sequence ${after.sequence})`;
    const wanted = Math.min(limit, length - seen.length);
    assert.ok(page.length <= limit, `${at} has ${page.length} pairs, more than its limit of ${limit}`);
    assert.notEqual(
      page[0]?.keyPairId,
      after?.keyPairId ?? "",
      `${at} begins with that pair again, and would for ever`,
    );
    assert.ok(page.length <= wanted, `${at} goes on behind the end: ${length} pairs are stored in all`);
    assert.equal(
      page.length,
      wanted,
      `${at} has ${page.length} pairs of ${wanted}: a short page reads as the last one`,
    );
    seen.push(...page);
    if (wanted === 0) return seen;
  }
}

export async function swapped(store: KeyPairStore, from: string | undefined, text: string): Promise<StoredHead> {
  const head = await store.swapHead(organizationId, from, bytes(text));
  assert.ok(head, `the swap to "${text}" from the current revision was answered as lost, and nobody else swapped`);
  assertBytes(head.document, text);
  return head;
}

/** Runs a task many times at once. */
export async function atOnce<T>(times: number, task: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: times }, (_, index) => task(index)));
}

export async function assertInvalid(call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => error instanceof InvalidInputError);
}

export function assertBytes(actual: Uint8Array | undefined, text: string): void {
  assertSame(actual, bytes(text));
}

export function keyPair(keyPairId: string, sequence: number, text: string): StoredKeyPair {
  return { organizationId, keyPairId, sequence, document: bytes(text) };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Asserts deep strict equality, except that a Buffer equals a plain `Uint8Array` with the same bytes. */
export function assertSame(actual: unknown, expected: unknown, message?: string): void {
  assert.deepEqual(plain(actual), plain(expected), message);
}

function plain(value: unknown): unknown {
  if (isBytes(value)) return { bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}
