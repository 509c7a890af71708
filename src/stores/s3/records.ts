import { randomBytes } from "node:crypto";
import { corrupt, frame, unframe } from "../frame.js";
import type { StoredHead, StoredKeyPair, StoredWrapping } from "../key-pair-store.js";
import { headName, pairName, statusName, wrappingName } from "./names.js";
import { objectNamed } from "./requests.js";

/** An object that is to be written. `revision` is random, so that a writer that finds its own write there knows it. */
export interface WrittenRecord {
  readonly name: string;
  readonly body: Uint8Array;
  readonly revision: string;
}

/** The head as it stands in the bucket. */
export interface ReadHead extends StoredHead {
  /** Revision of the head that it replaced; `undefined` for the first. */
  readonly previous: string | undefined;
}

/** Whether a revision could be one of this store's. */
function isRevision(revision: unknown): revision is string {
  return typeof revision === "string" && /^[\w-]{22}$/.test(revision);
}

/** A revision that no other write has: 128 random bits. */
function newRevision(): string {
  return randomBytes(16).toString("base64url");
}

export function headRecord(organizationId: string, previous: string | undefined, document: Uint8Array): WrittenRecord {
  const revision = newRevision();
  const labels = { kind: "head", organizationId, revision, ...(previous === undefined ? {} : { previous }) };
  return { name: headName(organizationId), body: frame(labels, document), revision };
}

/** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` or `ERR_FORMAT_TOO_NEW` */
export function headOf(bytes: Buffer, organizationId: string): ReadHead {
  const name = objectNamed(headName(organizationId));
  const { labels, document } = unframe(bytes, { kind: "head", organizationId }, name);
  const { revision, previous } = labels;
  if (!isRevision(revision) || !(previous === undefined || isRevision(previous)))
    throw corrupt(name, "has no revision");
  return { revision, previous, document };
}

export function pairRecord({ organizationId, keyPairId, sequence, document }: StoredKeyPair): WrittenRecord {
  const revision = newRevision();
  const labels = { kind: "key-pair", organizationId, keyPairId, sequence, revision };
  return { name: pairName(organizationId, keyPairId), body: frame(labels, document), revision };
}

/** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` or `ERR_FORMAT_TOO_NEW` */
export function pairOf(bytes: Buffer, organizationId: string, keyPairId: string): StoredKeyPair {
  const name = objectNamed(pairName(organizationId, keyPairId));
  const { labels, document } = unframe(bytes, { kind: "key-pair", organizationId, keyPairId }, name);
  const { sequence } = labels;
  if (!Number.isSafeInteger(sequence) || Number(sequence) < 1) throw corrupt(name, "has no sequence");
  return { organizationId, keyPairId, sequence: Number(sequence), document };
}

export function wrappingRecord(
  organizationId: string,
  keyPairId: string,
  { wrappingId, document }: StoredWrapping,
): WrittenRecord {
  const revision = newRevision();
  const labels = { kind: "wrapping", organizationId, keyPairId, wrappingId, revision };
  return { name: wrappingName(organizationId, keyPairId, wrappingId), body: frame(labels, document), revision };
}

/** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` or `ERR_FORMAT_TOO_NEW` */
export function wrappingOf(
  bytes: Buffer,
  organizationId: string,
  keyPairId: string,
  wrappingId: string,
): StoredWrapping {
  const name = objectNamed(wrappingName(organizationId, keyPairId, wrappingId));
  const { document } = unframe(bytes, { kind: "wrapping", organizationId, keyPairId, wrappingId }, name);
  return { wrappingId, document };
}

export function statusRecord(organizationId: string, document: Uint8Array): Omit<WrittenRecord, "revision"> {
  return { name: statusName(organizationId), body: frame({ kind: "status", organizationId }, document) };
}

/** @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` or `ERR_FORMAT_TOO_NEW` */
export function statusOf(bytes: Buffer, organizationId: string): Uint8Array {
  const name = objectNamed(statusName(organizationId));
  return unframe(bytes, { kind: "status", organizationId }, name).document;
}

/** Whether an object is the one that was written with a revision. Damage is somebody else's. */
export function isWrite(bytes: Buffer, revision: string): boolean {
  try {
    unframe(bytes, { revision }, "an object");
    return true;
  } catch {
    return false;
  }
}
