import { organizationIdRule } from "../kms/context-keys.js";

/** Longest names of a recording, in bytes of UTF-8. */
export const longestName = { recordingId: 1_024, asset: 128 } as const;

/** Whether a text may name a recording or an asset. */
export function isName(text: string, maxBytes: number): boolean {
  const length = Buffer.byteLength(text);
  // A byte order mark is invisible, and lost wherever a text is decoded by default.
  return length > 0 && length <= maxBytes && text.isWellFormed() && !/[\p{Cc}]|^\uFEFF/u.test(text);
}

export const nameRule = (maxBytes: number) =>
  `must be 1 to ${maxBytes} bytes of well-formed UTF-8 without control characters, and begin with no byte order mark`;

/** The names in a recording's header. */
export interface RecordingNames {
  readonly organizationId: string;
  readonly recordingId: string;
  readonly asset: string;
}

/** The first name that breaks its rule. */
export function wrongName({ organizationId, recordingId, asset }: RecordingNames): keyof RecordingNames | undefined {
  if (!organizationIdRule.pattern.test(organizationId)) return "organizationId";
  if (!isName(recordingId, longestName.recordingId)) return "recordingId";
  return isName(asset, longestName.asset) ? undefined : "asset";
}
