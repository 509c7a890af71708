import { createHash } from "node:crypto";
import { placeOfText, placeText, type ListPosition } from "../input.js";

/*
 * The objects of a store, behind its prefix:
 *
 *     heads/ORGANIZATION              the head
 *     statuses/ORGANIZATION           the status item
 *     pairs/ORGANIZATION/ID           a key pair
 *     history/ORGANIZATION/PLACE-ID   its place in the history, which counts once the pair is there
 *     wrappings/ORGANIZATION/PAIR/ID  a wrapping or mark
 *     conditional-writes              what the bucket is tried with
 *
 * What an object is comes first, so that a policy can allow the writing of one kind alone.
 */

/** Length of the longest prefix. The longest name behind it has 365 characters, and S3 takes 1,024. */
export const maxPrefixLength = 256;
/** Name of the object with which a bucket is tried. */
export const trialName = "conditional-writes";

/** Length of the longest encoded id that is not hashed. */
const maxEncodedLength = 200;

/**
 * Name of an organization: letters, digits, `-` and `_` of ASCII stay, each other byte of its UTF-8 becomes `.xx`; if that is
 * too long, `.h` and its SHA-256. Different ids have different names, none is `.` or `..`, and none needs an escape in a URL.
 */
export function organizationName(organizationId: string): string {
  let name = "";
  for (const byte of Buffer.from(organizationId)) {
    const character = String.fromCharCode(byte);
    name += /^[\w-]$/.test(character) ? character : `.${byte.toString(16).padStart(2, "0")}`;
  }
  // `h` is no hexadecimal digit.
  return name.length <= maxEncodedLength ? name : `.h${createHash("sha256").update(organizationId).digest("hex")}`;
}

export const headName = (organizationId: string) => `heads/${organizationName(organizationId)}`;
export const statusName = (organizationId: string) => `statuses/${organizationName(organizationId)}`;
export const pairName = (organizationId: string, keyPairId: string) =>
  `pairs/${organizationName(organizationId)}/${keyPairId}`;
export const wrappingName = (organizationId: string, keyPairId: string, wrappingId: string) =>
  wrappingsFolder(organizationId, keyPairId) + wrappingId;

/** What the names of a pair's wrappings begin with. */
export const wrappingsFolder = (organizationId: string, keyPairId: string) =>
  `wrappings/${organizationName(organizationId)}/${keyPairId}/`;
/** What the names of an organization's places in the history begin with. */
export const historyFolder = (organizationId: string) => `history/${organizationName(organizationId)}/`;

/** Name of a pair's place in the history, whose ascending order is that of `listKeyPairs`. */
export const placeName = (organizationId: string, place: ListPosition) =>
  `${historyFolder(organizationId)}${placeText(place, "-")}`;

/** The place that a name in a history's folder tells; `undefined` for an object that is none of this store's. */
export const placeOf = (name: string) => placeOfText(name, "-");
