import { InvalidInputError } from "../errors.js";
import type { KeyPairListQuery, StoredKeyPair, StoredWrapping } from "./key-pair-store.js";

/** Longest document that a store takes. */
export const maxDocumentLength = 64 * 1024;
/** Longest organization id, in bytes of UTF-8. */
const maxOrganizationIdLength = 512;

const recordId = /^[A-Za-z0-9_-]{1,64}$/;
const loneSurrogate = /\p{Surrogate}/u;

/** The rules of `KeyPairStore` for what callers pass, for every implementation: each throws `InvalidInputError`. */
export function checkOrganizationId(organizationId: string): void {
  if (typeof organizationId !== "string" || organizationId === "") {
    throw new InvalidInputError("organizationId", "must be a non-empty string", organizationId);
  }
  // Lone surrogates all become the same bytes in UTF-8: two organizations could share one place.
  if (loneSurrogate.test(organizationId)) {
    throw new InvalidInputError("organizationId", "must be well-formed Unicode", organizationId);
  }
  if (Buffer.byteLength(organizationId) > maxOrganizationIdLength) {
    throw new InvalidInputError("organizationId", `must be at most ${maxOrganizationIdLength} bytes`, organizationId);
  }
}

export function checkRecordId(field: "keyPairId" | "wrappingId", id: string): void {
  if (typeof id !== "string" || !recordId.test(id)) {
    throw new InvalidInputError(field, "must be 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'", id);
  }
}

export function checkDocument(document: Uint8Array): void {
  if (!(document instanceof Uint8Array)) throw new InvalidInputError("document", "must be a Uint8Array", document);
  if (document.length > maxDocumentLength) {
    throw new InvalidInputError("document", `must be at most ${maxDocumentLength} bytes`, document);
  }
}

export function checkKeyPair(pair: StoredKeyPair): void {
  checkOrganizationId(pair.organizationId);
  checkRecordId("keyPairId", pair.keyPairId);
  checkSequence("sequence", pair.sequence);
  checkDocument(pair.document);
}

export function checkWrapping(organizationId: string, keyPairId: string, wrapping: StoredWrapping): void {
  checkOrganizationId(organizationId);
  checkRecordId("keyPairId", keyPairId);
  checkRecordId("wrappingId", wrapping.wrappingId);
  checkDocument(wrapping.document);
}

export function checkListQuery(query: KeyPairListQuery): void {
  if (!Number.isSafeInteger(query.limit) || query.limit < 1) {
    throw new InvalidInputError("limit", "must be a whole number from 1", query.limit);
  }
  if (query.after === undefined) return;
  checkSequence("after.sequence", query.after.sequence);
  checkRecordId("keyPairId", query.after.keyPairId);
}

/** Where a pair stands in the history. */
export type ListPosition = Pick<StoredKeyPair, "sequence" | "keyPairId">;

/** Order of `listKeyPairs`: highest sequence first, then by id in order of ASCII (not of a locale). */
export function compareListPositions(a: ListPosition, b: ListPosition): number {
  if (a.sequence !== b.sequence) return b.sequence - a.sequence;
  return compareIds(a.keyPairId, b.keyPairId);
}

export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function checkSequence(field: string, sequence: number): void {
  if (!Number.isSafeInteger(sequence) || sequence < 1) {
    throw new InvalidInputError(field, "must be a whole number from 1", sequence);
  }
}
