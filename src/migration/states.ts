import { errorCodeOf, RecordingKeyStoreError } from "../errors.js";
import { typesOnly } from "../util/safe-cause.js";

/** What can become of a plain file. */
export const migrationStates = [
  /** With `dryRun`: it would be encrypted, and then verified. */
  "to-encrypt",
  /** With `dryRun`: its encrypted recording is there, and would be verified. */
  "to-verify",
  /** Its encrypted recording is on disk, but KMS has not opened it: KMS or the store is away, say. The next run goes on. */
  "encrypted",
  /** KMS has opened the encrypted recording, and every byte of it is the plain file's. The plain file is there too. */
  "verified",
  /** As `verified`, and the plain file is gone. */
  "deleted",
  /** Not a file to migrate, or not yet: `left` says why. */
  "left",
  /** The plain file was changed after it was encrypted. Nothing was deleted, and nothing replaced. */
  "changed",
  /** Nothing was deleted. `code` and `message` say why. */
  "failed",
] as const;
export type MigrationState = (typeof migrationStates)[number];

/**
 * Why a file is left alone: the rule knows none such; its content is an encrypted recording already; a symbolic link; a pipe, socket or
 * device; written to a moment ago, or while it was read; a name that is no UTF-8.
 */
export type LeftBecause = "no-rule" | "encrypted" | "link" | "special" | "in-use" | "name";

/** What became of one plain file: a line of the report. Holds names and sizes, and nothing of the content. */
export interface MigratedFile {
  /** Path below the folder, with `/` between names. Of a name that is no UTF-8, a spelling for people. */
  readonly path: string;
  readonly state: MigrationState;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly recordingId?: string;
  readonly asset?: string;
  /** Of the plain file, in bytes. */
  readonly size?: number;
  /** Of the plain file, ISO 8601, UTC. */
  readonly modifiedAt?: string;
  /** Of the encrypted recording, in bytes. */
  readonly encryptedSize?: number;
  /** Of the plain content, as it was compared: 64 hexadecimal digits. */
  readonly sha256?: string;
  readonly keyPairId?: string;
  readonly usedLastKnownKey?: boolean;
  /** Whether the KMS key was known to be disabled or pending deletion when it was encrypted. */
  readonly keyAtRisk?: boolean;
  /** Of a deleted file: device and inode, which tell hard links to one content. */
  readonly inode?: string;
  /** Of a deleted file: how many other names (hard links) its plain content still has. */
  readonly otherNames?: number;
  readonly left?: LeftBecause;
  readonly code?: string;
  readonly message?: string;
  readonly retryable?: boolean;
}

/** What an error says in a report: of other people's errors their names alone, since their texts may hold anything. */
export function errorFacts(error: unknown): Pick<MigratedFile, "code" | "message" | "retryable"> {
  const code = errorCodeOf(error);
  if (error instanceof RecordingKeyStoreError && code !== undefined)
    return { code, message: error.message, retryable: error.retryable };
  return { message: `unknown failure (${typesOnly(error)?.name ?? typeof error})` };
}

/** Whether somebody has to look at it, or has to run the migration once more. */
export function isUnfinished({ state, left }: MigratedFile): boolean {
  if (state === "left") return left === "in-use" || left === "name";
  return state !== "verified" && state !== "deleted";
}
