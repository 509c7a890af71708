import { KmsError, RecordingKeyStoreError } from "recording-keystore";
import type { ErrorCode } from "recording-keystore";
import type { Diagnosis, KeyStoreStatus } from "recording-keystore/administration";
import { httpStatusOf } from "recording-keystore/http";
import type { KeyPolicyFinding } from "recording-keystore/key-policy";
import { BrokenOffError, EmptyError, TooLargeError } from "./recordings.js";
import { kmsAdviceJa, policyAdviceJa } from "./texts/advice-ja.js";
import type { Language, Texts } from "./texts/index.js";

/** Something went wrong in a way that has a page of its own. */
export class PageError extends Error {
  readonly kind: keyof Texts["errors"]["titles"];
  readonly status: number;

  constructor(kind: keyof Texts["errors"]["titles"], status: number) {
    super(kind);
    this.kind = kind;
    this.status = status;
  }
}

const kindOfCode: Readonly<Partial<Record<ErrorCode, PageError["kind"]>>> = {
  ERR_INVALID_INPUT: "invalid",
  ERR_NOT_PERMITTED: "forbidden",
  ERR_NOT_CONFIGURED: "notConfigured",
  ERR_SOURCE_NOT_FOUND: "notFound",
  ERR_RECORDING_TAMPERED: "damaged",
  ERR_RECORDING_TRUNCATED: "damaged",
  ERR_RECORDING_MISMATCH: "damaged",
  ERR_FORMAT_INVALID: "damaged",
};

/** Which page an error leads to. Nothing of the error's own text is for the visitor. */
export function pageErrorOf(error: unknown): PageError {
  if (error instanceof PageError) return error;
  if (error instanceof TooLargeError) return new PageError("tooLarge", 413);
  if (error instanceof EmptyError) return new PageError("empty", 400);
  if (error instanceof BrokenOffError) return new PageError("invalid", 400);
  if (!(error instanceof RecordingKeyStoreError)) return new PageError("internal", 500);
  return new PageError(kindOfCode[error.code] ?? (error.retryable ? "unavailable" : "internal"), httpStatusOf(error));
}

/** The same, and a line for those who run the service where nobody foresaw the error. */
export function toldError(error: unknown): PageError {
  const page = pageErrorOf(error);
  if (page.kind === "internal") console.error(error);
  return page;
}

/** Why a recording can't be played now. */
export function whyNotPlayed(error: RecordingKeyStoreError, { errors }: Texts): string {
  if (error instanceof KmsError) return error.code === "ERR_KMS_REFUSED" ? errors.kmsRefuses : errors.kmsAway;
  return errors.next[pageErrorOf(error).kind];
}

/** A diagnosis in the visitor's language: the library's own is English. */
export function advised(diagnosis: Diagnosis, language: Language): Pick<Diagnosis, "summary" | "whatToDo"> {
  return language === "ja" ? kmsAdviceJa[diagnosis.kind] : diagnosis;
}

export function advisedFinding(finding: KeyPolicyFinding, language: Language): { message: string; whatToDo: string } {
  if (language !== "ja") return finding;
  const [message, whatToDo] = policyAdviceJa[finding.code];
  return { message, whatToDo };
}

/** How encryption fares, in a word. */
export type EncryptionState = "good" | "unconfirmed" | "lastKnown" | "atRisk" | "notConfigured";

export function encryptionState(status: KeyStoreStatus): EncryptionState {
  if (!status.configured) return "notConfigured";
  if (status.keyAtRisk) return "atRisk";
  if (status.usedLastKnownKey) return "lastKnown";
  return status.confirmation === "confirmed" ? "good" : "unconfirmed";
}
