import { createHash } from "node:crypto";
import { RecordingKeyStoreError } from "../errors.js";
import { maxDocumentLength } from "./input.js";

/** Labels by which a file tells its place, so that a copy in another place is noticed. */
export type FrameLabels = Readonly<Record<string, string | number>>;

export interface Frame {
  readonly labels: Readonly<Record<string, unknown>>;
  /** A copy of its own. */
  readonly document: Uint8Array;
  /** SHA-256 of labels and document, hexadecimal. */
  readonly checksum: string;
}

const magic = "recording-keystore";
const version = 1;
const lineEnd = 0x0a;
const firstLine = /^recording-keystore (\d{1,9}) ([0-9a-f]{64})$/;
/** Length of the longest file or object, in bytes. A longer one is not read into memory. */
export const maxFrameLength = maxDocumentLength + 8192;

/**
 * Content of a file or object: the line `recording-keystore 1 <checksum>`, a line of JSON with the labels, and the document. The
 * checksum covers everything behind the first line, so that damage anywhere is noticed.
 */
export function frame(labels: FrameLabels, document: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(`${JSON.stringify(labels)}\n`), document]);
  return Buffer.concat([Buffer.from(`${magic} ${version} ${checksumOf(body)}\n`), body]);
}

/**
 * Reads a file that {@link frame} made.
 *
 * @param expected - labels that the file must have in its place
 * @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` naming the file, `ERR_FORMAT_TOO_NEW` for a newer version
 */
export function unframe(bytes: Buffer, expected: FrameLabels, file: string): Frame {
  const bodyStart = bytes.indexOf(lineEnd) + 1;
  const [, writtenVersion, checksum] = firstLine.exec(bytes.toString("latin1", 0, Math.max(bodyStart - 1, 0))) ?? [];
  if (checksum === undefined) throw corrupt(file, bytes.length === 0 ? "is empty" : "is not what the key store writes");
  if (Number(writtenVersion) > version) {
    throw new RecordingKeyStoreError(
      "ERR_FORMAT_TOO_NEW",
      `${file} was written by a newer version of recording-keystore`,
    );
  }
  const body = bytes.subarray(bodyStart);
  if (checksumOf(body) !== checksum) throw corrupt(file, "is cut short or damaged");
  const labelsEnd = body.indexOf(lineEnd);
  const labels = parseLabels(body.toString("utf8", 0, Math.max(labelsEnd, 0)), file);
  for (const [label, value] of Object.entries(expected)) {
    if (labels[label] !== value)
      throw corrupt(file, `belongs to another place: its ${label} is not ${JSON.stringify(value)}`);
  }
  return { labels, document: new Uint8Array(body.subarray(labelsEnd + 1)), checksum };
}

function parseLabels(json: string, file: string): Record<string, unknown> {
  try {
    const labels: unknown = JSON.parse(json);
    if (typeof labels === "object" && labels !== null) return labels as Record<string, unknown>;
  } catch {
    // refused below
  }
  throw corrupt(file, "has no labels");
}

function checksumOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

/** The failure of a file or object that is not what was written. Nothing is guessed: the operator restores it from a backup. */
export function corrupt(file: string, rule: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_STORE_CORRUPT", `${file} ${rule}; restore it from a backup`);
}
