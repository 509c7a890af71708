import { defined } from "./defined.js";

/** Copy of a foreign error that is safe to log: name, cleaned text and codes; no request, response or credentials. */
export interface SanitizedCause extends Error {
  readonly code?: string;
  readonly httpStatusCode?: number;
  readonly requestId?: string;
  /** Number of the SDK's attempts. */
  readonly attempts?: number;
}

const maxTextLength = 600;
const maxDepth = 6;

/**
 * Copies a foreign error for logging. Returns `undefined` for what is no error.
 * @param redact - removes secrets from a text that only the caller knows
 */
export function sanitizeCause(
  error: unknown,
  redact: (text: string) => string = (text) => text,
  depth = 0,
): SanitizedCause | undefined {
  if (typeof error !== "object" || error === null || depth > maxDepth) return undefined;
  const { code, message, $metadata, stack } = error as {
    code?: unknown;
    message?: unknown;
    $metadata?: unknown;
    stack?: unknown;
  };
  const inner = children(error)
    .map((child) => sanitizeCause(child, redact, depth + 1))
    .find((child) => child !== undefined);
  const safe = new Error(
    (typeof message === "string" && errorText({ message: redact(message) })) || "",
    inner ? { cause: inner } : undefined,
  );
  const { httpStatusCode, requestId, attempts } = readMetadata($metadata);
  const shown = {
    name: errorName(error) ?? "Error",
    code: typeof code === "string" ? cleanText(code) : undefined,
    httpStatusCode,
    requestId,
    attempts,
  };
  for (const [property, value] of Object.entries(shown)) {
    if (value !== undefined)
      Object.defineProperty(safe, property, { value, enumerable: property !== "name", configurable: true });
  }
  // Only the frames: the head of a stack repeats the message as it was.
  const frames = typeof stack === "string" ? stack.split("\n").filter((line) => /^\s+at /.test(line)) : [];
  Object.defineProperty(safe, "stack", {
    value: [`${safe.name}: ${safe.message}`, ...frames].join("\n"),
    configurable: true,
    writable: true,
  });
  return safe;
}

/** Errors inside an error: its cause, and the members of an AggregateError. */
export function children(error: object): readonly unknown[] {
  const { cause, errors } = error as { cause?: unknown; errors?: unknown };
  return [...(cause === undefined ? [] : [cause]), ...(Array.isArray(errors) ? (errors as unknown[]) : [])];
}

/** An error's name, bare of what wire formats add: `com.amazonaws.kms#X`, `X:http://…`. */
export function errorName(error: object): string | undefined {
  const { name } = error as { name?: unknown };
  if (typeof name !== "string" || name === "") return undefined;
  return cleanText((name.split("#").at(-1) ?? name).split(":")[0] ?? name);
}

/** An error's text, cleaned. `undefined` if it has none of its own. */
export function errorText(error: object): string | undefined {
  const { message } = error as { message?: unknown };
  // "UnknownError" is the SDK's placeholder for no text.
  if (typeof message !== "string" || message.trim() === "" || message === "UnknownError") return undefined;
  return cleanText(message);
}

export function readMetadata(metadata: unknown): { httpStatusCode?: number; requestId?: string; attempts?: number } {
  if (typeof metadata !== "object" || metadata === null) return {};
  const { httpStatusCode, requestId, attempts } = metadata as Record<string, unknown>;
  return defined({
    httpStatusCode: typeof httpStatusCode === "number" ? httpStatusCode : undefined,
    requestId: typeof requestId === "string" ? cleanText(requestId) : undefined,
    attempts: typeof attempts === "number" ? attempts : undefined,
  });
}

/** Cleans the first line. What follows may be the canonical request, with its session token. */
function cleanText(text: string): string {
  const [first = ""] = text.split(/[\r\n]/);
  const cleaned = first
    .replace(/\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b/g, "[access key id]")
    .replace(/[^\s'",;()<>]{40,}/g, (word) => (isHarmless(word) ? word : "[removed]"));
  return cleaned.length > maxTextLength ? `${cleaned.slice(0, maxTextLength)}…` : cleaned;
}

/** Whether a long word is an ARN or a host name. Anything else of that length may be key material or a token. */
function isHarmless(word: string): boolean {
  if (/[?&=]/.test(word)) return false;
  if (/^arn:[a-z-]+:[a-z0-9-]+:/i.test(word)) return true;
  // Lower case, in labels of at most 63 characters (RFC 1035): a JSON Web Token has dots too.
  return /^(?:https?:\/\/)?[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+(?::\d+)?[/.]?$/.test(word);
}
