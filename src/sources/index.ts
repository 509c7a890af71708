export type { RandomAccessSource } from "../recording/random-access-source.js";
export type { PatienceOptions } from "./attempts.js";
export { fileSource, type FileSource } from "./file-source.js";
export { httpSource, type HttpSourceOptions } from "./http-source.js";
export type { FetchLike, HttpHeaders } from "./http-request.js";
