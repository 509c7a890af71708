import { expect } from "vitest";
import type { KeyPairStore, StoredHead } from "../../src/stores/key-pair-store.js";

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Stores one record of each kind. */
export async function fillOrganization(store: KeyPairStore, organizationId: string): Promise<StoredHead> {
  await store.createKeyPair({ organizationId, keyPairId: "pair", sequence: 1, document: bytes("a key pair") });
  await store.createWrapping(organizationId, "pair", { wrappingId: "wrapping", document: bytes("a wrapping") });
  await store.writeStatus(organizationId, bytes("a status"));
  const head = await store.swapHead(organizationId, undefined, bytes("a head"));
  if (!head) throw new Error(`${organizationId} has a head already`);
  return head;
}

/** Vitest's matchers under the type of what they match. */
export const textWith = (part: string): string => expect.stringContaining(part) as string;
export const textLike = (pattern: RegExp): string => expect.stringMatching(pattern) as string;
