export type { S3ClientLike } from "../util/s3.js";
export { s3Policy, type S3Policy, type S3PolicyOptions, type S3PolicyStatement, type S3Role } from "./s3/policy.js";
export { S3KeyPairStore, type S3KeyPairStoreOptions } from "./s3/s3-key-pair-store.js";
