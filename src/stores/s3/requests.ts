import { setTimeout as pause } from "node:timers/promises";
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { sendInAttempts, type CommandWithMiddleware } from "../../util/aws-attempts.js";
import { mayHaveHappened } from "../../util/aws-failures.js";
import { isChecksumMismatch, type S3ClientLike } from "../../util/s3.js";
import { member } from "../../util/safe-cause.js";
import { corrupt, maxFrameLength } from "../frame.js";
import { BodyTooLongError, discardBody, readBody } from "./body.js";
import { isConditionFailure, isConflict, isMissing } from "./failures.js";

/** A condition on the object that is there. */
export type Condition = { readonly IfNoneMatch: "*" } | { readonly IfMatch: string };

/** What became of a write under a condition. */
export interface WriteOutcome {
  /** Whether the condition held for the last attempt, and so the write was made. */
  readonly written: boolean;
  /** Failure of an earlier attempt of the SDK that may have made the write nevertheless. */
  readonly lost: unknown;
}

export interface ReadObject {
  readonly bytes: Buffer;
  /** The revision that S3 gives it, with its quotes. */
  readonly etag: string;
}

/** Most names asked for in a page: S3 gives no more. */
const mostPerPage = 1_000;
/** Most pages without a name in a row, such as those of what was just removed. */
const mostEmptyPages = 16;
/** Most attempts at a write that another one to the same object keeps from being made. */
const mostConflicts = 8;
/** Longest pause before the second of them, in ms. It doubles with each. */
const firstPause = 20;

interface RequestOptions {
  readonly client: S3ClientLike;
  readonly bucket: string;
  /** What stands before all names, with its slash. */
  readonly prefix: string;
  readonly expectedBucketOwner: string | undefined;
  /** In ms. */
  readonly attemptTimeout: number;
}

/** The requests of a store to its bucket, by names behind its prefix. Their answers are claims. */
export class S3Requests {
  readonly #client: S3ClientLike;
  readonly #prefix: string;
  readonly #bucket: { readonly Bucket: string; readonly ExpectedBucketOwner: string | undefined };
  readonly #attemptTimeout: number;

  constructor({ client, bucket, prefix, expectedBucketOwner, attemptTimeout }: RequestOptions) {
    this.#client = client;
    this.#prefix = prefix;
    this.#bucket = { Bucket: bucket, ExpectedBucketOwner: expectedBucketOwner };
    this.#attemptTimeout = attemptTimeout;
  }

  /** Reads an object; `undefined` if there is none. @throws RecordingKeyStoreError `ERR_STORE_CORRUPT` */
  async get(name: string, signal: AbortSignal): Promise<ReadObject | undefined> {
    let answer: object;
    try {
      answer = await this.#send(new GetObjectCommand(this.#object(name)), signal);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    const [body, etag] = [member(answer, "Body"), member(answer, "ETag")];
    try {
      const bytes = await readBody(body, maxFrameLength, signal);
      if (typeof etag !== "string" || etag === "") throw new TypeError("an answer has no ETag");
      return { bytes, etag };
    } catch (error) {
      if (error instanceof BodyTooLongError) throw corrupt(objectNamed(name), "is too long");
      if (isChecksumMismatch(error)) throw corrupt(objectNamed(name), "does not match its checksum");
      throw error;
    }
  }

  /** @param condition - `undefined` for a write whatever is there */
  async put(
    name: string,
    body: Uint8Array,
    condition: Condition | undefined,
    signal: AbortSignal,
  ): Promise<WriteOutcome> {
    let lost: unknown;
    const onFailure = (error: unknown) => {
      if (mayHaveHappened(error)) lost ??= error;
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const input = { ...this.#object(name), ...condition, Body: body, ContentType: "application/octet-stream" };
        await this.#send(new PutObjectCommand(input), signal, onFailure);
        return { written: true, lost };
      } catch (error) {
        if (isConditionFailure(error) || isMissing(error)) return { written: false, lost };
        if (!isConflict(error) || attempt === mostConflicts) throw error;
      }
      await pause(Math.random() * firstPause * 2 ** attempt, undefined, { signal });
    }
  }

  /** Deletes an object if there is one. S3 does not say whether there was. */
  async delete(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#send(new DeleteObjectCommand(this.#object(name)), signal);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /**
   * Names in a folder, without it, in ascending order, page after page as far as the caller goes.
   * @param after - whole name behind which to begin
   * @param atOnce - names in a page
   */
  async *list(folder: string, after: string | undefined, atOnce: number, signal: AbortSignal): AsyncGenerator<string> {
    const prefix = this.#prefix + folder;
    let last = after === undefined ? "" : this.#prefix + after;
    let token: string | undefined;
    for (let empty = 0; empty <= mostEmptyPages; empty += 1) {
      const command = new ListObjectsV2Command({
        ...this.#bucket,
        Prefix: prefix,
        StartAfter: after === undefined ? undefined : this.#prefix + after,
        ContinuationToken: token,
        MaxKeys: Math.min(atOnce, mostPerPage),
      });
      const answer = await this.#send(command, signal);
      for (const key of keysOf(answer)) {
        if (!key.startsWith(prefix) || key <= last) throw new TypeError("the names of an answer do not ascend");
        [last, empty] = [key, 0];
        yield key.slice(prefix.length);
      }
      token = nextToken(answer);
      if (token === undefined) return;
    }
    throw new TypeError("the answers go on without end, and without names");
  }

  #object(name: string) {
    return { ...this.#bucket, Key: this.#prefix + name };
  }

  async #send(
    command: CommandWithMiddleware,
    signal: AbortSignal,
    onFailure?: (error: unknown) => void,
  ): Promise<object> {
    signal.throwIfAborted();
    const attemptTimeout = this.#attemptTimeout;
    const discard = (late: unknown) => {
      if (typeof late === "object" && late !== null) discardBody(member(late, "Body"));
    };
    const answer = await sendInAttempts(this.#client, command, { attemptTimeout, signal, onFailure, discard });
    if (typeof answer !== "object" || answer === null) throw new TypeError("the client resolved without an answer");
    if (signal.aborted) {
      discard(answer);
      throw signal.reason;
    }
    return answer;
  }
}

/** An object by its name, for messages. */
export function objectNamed(name: string): string {
  return `the object ${name} in S3`;
}

/** The keys of an answer, which may be anything. */
function keysOf(answer: object): readonly string[] {
  const contents = member(answer, "Contents") ?? []; // left out where there are none
  if (!Array.isArray(contents)) throw new TypeError("an answer has no names");
  return Array.from(contents, (object: unknown) => {
    const key = typeof object === "object" && object !== null ? member(object, "Key") : undefined;
    if (typeof key !== "string") throw new TypeError("an answer has an object without a name");
    return key;
  });
}

/** Where the next page begins; `undefined` behind the last. */
function nextToken(answer: object): string | undefined {
  const [truncated, token] = [member(answer, "IsTruncated"), member(answer, "NextContinuationToken")];
  if (truncated === false) return undefined;
  if (truncated === true && typeof token === "string" && token !== "") return token;
  throw new TypeError("an answer does not say whether there is more");
}
