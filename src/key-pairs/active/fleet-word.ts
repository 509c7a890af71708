import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from "node:crypto";
import { isAhead, type Clock } from "../../clock.js";
import { encodeFields } from "../../format/fields.js";
import { defined } from "../../util/defined.js";
import { copySecret, wipe } from "../../util/secrets.js";
import { decodeDocument, encodeDocument, type StatusDocument } from "../documents.js";

declare const authentic: unique symbol;

/** A status that the fleet's secret authenticates. Only {@link FleetSecret} makes one. */
export type FleetWord = StatusDocument & { readonly [authentic]: true };

/** Length of the shortest secret, in bytes: that of the HMAC's output (RFC 2104, section 3). */
export const shortestFleetSecret = 32;

/** The secret that the workers of a service share and the store does not know. */
export class FleetSecret {
  readonly #keys: readonly KeyObject[];

  /** @param secrets - the first signs, and all are accepted, so that the secret can be rotated; they are copied */
  constructor(secrets: readonly Uint8Array[]) {
    this.#keys = secrets.map((secret) => {
      const copy = copySecret(secret);
      const key = createSecretKey(copy);
      wipe(copy);
      return key;
    });
  }

  /** The authentication code of some values: HMAC-SHA-256 over a label and canonical fields; `undefined` without a secret. */
  codeOf(label: string, values: Values): Buffer | undefined {
    const [key] = this.#keys;
    return key && macOf(key, label, values);
  }

  /** Whether a code is that of some values, under any of the secrets. */
  isCodeOf(label: string, values: Values, code: Buffer | undefined): boolean {
    return code?.length === 32 && this.#keys.some((key) => timingSafeEqual(macOf(key, label, values), code));
  }

  /** The status with its authentication code. */
  sign(organizationId: string, status: StatusDocument): StatusDocument {
    return { ...status, ...defined({ mac: this.codeOf(wordLabel, valuesOf(organizationId, status)) }) };
  }

  /** The status as the fleet's word; `undefined` where it is not of the fleet, or of another organization. */
  verify(organizationId: string, status: StatusDocument): FleetWord | undefined {
    if (!isOfOurLength(status)) return undefined;
    return this.isCodeOf(wordLabel, valuesOf(organizationId, status), status.mac) ? (status as FleetWord) : undefined;
  }
}

/** When a pair was confirmed by the fleet's word. Clocks differ a little; a time that lies ahead is left as it is. */
export function confirmedAtOf({ confirmedAt }: FleetWord, clock: Clock): number {
  return isAhead(confirmedAt, clock) ? confirmedAt : Math.min(confirmedAt, clock.now());
}

/** Length of the longest text in a status, in characters. The fleet writes no longer one. */
export const longestText = 1_000;

function isOfOurLength({ keyPairId, attested, failure, alias }: StatusDocument): boolean {
  const texts = [failure?.kind, failure?.operation, failure?.message, alias?.kmsKeyArn, alias?.refusal];
  return [keyPairId, attested, ...texts].every((text) => text === undefined || text.length <= longestText);
}

const wordLabel = "recording-keystore fleet word v1\0";

/** Every member of a status (`docs/FORMAT.md`, "Words beside the key pairs"). */
function valuesOf(organizationId: string, status: StatusDocument): Values {
  const { keyPairId, sequence, attested, confirmedAt, at, failure, alias } = status;
  const text = (value: string | undefined) => (value === undefined ? undefined : Buffer.from(value));
  const time = (value: number | undefined) => (value === undefined ? undefined : u64(value));
  return [
    ...[text(organizationId), text(keyPairId), u64(sequence), attested, u64(confirmedAt), u64(at)],
    ...[text(failure?.kind), text(failure?.operation), text(failure?.message)],
    ...[time(alias?.at), time(alias?.since), text(alias?.kmsKeyArn), text(alias?.refusal)],
  ];
}

/** Values whose places are the tags of their fields; one that is missing has no field. */
type Values = readonly (Buffer | undefined)[];

function macOf(key: KeyObject, label: string, values: Values): Buffer {
  const fields = values.flatMap((value, index) => (value ? [{ tag: index + 1, critical: true, value }] : []));
  return createHmac("sha256", key).update(label).update(encodeFields(fields)).digest();
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export const encodeStatus = (status: StatusDocument) => encodeDocument("status", status);
export const decodeStatus = (document: Uint8Array) => decodeDocument("status", document, "status item");
