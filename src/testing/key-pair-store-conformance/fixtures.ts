import assert from "node:assert/strict";
import { TextEncoder } from "node:util";
import { InvalidInputError } from "../../errors.js";
import type { KeyPairStore, StoredKeyPair } from "../../stores/key-pair-store.js";
import { isBytes } from "../../util/bytes.js";

/** Declares one test over two handles on one empty store. */
export type Check = (name: string, body: (store: KeyPairStore, other: KeyPairStore) => Promise<void>) => void;

export const organizationId = "org";
export const maxDocumentLength = 64 * 1024;

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
  assertSame(await store.readStatus(id), document);
}

export async function swapped(store: KeyPairStore, from: string | undefined, text: string): Promise<string> {
  const head = await store.swapHead(organizationId, from, bytes(text));
  assert.ok(head, `swap from ${from} to ${text}`);
  return head.revision;
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
