/** What is kept of a foreign error: its name, cleaned text and codes, and never the request, response or credentials. */
export interface SanitizedCause extends Error {
  readonly code?: string;
  readonly httpStatusCode?: number;
  readonly requestId?: string;
  /** How often the SDK tried. */
  readonly attempts?: number;
}

const maxTextLength = 600;
const maxDepth = 6;

/**
 * A copy of a foreign error that is safe to log. `undefined` for what is no error.
 * @param redact - takes secrets that only the caller knows out of each text
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
  // The stack's head repeats the uncleaned message; only its frames are kept.
  const frames = typeof stack === "string" ? stack.split("\n").filter((line) => /^\s+at /.test(line)) : [];
  Object.defineProperty(safe, "stack", {
    value: [`${safe.name}: ${safe.message}`, ...frames].join("\n"),
    configurable: true,
    writable: true,
  });
  return safe;
}

/** The errors behind an error: its cause, and the members of an AggregateError. */
export function children(error: object): readonly unknown[] {
  const { cause, errors } = error as { cause?: unknown; errors?: unknown };
  return [...(cause === undefined ? [] : [cause]), ...(Array.isArray(errors) ? (errors as unknown[]) : [])];
}

/** An error's name without what wire formats put around it: `com.amazonaws.kms#X`, `X:http://…`. */
export function errorName(error: object): string | undefined {
  const { name } = error as { name?: unknown };
  if (typeof name !== "string" || name === "") return undefined;
  return cleanText((name.split("#").at(-1) ?? name).split(":")[0] ?? name);
}

/** An error's text, cleaned; `undefined` if it has none of its own. */
export function errorText(error: object): string | undefined {
  const { message } = error as { message?: unknown };
  // The SDK puts its placeholder where the service sent no text.
  if (typeof message !== "string" || message.trim() === "" || message === "UnknownError") return undefined;
  return cleanText(message);
}

export function readMetadata(metadata: unknown): { httpStatusCode?: number; requestId?: string; attempts?: number } {
  if (typeof metadata !== "object" || metadata === null) return {};
  const { httpStatusCode, requestId, attempts } = metadata as Record<string, unknown>;
  return {
    ...(typeof httpStatusCode === "number" ? { httpStatusCode } : {}),
    ...(typeof requestId === "string" ? { requestId: cleanText(requestId) } : {}),
    ...(typeof attempts === "number" ? { attempts } : {}),
  };
}

/** First paragraph only: what follows may be the canonical request, with its session token. */
function cleanText(text: string): string {
  const [first = ""] = text.split(/[\r\n]/);
  const cleaned = first
    .replace(/\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b/g, "[access key id]")
    .replace(/[^\s'",;()<>]{40,}/g, (word) => (isHarmless(word) ? word : "[removed]"));
  return cleaned.length > maxTextLength ? `${cleaned.slice(0, maxTextLength)}…` : cleaned;
}

/** Long words that are no secret: ARNs, host names, request ids. Anything else of that length may be key material. */
function isHarmless(word: string): boolean {
  return (
    /^(?:arn:[a-z-]+:[a-z0-9-]+:|https?:\/\/[a-z0-9.-]+(?::\d+)?\/?$|[a-z0-9-]+(?:\.[a-z0-9-]+)+\.?$)/i.test(word) &&
    !/[?&=]/.test(word)
  );
}
