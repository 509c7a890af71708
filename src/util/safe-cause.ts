import { types } from "node:util";
import { escapeControls } from "../errors.js";
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

/** Copies made here, which need no other copy. */
const sanitized = new WeakSet<object>();

/**
 * Copies a foreign error for logging. Returns `undefined` for what is no error. Throws for nothing, whatever it is given.
 * @param redact - removes secrets from a text that only the caller knows
 */
export function sanitizeCause(
  error: unknown,
  redact: (text: string) => string = (text) => text,
  depth = 0,
): SanitizedCause | undefined {
  if (typeof error !== "object" || error === null || depth > maxDepth) return undefined;
  if (sanitized.has(error)) return error as SanitizedCause;
  const [code, message, metadata, stack] = ["code", "message", "$metadata", "stack"].map((name) => member(error, name));
  const [child] = children(error).filter((inner) => typeof inner === "object" && inner !== null);
  const inner = sanitizeCause(child, redact, depth + 1);
  const safe = new Error(
    (typeof message === "string" && errorText({ message: redact(message) })) || "",
    inner ? { cause: inner } : undefined,
  );
  const { httpStatusCode, requestId, attempts } = readMetadata(metadata);
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
  sanitized.add(safe);
  return safe;
}

/** Name and code of an error that may quote what it was about, such as a connection string or a statement: no text, no frames. */
export function typesOnly(error: unknown, depth = 0): SanitizedCause | undefined {
  if (typeof error !== "object" || error === null || depth > maxDepth) return undefined;
  const [child] = children(error).filter((inner) => typeof inner === "object" && inner !== null);
  const inner = typesOnly(child, depth + 1);
  const safe = new Error("", inner ? { cause: inner } : undefined);
  const [name, code] = [word(member(error, "name")) ?? "Error", word(member(error, "code"))];
  for (const [property, value] of Object.entries(defined({ name, code, stack: name })))
    Object.defineProperty(safe, property, { value, enumerable: property === "code", configurable: true });
  sanitized.add(safe);
  return safe;
}

/** A name, a code or a request's id as programs give them, such as `ECONNREFUSED` or `28P01`. */
export function word(given: unknown): string | undefined {
  return typeof given === "string" && /^[A-Za-z][\w.-]{0,63}$|^\d[\dA-Z]{0,9}$/.test(given) ? given : undefined;
}

/** What was thrown, for a message: an error's cleaned text, a short scalar, or only the type of anything else. */
export function textOfThrown(thrown: unknown): string {
  if (typeof thrown === "string") return cleanText(thrown);
  if (typeof thrown !== "object" || thrown === null)
    return typeof thrown === "function" ? "a function" : String(thrown);
  return errorText(thrown) ?? errorName(thrown) ?? "an object without a text";
}

/** A member of what may be anything: a proxy, or an object whose getters throw. */
export function member(object: object, name: PropertyKey): unknown {
  try {
    return (object as Record<PropertyKey, unknown>)[name];
  } catch {
    return undefined;
  }
}

/** Drops the rejection of what may be a promise that nobody asked for, such as an async function's answer. */
export function dropRejection(given: unknown): void {
  if (types.isPromise(given)) void Promise.prototype.then.call(given, undefined, () => undefined);
}

/** Whether members can be read without running anybody's code: neither a proxy nor one with getters of its own. */
export function isPlain(object: object, names: readonly string[]): boolean {
  if (types.isProxy(object)) return false;
  return names.every((name) => Object.getOwnPropertyDescriptor(object, name)?.get === undefined);
}

/** Errors inside an error: its cause, and the first members of an AggregateError. */
export function children(error: object): readonly unknown[] {
  const cause = member(error, "cause");
  return [...(cause === undefined ? [] : [cause]), ...listed(member(error, "errors"))];
}

/** Most members of an AggregateError that are looked at. */
const maxListed = 16;

function listed(errors: unknown): readonly unknown[] {
  try {
    return Array.isArray(errors)
      ? Array.from({ length: Math.min(errors.length, maxListed) }, (_, i) => errors[i] as unknown)
      : [];
  } catch {
    return [];
  }
}

/** An error's name, bare of what wire formats add: `com.amazonaws.kms#X`, `X:http://…`. */
export function errorName(error: object): string | undefined {
  const name = member(error, "name");
  if (typeof name !== "string" || name === "") return undefined;
  return cleanText((name.split("#").at(-1) ?? name).split(":")[0] ?? name);
}

/** An error's text, cleaned. `undefined` if it has none of its own. */
export function errorText(error: object): string | undefined {
  const message = member(error, "message");
  // "UnknownError" is the SDK's placeholder for no text.
  if (typeof message !== "string" || message.trim() === "" || message === "UnknownError") return undefined;
  return cleanText(message);
}

export function readMetadata(metadata: unknown): { httpStatusCode?: number; requestId?: string; attempts?: number } {
  if (typeof metadata !== "object" || metadata === null) return {};
  const [httpStatusCode, requestId, attempts] = ["httpStatusCode", "requestId", "attempts"].map((name) =>
    member(metadata, name),
  );
  return defined({
    httpStatusCode: typeof httpStatusCode === "number" ? httpStatusCode : undefined,
    requestId: typeof requestId === "string" ? (awsRequestId(requestId) ?? cleanText(requestId)) : undefined,
    attempts: typeof attempts === "number" ? attempts : undefined,
  });
}

/** A request's id as services of AWS make them: a UUID, or 16 or 52 capitals and digits. */
export function awsRequestId(given: unknown): string | undefined {
  const pattern = /^(?:[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[A-Z\d]{16}|[A-Z\d]{52})$/;
  return typeof given === "string" && pattern.test(given) ? given : undefined;
}

/** Cleans the first line. What follows may be the canonical request, with its session token. */
function cleanText(text: string): string {
  const [first = ""] = text.split(/[\r\n]/);
  const cleaned = first
    .replace(/\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b/g, "[access key id]")
    .replace(/[^\s'",;()<>]{40,}/g, (word) => (isHarmless(word) ? word : "[removed]"));
  return escapeControls(cleaned.length > maxTextLength ? `${cleaned.slice(0, maxTextLength)}…` : cleaned);
}

/** Whether a long word is an ARN, a host name or the name of an error. Anything else of that length may be key material or a token. */
function isHarmless(word: string): boolean {
  if (/[?&=]/.test(word)) return false;
  if (/^arn:[a-z-]+:[a-z0-9-]+:/i.test(word) || /^(?:[A-Z][a-z]+){1,9}(?:Exception|Error)$/.test(word)) return true;
  // Lower case, in labels of at most 63 characters (RFC 1035): a JSON Web Token has dots too.
  return /^(?:https?:\/\/)?[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+(?::\d+)?[/.]?$/.test(word);
}
