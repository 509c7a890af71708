/** Every `code` of this library's errors. `docs/errors.md` says what each means and what to do. */
export type ErrorCode =
  | "ERR_INVALID_INPUT"
  | "ERR_NOT_PERMITTED"
  | "ERR_NOT_CONFIGURED"
  | "ERR_TEST_FAILED"
  | "ERR_KMS_UNAVAILABLE"
  | "ERR_KMS_REFUSED"
  | "ERR_KMS_REJECTED"
  | "ERR_KEY_PAIR_UNTRUSTED"
  | "ERR_KEY_PAIR_NOT_FOUND"
  | "ERR_KEY_UNCONFIRMED"
  | "ERR_KEY_TOO_OLD"
  | "ERR_BUNDLE_EXPIRED"
  | "ERR_STORE_UNAVAILABLE"
  | "ERR_STORE_CORRUPT"
  | "ERR_STORE_CONFLICT"
  | "ERR_STORE_ROLLED_BACK"
  | "ERR_FORMAT_INVALID"
  | "ERR_FORMAT_TOO_NEW"
  | "ERR_RECORDING_MISMATCH"
  | "ERR_RECORDING_TAMPERED"
  | "ERR_RECORDING_TRUNCATED"
  | "ERR_SOURCE_UNAVAILABLE"
  | "ERR_SOURCE_NOT_FOUND"
  | "ERR_SOURCE_REFUSED"
  | "ERR_SOURCE_CHANGED"
  | "ERR_SOURCE_UNSUITABLE"
  | "ERR_SOURCE_CORRUPT"
  | "ERR_KEYS_FORGOTTEN"
  | "ERR_FILE_EXISTS"
  | "ERR_FILE_CHANGED"
  | "ERR_FILE_IO"
  | "ERR_ORGANIZATION_TIMEOUT"
  | "ERR_AUDIT_UNAVAILABLE"
  | "ERR_CLOSED";

export interface ErrorOptionsWithCause {
  cause?: unknown;
  /** Default `false`. */
  retryable?: boolean;
}

/**
 * Escapes what would break or rearrange the line that a text is shown in: control characters, line and paragraph separators,
 * and characters that change the direction of writing. Texts for people quote ids, headers and file names of others.
 */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

// Every entry loads this file. Older versions of Node would fail at the first use, with a text that names no version.
if (!("isWellFormed" in String.prototype))
  throw new Error(`recording-keystore needs Node 20.19 or newer, and this is Node ${process.versions.node}`);

const brand = Symbol.for("recording-keystore.error");

/**
 * Base of every error that this library throws. Holds no secret.
 *
 * `instanceof` also holds for errors of another copy of the package (ESM beside CommonJS, two versions in one tree): it
 * looks at a `Symbol.for` brand besides the prototype.
 */
export class RecordingKeyStoreError extends Error {
  override readonly name: string = "RecordingKeyStoreError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed later, with nothing changed by the caller. */
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: ErrorOptionsWithCause = {}) {
    super(escapeControls(message), "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryable = options.retryable ?? false;
    Object.defineProperty(this, brand, { value: true });
  }

  /** For `JSON.stringify`, which leaves out the message of an error: with it, and with a cause of this library's own. */
  toJSON(): Record<string, unknown> {
    const { name, code, message, cause, ...rest } = this;
    return {
      name,
      code,
      message,
      ...rest,
      ...(cause instanceof RecordingKeyStoreError ? { cause: cause.toJSON() } : {}),
    };
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    try {
      if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
      if (typeof value !== "object" || value === null || (value as Record<symbol, unknown>)[brand] !== true)
        return false;
      // Compares the `name` of another copy's error: minifiers rename classes, but change no strings.
      return (
        this === RecordingKeyStoreError ||
        (Object.hasOwn(this, "errorName") && (value as Error).name === this.errorName)
      );
    } catch {
      return false; // what can't be looked at, such as a revoked proxy, is none
    }
  }

  /** `name` of the class's instances. */
  static readonly errorName: string = "RecordingKeyStoreError";
}

/**
 * Code of an error of this library, be it of another copy; `undefined` for any other, and for one that bears the brand and
 * something else in the place of a code. Takes anything that may have been thrown.
 */
export function errorCodeOf(error: unknown): ErrorCode | undefined {
  try {
    const code: unknown = error instanceof RecordingKeyStoreError ? error.code : undefined;
    return typeof code === "string" && /^ERR_[A-Z_]{1,60}$/.test(code) ? (code as ErrorCode) : undefined;
  } catch {
    return undefined; // one whose members throw
  }
}

/** Bad input. Names the field, the rule that it breaks and, unless it may be a secret, what was given. */
export class InvalidInputError extends RecordingKeyStoreError {
  static override readonly errorName = "InvalidInputError";
  override readonly name = "InvalidInputError";
  /** Path of the field as the caller wrote it, such as `kmsKeyAliasArn` or `options.segmentLength`. */
  readonly field: string;
  /** The rule that the field breaks, such as `must be a whole number of bytes`. */
  readonly rule: string;

  constructor(field: string, rule: string, given?: unknown) {
    super("ERR_INVALID_INPUT", `${field}: ${rule}${given === undefined ? "" : ` (given: ${describeGiven(given)})`}`);
    this.field = field;
    this.rule = rule;
  }
}

/** Shows short scalars, and only the type of anything that may hold content. Takes whatever can't be read, too. */
function describeGiven(given: unknown): string {
  if (typeof given === "string") return JSON.stringify(given.length > 200 ? `${given.slice(0, 200)}…` : given);
  if (typeof given === "number" || typeof given === "boolean" || given === null) return String(given);
  if (typeof given === "bigint") return `${given}n`;
  if (typeof given !== "object") return typeof given;
  const className = classNameOf(given);
  return ArrayBuffer.isView(given) ? `${className} of ${given.byteLength} bytes` : className;
}

function classNameOf(given: object): string {
  try {
    const { name } = given.constructor as { name?: unknown };
    return typeof name === "string" ? name : "object";
  } catch {
    return "object"; // such as a revoked proxy
  }
}
