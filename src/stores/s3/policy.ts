import { InvalidInputError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { trialName } from "./names.js";
import { checkPrefix, defaultPrefix } from "./place.js";

/**
 * What a role of the service does with the bucket:
 * - `worker`: records, plays, and changes keys;
 * - `encrypt-only`: records, and makes no key pair;
 * - `orphan-job`: calls `removeOrphanedKeyPairs()`, and is the only one that deletes.
 */
export type S3Role = "worker" | "encrypt-only" | "orphan-job";

/** Options of {@link s3Policy}. */
export interface S3PolicyOptions {
  /** Name of the bucket, or its ARN where the partition is not `aws`: `arn:aws-us-gov:s3:::acme-recording-keys`. */
  bucket: string;
  /** As the store's. Default `recording-keystore`. */
  prefix?: string | undefined;
  role: S3Role;
}

/** A statement of an IAM policy. */
export interface S3PolicyStatement {
  Sid: string;
  Effect: "Allow";
  Action: string[];
  Resource: string[];
  Condition?: { Null: Partial<Record<"s3:if-none-match" | "s3:if-match", "false">> };
}

/** An IAM policy. `JSON.stringify` makes it its text. */
export interface S3Policy {
  Version: "2012-10-17";
  Statement: S3PolicyStatement[];
}

/**
 * Writes the IAM policy of a role that uses an `S3KeyPairStore`.
 *
 * A worker may create records and never overwrite them, and may replace a head only under a condition: S3 holds it to that. The
 * right to list is of the whole bucket, since S3 asks for it too before it tells that an object is not there. Give the store a
 * bucket of its own.
 * @throws InvalidInputError
 */
export function s3Policy(options: S3PolicyOptions): S3Policy {
  const { bucket, prefix = defaultPrefix, role } = knownOptions(options, { bucket: true, prefix: true, role: true });
  const bucketArn = typeof bucket === "string" && /^[a-z0-9.-]{3,63}$/.test(bucket) ? `arn:aws:s3:::${bucket}` : bucket;
  if (typeof bucketArn !== "string" || !/^arn:[\w-]+:s3:::[a-z0-9.-]{3,63}$/.test(bucketArn))
    throw new InvalidInputError("bucket", "must be the name or the ARN of a bucket", bucket);
  checkPrefix(prefix);
  const statements = Object.hasOwn(statementsOf, role) ? statementsOf[role] : undefined;
  if (!statements) throw new InvalidInputError("role", `must be one of ${Object.keys(statementsOf).join(", ")}`, role);
  const objects = (...names: readonly string[]) => names.map((name) => `${bucketArn}/${prefix}/${name}`);
  return { Version: "2012-10-17", Statement: statements.map((statement) => statement(bucketArn, objects)) };
}

type Statement = (bucketArn: string, objects: (...names: readonly string[]) => string[]) => S3PolicyStatement;

const listing: Statement = (bucketArn) => ({
  Sid: "ListKeyPairs",
  Effect: "Allow",
  Action: ["s3:ListBucket"],
  Resource: [bucketArn],
});

const reading: Statement = (_, objects) => ({
  Sid: "ReadKeyPairs",
  Effect: "Allow",
  Action: ["s3:GetObject"],
  Resource: objects("*"),
});

const statusWriting: Statement = (_, objects) => ({
  Sid: "WriteStatus",
  Effect: "Allow",
  Action: ["s3:PutObject"],
  Resource: objects("statuses/*"),
});

const creating: Statement = (_, objects) => ({
  Sid: "CreateKeyPairs",
  Effect: "Allow",
  Action: ["s3:PutObject"],
  Resource: objects("heads/*", "pairs/*", "history/*", "wrappings/*", trialName),
  Condition: { Null: { "s3:if-none-match": "false" } },
});

const swapping: Statement = (_, objects) => ({
  Sid: "SwapHeads",
  Effect: "Allow",
  Action: ["s3:PutObject"],
  Resource: objects("heads/*", trialName),
  Condition: { Null: { "s3:if-match": "false" } },
});

const removing: Statement = (_, objects) => ({
  Sid: "RemoveOrphanedKeyPairs",
  Effect: "Allow",
  Action: ["s3:DeleteObject"],
  Resource: objects("pairs/*", "history/*", "wrappings/*"),
});

const statementsOf: Readonly<Record<S3Role, readonly Statement[]>> = {
  worker: [listing, reading, statusWriting, creating, swapping],
  "encrypt-only": [listing, reading, statusWriting],
  "orphan-job": [listing, reading, statusWriting, removing],
};
