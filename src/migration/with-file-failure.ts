import { fileFailure } from "../recording/files/failures.js";

/** Runs what the file system may fail at. @throws RecordingKeyStoreError `ERR_FILE_IO` */
export async function withFileFailure<T>(doing: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw fileFailure(doing, error);
  }
}
