import { GetObjectCommand, type GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { InvalidInputError } from "../errors.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import type { RecordingStream } from "../recording/stream-source.js";
import { knownOptions } from "../util/check-input.js";
import { errorName, member, readMetadata } from "../util/safe-cause.js";
import { isChecksumMismatch, type S3ClientLike } from "../util/s3.js";
import { Retryable, checkPatience, type PatienceOptions, patienceOptions } from "./attempts.js";
import { discardBody } from "./body.js";
import {
  checkPart,
  checkWhole,
  openRemote,
  readPart,
  type AnnouncedPart,
  type FetchedPart,
  type Range,
  type Version,
} from "./remote-source.js";
import { sourceError, type SourceErrorCode } from "./source-errors.js";

/**
 * Options of {@link s3Source}. `attempts` counts broken bodies and time limits. Errors that S3 answers are repeated by the
 * client alone (its `maxAttempts`).
 */
export interface S3SourceOptions extends PatienceOptions {
  /** An `S3Client` for the bucket's Region. It stays the caller's to destroy. */
  client: S3ClientLike;
  bucket: string;
  key: string;
  /** Version to read, in a bucket with versioning. Needs `s3:GetObjectVersion`. Default: the current one at the opening. */
  versionId?: string | undefined;
  /** Account id of the bucket's owner. S3 refuses if the bucket has another. */
  expectedBucketOwner?: string | undefined;
  /** Aborts the opening. Each read has a signal of its own. */
  signal?: AbortSignal | undefined;
}

/**
 * Opens an object in S3, or in a store that is compatible with it. Needs `s3:GetObject`. Each read is one `GetObject` with
 * `Range` and `IfMatch`, so that all parts come from the object as it was when it was opened.
 *
 * Reads throw the same errors as this function, and `ERR_SOURCE_CHANGED`.
 * @throws InvalidInputError; RecordingKeyStoreError `ERR_SOURCE_NOT_FOUND`, `ERR_SOURCE_REFUSED` (also for an object that
 * must be restored from an archive, and, without `s3:ListBucket`, for one that does not exist), `ERR_SOURCE_UNSUITABLE`,
 * `ERR_SOURCE_CORRUPT` (a checksum of the store's that does not match), `ERR_SOURCE_UNAVAILABLE`; `signal.reason`
 */
export async function s3Source(options: S3SourceOptions): Promise<RandomAccessSource> {
  const own = knownOptions(options, {
    ...patienceOptions,
    client: true,
    bucket: true,
    key: true,
    versionId: true,
    expectedBucketOwner: true,
    signal: true,
  });
  const { client, bucket, key, versionId, expectedBucketOwner, signal } = own;
  if (typeof client !== "object" || client === null || typeof member(client, "send") !== "function")
    throw new InvalidInputError("client", "must be an S3Client", client);
  for (const [field, value] of Object.entries({ bucket, key })) {
    if (typeof value !== "string" || value === "") throw new InvalidInputError(field, "must be a name", value);
  }
  for (const [field, value] of Object.entries({ versionId, expectedBucketOwner })) {
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw new InvalidInputError(field, "must be a name, or left out", value);
  }
  const object: S3Object = {
    client,
    who: `s3://${bucket}/${key}`,
    input: { Bucket: bucket, Key: key, VersionId: versionId, ExpectedBucketOwner: expectedBucketOwner },
  };
  return openRemote(
    (range, known, attemptSignal) => fetchPart(object, range, known, attemptSignal),
    checkPatience(own),
    signal,
  );
}

interface S3Object {
  readonly client: S3ClientLike;
  /** Name of the object in messages. */
  readonly who: string;
  readonly input: {
    readonly Bucket: string;
    readonly Key: string;
    readonly VersionId: string | undefined;
    readonly ExpectedBucketOwner: string | undefined;
  };
}

async function fetchPart(
  { client, who, input }: S3Object,
  range: Range,
  known: Version | undefined,
  signal: AbortSignal,
): Promise<FetchedPart> {
  const command = new GetObjectCommand({
    ...input,
    Range: `bytes=${range.offset}-${range.offset + range.length - 1}`,
    IfMatch: known?.etag,
  });
  let answer: Partial<GetObjectCommandOutput>;
  try {
    answer = (await client.send(command, { abortSignal: signal })) ?? {};
  } catch (error) {
    if (isChecksumMismatch(error)) throw corrupt(who, error);
    if (!known && statusOf(error) === 416) return { version: { size: 0 }, bytes: Buffer.alloc(0) }; // it has no byte 0
    throw refusal(who, error);
  }
  const body = answer.Body as RecordingStream | undefined;
  let part: AnnouncedPart;
  try {
    part = checkAnswer(answer, who, range, known);
  } catch (error) {
    discardBody(body);
    throw error;
  }
  const failed = (error: unknown) =>
    isChecksumMismatch(error)
      ? corrupt(who, error)
      : new Retryable(sourceError("ERR_SOURCE_UNAVAILABLE", `the answer to GetObject of ${who} broke off`, error));
  return readPart(part, body, { who, signal, failed });
}

/** Stores that are compatible with S3 may leave `Content-Range` out where the range covers the whole object. */
function checkAnswer(
  { Body, ContentRange, ContentLength, ETag }: Partial<GetObjectCommandOutput>,
  who: string,
  range: Range,
  known: Version | undefined,
): AnnouncedPart {
  if (!Body) throw sourceError("ERR_SOURCE_UNSUITABLE", `S3 answered GetObject of ${who} without a body`);
  if (ContentRange === undefined && ContentLength !== undefined && ContentLength <= range.length)
    return checkWhole({ contentLength: ContentLength, etag: ETag }, who, range, known);
  return checkPart({ contentRange: ContentRange, etag: ETag }, who, range, known);
}

function corrupt(who: string, error: unknown): Error {
  return sourceError(
    "ERR_SOURCE_CORRUPT",
    `the bytes of ${who} do not match the checksum that came with them; where a store sends a range with the checksum of the ` +
      `whole object, give the client responseChecksumValidation: "WHEN_REQUIRED"`,
    error,
  );
}

const codesByName: Readonly<Record<string, readonly [SourceErrorCode, string]>> = {
  InvalidObjectState: ["ERR_SOURCE_REFUSED", "it lies in an archive and has to be restored first"],
  MethodNotAllowed: ["ERR_SOURCE_NOT_FOUND", "that version is a delete marker"],
  ExpiredToken: ["ERR_SOURCE_REFUSED", "the client's credentials have expired"],
  InvalidToken: ["ERR_SOURCE_REFUSED", "the client's credentials are not valid"],
  PermanentRedirect: ["ERR_SOURCE_UNSUITABLE", "the client is for another Region than the bucket's"],
  AuthorizationHeaderMalformed: ["ERR_SOURCE_UNSUITABLE", "the client is for another Region than the bucket's"],
};

const codesByStatus: Readonly<Record<number, readonly [SourceErrorCode, string]>> = {
  401: ["ERR_SOURCE_REFUSED", "the caller may not read it"],
  403: ["ERR_SOURCE_REFUSED", "the caller may not read it, or may not know that there is none"],
  404: ["ERR_SOURCE_NOT_FOUND", "there is no such object"],
  408: ["ERR_SOURCE_UNAVAILABLE", "S3 is too slow"],
  412: ["ERR_SOURCE_CHANGED", "the object has been replaced since it was opened"],
  416: ["ERR_SOURCE_CHANGED", "the object has become shorter since it was opened"],
  429: ["ERR_SOURCE_UNAVAILABLE", "S3 is throttling"],
};

function refusal(who: string, error: unknown): Error {
  const status = statusOf(error);
  const name = (typeof error === "object" && error !== null && errorName(error)) || "unknown failure";
  const byStatus =
    status === undefined || status >= 500
      ? (["ERR_SOURCE_UNAVAILABLE", "S3 can't be reached, or fails"] as const)
      : codesByStatus[status];
  const [code, what] =
    (Object.hasOwn(codesByName, name) ? codesByName[name] : undefined) ??
    byStatus ??
    (["ERR_SOURCE_UNSUITABLE", "S3 does not take the request"] as const);
  return sourceError(code, `can't read ${who}: ${what} (${status === undefined ? name : `${name}, ${status}`})`, error);
}

function statusOf(error: unknown): number | undefined {
  return readMetadata((error as { $metadata?: unknown } | null | undefined)?.$metadata).httpStatusCode;
}
