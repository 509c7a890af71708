import { InvalidInputError } from "../errors.js";
import { purposeContextKey } from "../kms/context-keys.js";
import { member } from "../util/safe-cause.js";
import { anchorContextKeys, anchorPurpose } from "./anchoring.js";
import type { ChainHead } from "./chain.js";

/**
 * The anchors of an audit log among CloudTrail's records: successful calls of `kms:Encrypt` whose encryption context names a
 * head. Anything else is passed over.
 *
 * Give it records of the organization's own account, and only those of the service's principals: whoever else may use the
 * key could have made a call that names a head which never was.
 * @throws InvalidInputError for what is no list
 * @param records - as CloudTrail delivers them, parsed: the `Records` of its files, or each `CloudTrailEvent` of `LookupEvents`
 */
export function auditAnchorsFromCloudTrail(records: Iterable<unknown>): ChainHead[] {
  if (typeof records !== "object" || records === null || typeof member(records, Symbol.iterator) !== "function")
    throw new InvalidInputError("records", "must be a list of CloudTrail's records", records);
  const anchors: ChainHead[] = [];
  for (const record of records) {
    const { eventSource, eventName, errorCode, requestParameters } = objectOf(record);
    if (eventSource !== "kms.amazonaws.com" || eventName !== "Encrypt" || errorCode !== undefined) continue;
    const context = objectOf(objectOf(requestParameters)["encryptionContext"]);
    if (context[purposeContextKey] !== anchorPurpose) continue;
    const { chain, sequence, digest } = anchorContextKeys;
    const [id, number, hash] = [context[chain], context[sequence], context[digest]];
    if (typeof id !== "string" || typeof number !== "string" || typeof hash !== "string") continue;
    if (/^\d{1,16}$/.test(number)) anchors.push({ chain: id, sequence: Number(number), digest: hash });
  }
  return anchors;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
