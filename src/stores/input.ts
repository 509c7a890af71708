import { InvalidInputError } from "../errors.js";
import { isBytes } from "../util/bytes.js";
import type { KeyPairListQuery, StoredKeyPair, StoredWrapping } from "./key-pair-store.js";

/** Length of the longest document, in bytes. */
export const maxDocumentLength = 64 * 1024;
/** Length of the longest organization id, in bytes of UTF-8. */
const maxOrganizationIdLength = 512;

/** Ids of key pairs and wrappings. */
export const recordIdPattern = /^[A-Za-z0-9_-]{1,64}$/;
const loneSurrogate = /\p{Surrogate}/u;

/*
 * The rules of `KeyPairStore` for what callers pass, for every implementation.
 */

/** @throws InvalidInputError unless the id is well-formed Unicode of 1 to 512 bytes of UTF-8 */
export function checkOrganizationId(organizationId: string): void {
  if (typeof organizationId !== "string" || organizationId === "") {
    throw new InvalidInputError("organizationId", "must be a non-empty string", organizationId);
  }
  // All lone surrogates become the same bytes in UTF-8, so that two organizations could share one place.
  if (loneSurrogate.test(organizationId)) {
    throw new InvalidInputError("organizationId", "must be well-formed Unicode", organizationId);
  }
  if (Buffer.byteLength(organizationId) > maxOrganizationIdLength) {
    throw new InvalidInputError("organizationId", `must be at most ${maxOrganizationIdLength} bytes`, organizationId);
  }
}

/** @throws InvalidInputError unless the id is 1 to 64 characters of `A-Z`, `a-z`, `0-9`, `_` and `-` */
export function checkRecordId(field: "keyPairId" | "wrappingId", id: string): void {
  if (typeof id !== "string" || !recordIdPattern.test(id)) {
    throw new InvalidInputError(field, "must be 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'", id);
  }
}

/** @throws InvalidInputError unless the document is a `Uint8Array` of at most 64 KiB */
export function checkDocument(document: Uint8Array): void {
  if (!isBytes(document)) throw new InvalidInputError("document", "must be a Uint8Array", document);
  if (document.length > maxDocumentLength) {
    throw new InvalidInputError("document", `must be at most ${maxDocumentLength} bytes`, document);
  }
}

/** @throws InvalidInputError for a bad id, sequence or document */
export function checkKeyPair(pair: StoredKeyPair): void {
  checkOrganizationId(pair.organizationId);
  checkRecordId("keyPairId", pair.keyPairId);
  checkSequence("sequence", pair.sequence);
  checkDocument(pair.document);
}

/** @throws InvalidInputError for a bad id or document */
export function checkWrapping(organizationId: string, keyPairId: string, wrapping: StoredWrapping): void {
  checkOrganizationId(organizationId);
  checkRecordId("keyPairId", keyPairId);
  checkRecordId("wrappingId", wrapping.wrappingId);
  checkDocument(wrapping.document);
}

/** @throws InvalidInputError for a limit below 1, or a bad position */
export function checkListQuery(query: KeyPairListQuery): void {
  if (!Number.isSafeInteger(query.limit) || query.limit < 1) {
    throw new InvalidInputError("limit", "must be a whole number from 1", query.limit);
  }
  if (query.after === undefined) return;
  checkSequence("after.sequence", query.after.sequence);
  checkRecordId("keyPairId", query.after.keyPairId);
}

/** The place of a pair in the order of `listKeyPairs`. */
export type ListPosition = Pick<StoredKeyPair, "sequence" | "keyPairId">;

/** Compares places by the order of `listKeyPairs`: highest sequence first, then by id in ASCII order. */
export function compareListPositions(a: ListPosition, b: ListPosition): number {
  if (a.sequence !== b.sequence) return b.sequence - a.sequence;
  return compareIds(a.keyPairId, b.keyPairId);
}

/**
 * A place as text, whose ascending order is that of `listKeyPairs`: the distance of the sequence from the greatest one in 16 digits,
 * and the id.
 * @param separator - one character that no digit is
 */
export function placeText({ sequence, keyPairId }: ListPosition, separator: string): string {
  return `${String(Number.MAX_SAFE_INTEGER - sequence).padStart(16, "0")}${separator}${keyPairId}`;
}

/** The place that a text tells; `undefined` for one that {@link placeText} does not write. */
export function placeOfText(text: string, separator: string): ListPosition | undefined {
  const [digits, keyPairId] = [text.slice(0, 16), text.slice(17)];
  const sequence = Number.MAX_SAFE_INTEGER - Number(digits);
  if (!/^\d{16}$/.test(digits) || text[16] !== separator || !recordIdPattern.test(keyPairId)) return undefined;
  return Number.isSafeInteger(sequence) && sequence >= 1 ? { sequence, keyPairId } : undefined;
}

/** Compares ids in ASCII order, not that of a locale. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function checkSequence(field: string, sequence: number): void {
  if (!Number.isSafeInteger(sequence) || sequence < 1) {
    throw new InvalidInputError(field, "must be a whole number from 1", sequence);
  }
}
