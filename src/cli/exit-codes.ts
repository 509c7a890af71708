import { InvalidInputError, RecordingKeyStoreError, type ErrorCode } from "../errors.js";
import { UsageError } from "./io.js";

/** What the command's exit code says, so that a script can tell failures apart. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  tryAgain: 4,
  damaged: 5,
  keys: 6,
  incomplete: 7,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** For the help of the command and its documentation. */
export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = [
  [exitCodes.done, "done"],
  [exitCodes.failed, "failed for another reason than those below"],
  [exitCodes.usage, "wrong arguments, settings or input"],
  [exitCodes.refused, "KMS, the store or a source refuses: somebody has to allow it"],
  [exitCodes.tryAgain, "KMS or the store is away: the same command may succeed later"],
  [exitCodes.damaged, "the recording is damaged, or not the one that it should be"],
  [exitCodes.keys, "no key to work with: not configured, not found, not vouched for, or the store is at fault"],
  [exitCodes.incomplete, "done in part, or a check found something: the output says what"],
  [exitCodes.interrupted, "interrupted"],
];

const codeOf: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  ERR_INVALID_INPUT: exitCodes.usage,
  ERR_FILE_EXISTS: exitCodes.usage,
  ERR_NOT_PERMITTED: exitCodes.refused,
  ERR_KMS_REFUSED: exitCodes.refused,
  ERR_KMS_REJECTED: exitCodes.refused,
  ERR_SOURCE_REFUSED: exitCodes.refused,
  ERR_FORMAT_INVALID: exitCodes.damaged,
  ERR_FORMAT_TOO_NEW: exitCodes.damaged,
  ERR_RECORDING_MISMATCH: exitCodes.damaged,
  ERR_RECORDING_TAMPERED: exitCodes.damaged,
  ERR_RECORDING_TRUNCATED: exitCodes.damaged,
  ERR_NOT_CONFIGURED: exitCodes.keys,
  ERR_KEY_PAIR_UNTRUSTED: exitCodes.keys,
  ERR_KEY_PAIR_NOT_FOUND: exitCodes.keys,
  ERR_KEY_UNCONFIRMED: exitCodes.keys,
  ERR_KEY_TOO_OLD: exitCodes.keys,
  ERR_STORE_UNAVAILABLE: exitCodes.keys,
  ERR_STORE_CORRUPT: exitCodes.keys,
  ERR_STORE_CONFLICT: exitCodes.keys,
  ERR_STORE_ROLLED_BACK: exitCodes.keys,
};

/** The exit code for what a command has thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError || error instanceof InvalidInputError) return exitCodes.usage;
  if (!(error instanceof RecordingKeyStoreError)) return exitCodes.failed;
  // A refusal may pass when somebody allows it, but not by itself.
  if (error.retryable && error.code !== "ERR_KMS_REFUSED") return exitCodes.tryAgain;
  return codeOf[error.code] ?? exitCodes.failed;
}
