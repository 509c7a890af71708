import { RecordingKeyStoreError } from "../errors.js";
import type { BirthRecord } from "../format/birth-record.js";
import type { WrappingKey } from "../format/data-key-wrapping.js";
import { sameAccountAndRegion } from "../kms/arn.js";
import { defined } from "../util/defined.js";
import { u64, type FleetSecret } from "./active/fleet-word.js";
import { decodeDocument, encodeDocument, type PublicBundleDocument } from "./documents.js";
import { untrusted } from "./failures.js";
import { claimedBirth, claimedWrappingKey, type KmsCiphertext } from "./key-pair.js";
import type { VouchedKeyPair } from "./trust.js";

/** What a bundle says besides the pair. Times are in ms since the Unix epoch. */
export interface PublicBundleFacts {
  /** When KMS last vouched for the pair. */
  readonly confirmedAt: number;
  readonly exportedAt: number;
  /** From then on nothing is encrypted with it. */
  readonly expiresAt: number;
  /** The key store that exported it was encrypting with its last known key. */
  readonly usedLastKnownKey: boolean;
  /** That key store knew the KMS key to be disabled, pending deletion or gone. */
  readonly keyAtRisk: boolean;
}

/** A bundle that was read, and is consistent in itself. */
export interface PublicBundle extends PublicBundleFacts {
  readonly pair: {
    readonly birth: BirthRecord;
    readonly birthRecord: Buffer;
    readonly wrappingKey: WrappingKey;
  };
  /** The private half under the KMS key, for recordings that carry it. */
  readonly wrapping?: KmsCiphertext;
}

/** Longest validity of a bundle, in ms: 366 days. */
export const longestBundleValidity = 31_622_400_000;
/** Latest time that a `Date` can hold, in ms since the Unix epoch. */
const latestTime = 8_640_000_000_000_000;

const label = "recording-keystore public bundle v1\0";
const what = "public bundle";

/** How a bundle is made of a pair. */
interface BundleRequest {
  readonly facts: PublicBundleFacts;
  /** Whether recordings carry the wrapped private half. */
  readonly selfContained: boolean;
  readonly secret: FleetSecret | undefined;
}

/** The bundle of a pair that somebody has vouched for: ASCII text, some 1 to 5 KB. */
export function encodePublicBundle(pair: VouchedKeyPair, { facts, selfContained, secret }: BundleRequest): string {
  const { birthRecord, publicKey, wrapping } = pair;
  const bundle = { birthRecord, publicKey, ...(selfContained ? { wrapping } : {}), ...facts };
  const mac = secret?.codeOf(label, valuesOf(pair.birth, bundle));
  return encodeDocument("publicBundle", { ...bundle, ...defined({ mac }) }).toString();
}

/** What a bundle must be. */
interface ExpectedBundle {
  readonly organizationId: string;
  /** With it a bundle counts only by the fleet's word. */
  readonly secret: FleetSecret | undefined;
}

/**
 * Reads a bundle. Whether it is still valid is for the reader's clock.
 * @throws RecordingKeyStoreError `ERR_FORMAT_INVALID`, `ERR_FORMAT_TOO_NEW`; `ERR_KEY_PAIR_UNTRUSTED` for one of another
 * organization, without the fleet's word, or with a pair that can't be used
 */
export function readPublicBundle(bytes: Uint8Array, { organizationId, secret }: ExpectedBundle): PublicBundle {
  const bundle = decodeDocument("publicBundle", bytes, what);
  const { birthRecord, publicKey, wrapping, mac, ...facts } = bundle;
  const birth = claimedBirth(birthRecord, { organizationId, what });
  if (secret && !secret.isCodeOf(label, valuesOf(birth, bundle), mac))
    throw untrusted(`the ${what} is not the word of the fleet that the fleetSecret stands for`);
  checkTimes(facts);
  if (wrapping && !sameAccountAndRegion(wrapping.kmsKeyArn, birth.kmsKeyAliasArn))
    throw untrusted(`the ${what} names a KMS key that is not of its alias's account and Region`);
  const wrappingKey = claimedWrappingKey(birth, publicKey, `the ${what}`);
  return { pair: { birth, birthRecord, wrappingKey }, ...defined({ wrapping }), ...facts };
}

/** Every member of a bundle (`docs/FORMAT.md`, "The public bundle"). */
function valuesOf({ organizationId }: BirthRecord, bundle: Omit<PublicBundleDocument, "mac">): Buffer[] {
  const { birthRecord, publicKey, wrapping, confirmedAt, exportedAt, expiresAt } = bundle;
  return [
    Buffer.from(organizationId),
    birthRecord,
    publicKey,
    u64(confirmedAt),
    u64(exportedAt),
    u64(expiresAt),
    Buffer.of((bundle.usedLastKnownKey ? 1 : 0) + (bundle.keyAtRisk ? 2 : 0)),
    ...(wrapping ? [Buffer.from(wrapping.kmsKeyArn), wrapping.ciphertext] : []),
  ];
}

function checkTimes({ exportedAt, expiresAt }: PublicBundleFacts): void {
  const validity = expiresAt - exportedAt;
  if (validity > 0 && validity <= longestBundleValidity && expiresAt <= latestTime) return;
  throw new RecordingKeyStoreError(
    "ERR_FORMAT_INVALID",
    `${what}: expiresAt must be 1 to ${longestBundleValidity} ms after exportedAt`,
  );
}
