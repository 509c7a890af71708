import * as z from "zod";
import { RecordingKeyStoreError } from "../errors.js";

/*
 * JSON documents as stores keep them, in the one form that JSON.stringify gives them. Every document has a version and a
 * list of members that a reader must understand: a newer writer adds a member, names it in `critical`, and older readers
 * refuse instead of misreading.
 */

const version = 1;
const base64 = z.base64().transform((text): Buffer => Buffer.from(text, "base64"));

/** A KMS ciphertext and the ARN of the key that made it. */
const kmsCiphertext = z.object({ kmsKeyArn: z.string().min(1), ciphertext: base64 });

const schemas = {
  keyPair: z.object({ birthRecord: base64, publicKey: base64, attestation: kmsCiphertext, wrapping: kmsCiphertext }),
  /** A pair's private half under a further KMS key. */
  wrapping: z.object({ digest: base64, wrapping: kmsCiphertext }),
  /** Of a pair that its maker knows to have lost its race: it was never active. */
  lost: z.object({ digest: base64 }),
  head: z.object({
    organizationId: z.string(),
    keyPairId: z.string(),
    sequence: z.int().positive(),
    digest: base64,
  }),
  lastConfirmed: z.object({
    organizationId: z.string(),
    keyPair: base64,
    confirmedAt: z.int().nonnegative(),
  }),
  status: z.object({
    digest: base64,
    at: z.int().nonnegative(),
    /** Absent when the call succeeded. */
    failure: z.object({ kind: z.string(), operation: z.string(), message: z.string() }).optional(),
  }),
} as const;

export type DocumentKind = keyof typeof schemas;
export type KeyPairDocument = z.output<(typeof schemas)["keyPair"]>;
export type HeadDocument = z.output<(typeof schemas)["head"]>;
export type LastConfirmedDocument = z.output<(typeof schemas)["lastConfirmed"]>;
export type StatusDocument = z.output<(typeof schemas)["status"]>;
type DocumentOf<K extends DocumentKind> = z.output<(typeof schemas)[K]>;

export function encodeDocument<K extends DocumentKind>(kind: K, content: DocumentOf<K>): Buffer {
  const text = JSON.stringify({ version, kind, critical: [], ...content }, function (this: Record<string, unknown>, key, value: unknown) {
    const original = this[key]; // Buffer has turned itself into { type, data } before a replacer sees it
    return Buffer.isBuffer(original) ? original.toString("base64") : value;
  });
  return Buffer.from(text);
}

/**
 * @param what - names the document in error messages
 * @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` or `ERR_FORMAT_TOO_NEW`
 */
export function decodeDocument<K extends DocumentKind>(kind: K, bytes: Uint8Array, what: string): DocumentOf<K> {
  let text: string;
  let raw: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    raw = JSON.parse(text);
  } catch {
    throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `${what}: is not JSON`);
  }
  // Of a member that stands twice, readers in other languages would take the first.
  if (JSON.stringify(raw) !== text) throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `${what}: is not in canonical form: a member stands twice, or something is written in another way than JSON.stringify has it`);
  const envelope = z.object({ version: z.int(), kind: z.literal(kind), critical: z.array(z.string()) }).safeParse(raw);
  if (!envelope.success) throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `${what}: is not a document of this library`);
  const { critical } = envelope.data;
  const known = Object.keys(schemas[kind].shape);
  const unknown = critical.find((member) => !known.includes(member));
  if (envelope.data.version !== version || unknown !== undefined) {
    const reason = unknown === undefined ? `version ${envelope.data.version}` : `the critical member ${JSON.stringify(unknown)}`;
    throw new RecordingKeyStoreError("ERR_FORMAT_TOO_NEW", `${what}: has ${reason}, which this version of the library does not know`);
  }
  const parsed = schemas[kind].safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new RecordingKeyStoreError("ERR_STORE_CORRUPT", `${what}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "is invalid"}`);
  }
  return parsed.data as DocumentOf<K>;
}
