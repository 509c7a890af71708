import { TextDecoder } from "node:util";
import * as z from "zod";
import { RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import { isCiphertextLength } from "../format/header.js";
import { maxDocumentLength, recordIdPattern } from "../stores/input.js";
import { isBytes } from "../util/bytes.js";

/*
 * JSON documents as stores keep them, in the one form that JSON.stringify writes. Each has a version and a list of members
 * that a reader must understand: a newer writer adds a member and names it in `critical`, so that older readers refuse
 * instead of misreading.
 */

const version = 1;
/** An id that every store takes. Stores refuse any other as bad input of the caller. */
const recordId = z.string().regex(recordIdPattern);
/** The members of all documents. Made once: zod compiles each schema, which takes longer than reading a document. */
const anyEnvelope = z.object({ version: z.int(), kind: z.string(), critical: z.array(z.string()) });
const base64 = z
  .base64()
  // Of a last character some bits count for nothing, so that several texts would be the same bytes.
  .refine((text) => Buffer.from(text, "base64").toString("base64") === text, { message: "is not canonical base64" })
  .transform((text): Buffer => Buffer.from(text, "base64"));
const time = z.int().nonnegative();

const kmsCiphertext = z.object({
  kmsKeyArn: z.string().min(1),
  ciphertext: base64.refine(({ length }) => isCiphertextLength(length), { message: "is no ciphertext of KMS" }),
});

const schemas = {
  keyPair: z.object({ birthRecord: base64, publicKey: base64, attestation: kmsCiphertext, wrapping: kmsCiphertext }),
  /** A pair's private half under a further KMS key. */
  wrapping: z.object({ digest: base64, wrapping: kmsCiphertext }),
  /** Whether a pair was ever active: with a mark never, without one it was taken up. */
  fate: z.object({ digest: base64, mark: kmsCiphertext.optional() }),
  /** A worker's claim on the due change of a pair. */
  claim: z.object({
    digest: base64,
    /** When it was made, in ms since the Unix epoch. */
    at: time,
    /** A random name of the worker's own. */
    by: z.string().max(64),
    /** HMAC-SHA-256 under the fleet's secret; missing where the fleet has none. */
    mac: base64.optional(),
  }),
  head: z.object({
    organizationId: z.string(),
    keyPairId: recordId,
    sequence: z.int().positive(),
    digest: base64,
  }),
  lastConfirmed: z.object({
    organizationId: z.string(),
    keyPair: base64,
    confirmedAt: time,
  }),
  status: z.object({
    keyPairId: recordId,
    sequence: z.int().positive(),
    /** The content of the attestation. */
    attested: base64,
    /** When KMS last vouched for the pair, in ms since the Unix epoch. */
    confirmedAt: time,
    /** When KMS was last asked: later than `confirmedAt` where it gave no good answer. */
    at: time,
    failure: z.object({ kind: z.string(), operation: z.string(), message: z.string() }).optional(),
    /** What came of the last look where the alias of the pair leads; with `since` it leads to another KMS key than the pair's. */
    alias: z
      .object({
        at: time,
        since: time.optional(),
        kmsKeyArn: z.string().optional(),
        refusal: z.string().optional(),
      })
      .optional(),
    /** HMAC-SHA-256 under the fleet's secret over all of the above; missing where the fleet has none. */
    mac: base64.optional(),
  }),
  /** What a worker needs that only encrypts. Times are in ms since the Unix epoch. */
  publicBundle: z.object({
    birthRecord: base64,
    publicKey: base64,
    /** The private half for recordings that are to carry it. */
    wrapping: kmsCiphertext.optional(),
    /** When KMS last vouched for the pair. */
    confirmedAt: time,
    exportedAt: time,
    expiresAt: time,
    /** What results say: as the key store knew it that exported the bundle. */
    usedLastKnownKey: z.boolean(),
    keyAtRisk: z.boolean(),
    /** HMAC-SHA-256 under the fleet's secret over all of the above; missing where the fleet has none. */
    mac: base64.optional(),
  }),
} as const;

/** Code for a document that is none: where it is no store's, restoring the store is no help. */
const invalidCode = (kind: DocumentKind): ErrorCode =>
  kind === "publicBundle" ? "ERR_FORMAT_INVALID" : "ERR_STORE_CORRUPT";

export type DocumentKind = keyof typeof schemas;
export type KeyPairDocument = z.output<(typeof schemas)["keyPair"]>;
export type ClaimDocument = z.output<(typeof schemas)["claim"]>;
export type HeadDocument = z.output<(typeof schemas)["head"]>;
export type StatusDocument = z.output<(typeof schemas)["status"]>;
export type PublicBundleDocument = z.output<(typeof schemas)["publicBundle"]>;
type DocumentOf<K extends DocumentKind> = z.output<(typeof schemas)[K]>;

export function encodeDocument<K extends DocumentKind>(kind: K, content: DocumentOf<K>): Buffer {
  const text = JSON.stringify(
    { version, kind, critical: [], ...content },
    function (this: Record<string, unknown>, key, value: unknown) {
      const original = this[key]; // before Buffer.toJSON
      return Buffer.isBuffer(original) ? original.toString("base64") : value;
    },
  );
  return Buffer.from(text);
}

/** The canonical form; `undefined` for a value that is nested too deep. */
function canonical(raw: unknown): string | undefined {
  try {
    return JSON.stringify(raw);
  } catch {
    return undefined;
  }
}

/**
 * @param what - names the document in error messages
 * @throws RecordingKeyStoreError `ERR_FORMAT_TOO_NEW`; `ERR_STORE_CORRUPT`, of a public bundle `ERR_FORMAT_INVALID`
 */
export function decodeDocument<K extends DocumentKind>(kind: K, bytes: Uint8Array, what: string): DocumentOf<K> {
  let text: string;
  let raw: unknown;
  const invalid = (rule: string) => new RecordingKeyStoreError(invalidCode(kind), `${what}: ${rule}`);
  if (!isBytes(bytes) || bytes.length > maxDocumentLength)
    throw invalid(`is no document of at most ${maxDocumentLength} bytes`);
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    raw = JSON.parse(text);
  } catch {
    throw invalid("is not JSON");
  }
  // Readers in other languages take the first of two members of one name.
  if (canonical(raw) !== text)
    throw invalid(
      "is not in canonical form: a member stands twice, or something is written in another way than JSON.stringify has it",
    );
  const envelope = anyEnvelope.safeParse(raw);
  if (!envelope.success || envelope.data.kind !== kind) throw invalid("is not a document of this library");
  const { critical } = envelope.data;
  const known = Object.keys(schemas[kind].shape);
  const unknown = critical.find((member) => !known.includes(member));
  if (envelope.data.version !== version || unknown !== undefined) {
    const reason =
      unknown === undefined ? `version ${envelope.data.version}` : `the critical member ${JSON.stringify(unknown)}`;
    throw new RecordingKeyStoreError(
      "ERR_FORMAT_TOO_NEW",
      `${what}: has ${reason}, which this version of the library does not know`,
    );
  }
  const parsed = schemas[kind].safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(`${issue?.path.join(".") ?? ""} ${issue?.message ?? "is invalid"}`);
  }
  return parsed.data as DocumentOf<K>;
}
