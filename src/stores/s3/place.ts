import { InvalidInputError } from "../../errors.js";
import { maxPrefixLength } from "./names.js";

export const defaultPrefix = "recording-keystore";

/** Arrives at a bucket in one Region. A directory bucket lists in no order; one of several Regions is eventually consistent. */
const bucketPattern =
  /^(?!.*--x-s3$)(?:[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:[\w-]+:s3[\w-]*:[a-z0-9-]+:\d{12}:[\w/:-]{1,200})$/;
/** No segment is empty, `.` or `..`, which some clients and gateways take out. */
const prefixPattern = /^(?!(?:.*\/)?\.{1,2}(?:\/|$))[\w.-]+(?:\/[\w.-]+)*$/;

/** @throws InvalidInputError unless it is the name of a general purpose bucket, or the ARN of an access point in one Region */
export function checkBucket(bucket: string): void {
  if (typeof bucket !== "string" || !bucketPattern.test(bucket))
    throw new InvalidInputError(
      "bucket",
      "must be the name of a general purpose bucket, or an access point's ARN",
      bucket,
    );
}

/** @throws InvalidInputError unless it is 1 to 256 characters of names between slashes */
export function checkPrefix(prefix: string): void {
  if (typeof prefix !== "string" || prefix.length > maxPrefixLength || !prefixPattern.test(prefix))
    throw new InvalidInputError("prefix", "must be names of A-Z, a-z, 0-9, '_', '-' and '.' between slashes", prefix);
}
