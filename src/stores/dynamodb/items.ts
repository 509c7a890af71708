import { randomBytes } from "node:crypto";
import { RecordingKeyStoreError } from "../../errors.js";
import { isBytes } from "../../util/bytes.js";
import { member } from "../../util/safe-cause.js";
import { placeOfText, placeText, recordIdPattern, type ListPosition } from "../input.js";
import type { StoredKeyPair, StoredWrapping } from "../key-pair-store.js";

/*
 * The items of a table:
 *
 *     pk             sk              attributes
 *     organization   head            doc, rev, prev
 *                    status          statusDoc
 *                    pair#ID         doc, rev, pos
 *                    wrap#PAIR#ID    doc, rev
 *     %head-changes  NUMBER          rev, orgs
 *
 * `rev` is random and of the write that made the item, so that a writer that finds its item there knows it for its own; `prev`
 * is that of the head before. `pos` puts a pair into the local index, in the order of the history. No id of a pair or wrapping has
 * a `#`, and no organization the partition `%head-changes`, in which each swap of a head is announced.
 */

/** Name of the local secondary index. */
export const historyIndex = "history";

/** Primary key of an item. */
export interface ItemKey {
  readonly pk: { readonly S: string };
  readonly sk: { readonly S: string };
}

/** The condition that no item is there yet. */
export const isNew = { ConditionExpression: "attribute_not_exists(pk)" } as const;

/** An attribute of an item that is written. */
export type Attribute = { readonly S: string } | { readonly B: Uint8Array };

/**
 * The partition of an organization: its id, with `%` and control characters escaped, so that consoles and exports keep them
 * apart. At most 1,536 bytes for 512; DynamoDB takes 2,048.
 */
export function partitionOf(organizationId: string): string {
  return organizationId.replace(
    /[%\p{Cc}]/gu,
    (character) => `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

const keyOf = (organizationId: string, sk: string): ItemKey => ({
  pk: { S: partitionOf(organizationId) },
  sk: { S: sk },
});

export const headKey = (organizationId: string) => keyOf(organizationId, "head");
export const statusKey = (organizationId: string) => keyOf(organizationId, "status");
export const pairKey = (organizationId: string, keyPairId: string) => keyOf(organizationId, `pair#${keyPairId}`);
export const wrappingKey = (organizationId: string, keyPairId: string, wrappingId: string) =>
  keyOf(organizationId, `${wrappingPrefix(keyPairId)}${wrappingId}`);

/** What the sort keys of a pair's wrappings begin with. */
export const wrappingPrefix = (keyPairId: string) => `wrap#${keyPairId}#`;

/** Position of a pair in the index, whose ascending order is that of `listKeyPairs`. */
export const positionOf = (place: ListPosition) => placeText(place, "#");

const placeAt = (position: string | undefined) => placeOfText(position ?? "", "#");

/** A revision that no other write has: 128 random bits. */
export function newRevision(): string {
  return randomBytes(16).toString("base64url");
}

/** Whether a revision could be one of this store's. */
export function isRevision(revision: unknown): revision is string {
  return typeof revision === "string" && /^[\w-]{22}$/.test(revision);
}

/** The head as it stands in the table. */
export interface HeadItem {
  readonly revision: string;
  /** Revision of the head that it replaced; `undefined` for the first. */
  readonly previous: string | undefined;
  readonly document: Uint8Array;
}

/** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
export function headOf(item: unknown): HeadItem {
  const revision = textOf(item, "rev");
  if (!isRevision(revision)) throw corrupt("head", "rev");
  return { revision, previous: textOf(item, "prev"), document: documentOf(item, "doc", "head") };
}

/** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
export function statusOf(item: unknown): Uint8Array {
  return documentOf(item, "statusDoc", "status");
}

/** A pair that was read by its id. @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
export function pairOf(item: unknown, organizationId: string, keyPairId: string): StoredKeyPair {
  const sk = `pair#${keyPairId}`;
  const place = placeAt(textOf(item, "pos"));
  if (place?.keyPairId !== keyPairId) throw corrupt(sk, "pos");
  return { organizationId, ...place, document: documentOf(item, "doc", sk) };
}

/** A pair that the index lists. @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
export function listedPairOf(item: unknown, organizationId: string): StoredKeyPair {
  const place = placeAt(textOf(item, "pos"));
  if (!place) throw corrupt(`of the index ${historyIndex}`, "pos");
  return pairOf(item, organizationId, place.keyPairId);
}

/** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
export function wrappingOf(item: unknown, keyPairId: string): StoredWrapping {
  const wrappingId = wrappingIdOf(item, keyPairId);
  return { wrappingId, document: documentOf(item, "doc", `${wrappingPrefix(keyPairId)}${wrappingId}`) };
}

/** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
export function wrappingIdOf(item: unknown, keyPairId: string): string {
  const [prefix, sk = ""] = [wrappingPrefix(keyPairId), textOf(item, "sk")];
  const wrappingId = sk.startsWith(prefix) ? sk.slice(prefix.length) : "";
  if (!recordIdPattern.test(wrappingId)) throw corrupt(`of the wrappings of pair ${keyPairId}`, "sk");
  return wrappingId;
}

/** The text of an attribute; `undefined` if there is none. */
export function textOf(item: unknown, name: string): string | undefined {
  const text = memberOf(memberOf(item, name), "S");
  return typeof text === "string" ? text : undefined;
}

function documentOf(item: unknown, name: string, sk: string): Uint8Array {
  const bytes = memberOf(memberOf(item, name), "B");
  if (!isBytes(bytes)) throw corrupt(sk, name);
  return new Uint8Array(bytes);
}

/** A member of what may be anything. */
export function memberOf(given: unknown, name: string): unknown {
  return typeof given === "object" && given !== null ? member(given, name) : undefined;
}

function corrupt(item: string, attribute: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError(
    "ERR_STORE_CORRUPT",
    `the item ${item} in DynamoDB has an attribute ${attribute} that this library did not write, or none; restore the table`,
  );
}
