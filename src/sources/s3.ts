export type { RandomAccessSource } from "../recording/random-access-source.js";
export type { PatienceOptions } from "./attempts.js";
export type { S3ClientLike } from "../util/s3.js";
export { s3Source, type S3SourceOptions } from "./s3-source.js";
