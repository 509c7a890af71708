export type { RandomAccessSource } from "../recording/random-access-source.js";
export type { PatienceOptions } from "./attempts.js";
export { s3Source, type S3ClientLike, type S3SourceOptions } from "./s3-source.js";
