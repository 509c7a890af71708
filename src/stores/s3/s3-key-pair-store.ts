import { InvalidInputError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { checkTimes } from "../../util/check-times.js";
import type { S3ClientLike } from "../../util/s3.js";
import { CheckedKeyPairStore } from "../checked-key-pair-store.js";
import { S3Backend } from "./backend.js";
import { checkBucket, checkPrefix, defaultPrefix } from "./place.js";
import { S3Requests } from "./requests.js";

/** Options of {@link S3KeyPairStore}. Times are 1 to 600,000 ms. */
export interface S3KeyPairStoreOptions {
  /**
   * An `S3Client` for the bucket's Region, 3.720 or later, or one for a compatible service that honours conditional writes. It
   * stays the caller's to destroy. Retries are its own (`maxAttempts`).
   */
  client: S3ClientLike;
  /** Name of a general purpose bucket, or ARN of an access point. */
  bucket: string;
  /**
   * What stands before the names of all objects: 1 to 256 characters of `A-Z`, `a-z`, `0-9`, `_`, `-`, `.` and `/`. Default
   * `recording-keystore`.
   */
  prefix?: string | undefined;
  /** Account id of the bucket's owner. S3 refuses if the bucket has another. */
  expectedBucketOwner?: string | undefined;
  /** Longest time of one attempt of the SDK, in ms. Default 1,500. */
  attemptTimeout?: number | undefined;
  /** Longest time of a call, with all its requests, attempts and pauses, in ms. Default 4,500. */
  deadline?: number | undefined;
}

/**
 * Key pairs in an S3 bucket, for any number of hosts and no database.
 *
 * Every write of head and records is conditional (`If-None-Match: *`, `If-Match`), which S3 and some compatible services honour.
 * Before its first such write a store tries that with an object of its own, and refuses a service that ignores it: kind
 * `unsupported`.
 *
 * S3 does not say who has removed an object: of several callers of `removeKeyPair` at once, each that has found the pair hears
 * `true`.
 *
 * Failures reject with `ERR_STORE_UNAVAILABLE` (a `StoreError` with its kind) or `ERR_STORE_CORRUPT`.
 * @example
 * ```ts
 * const store = new S3KeyPairStore({ client: new S3Client({}), bucket: "acme-recording-keys" });
 * ```
 */
export class S3KeyPairStore extends CheckedKeyPairStore {
  /** @throws InvalidInputError for a client without `send`, a bucket or prefix that won't do, and a time out of bounds */
  constructor(options: S3KeyPairStoreOptions) {
    const {
      client,
      bucket,
      prefix = defaultPrefix,
      expectedBucketOwner,
      attemptTimeout = 1_500,
      deadline = 4_500,
    } = knownOptions(options, {
      client: true,
      bucket: true,
      prefix: true,
      expectedBucketOwner: true,
      attemptTimeout: true,
      deadline: true,
    });
    if (typeof (client as Partial<S3ClientLike> | null | undefined)?.send !== "function")
      throw new InvalidInputError("client", "must be an S3Client", client);
    checkBucket(bucket);
    checkPrefix(prefix);
    if (expectedBucketOwner !== undefined && !/^\d{12}$/.test(expectedBucketOwner))
      throw new InvalidInputError("expectedBucketOwner", "must be the id of an AWS account", expectedBucketOwner);
    checkTimes({ attemptTimeout, deadline });
    const requests = new S3Requests({ client, bucket, prefix: `${prefix}/`, expectedBucketOwner, attemptTimeout });
    super(new S3Backend(requests), deadline);
  }
}
