import { RecordingKeyStoreError } from "../../errors.js";
import { children, member } from "../../util/safe-cause.js";
import type { StoreFailure } from "../store-call.js";
import type { StoreFailureKind } from "../store-error.js";

/** By SQLSTATE, the whole one before its class of two characters: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const bySqlState: Readonly<Record<string, StoreFailureKind>> = {
  "08": "unreachable",
  "08P01": "service-error", // a protocol violation, under which PgBouncer reports most of its own failures
  "0A": "unsupported",
  "22": "unexpected-answer",
  "23": "unexpected-answer",
  "25006": "read-only",
  "25P03": "timeout", // idle_in_transaction_session_timeout
  "25P04": "timeout", // transaction_timeout
  "28": "credentials",
  "3D000": "not-set-up",
  "3F000": "not-set-up",
  "40": "throttled", // conflicts with so many other transactions that trying again did not help
  "42501": "access-denied",
  "42601": "unsupported", // the syntax of another database
  "42703": "not-set-up",
  "42804": "not-set-up",
  "42883": "unsupported", // a function that PostgreSQL has
  "42P01": "not-set-up",
  "42P07": "not-set-up", // migrate meets tables that are not its own
  "42P10": "not-set-up", // no primary key for ON CONFLICT
  "53": "throttled",
  "53100": "full",
  "53200": "service-error", // out of memory
  "54": "service-error",
  "55": "service-error",
  "55P03": "timeout", // lock_timeout
  "57": "service-error",
  "57014": "timeout", // statement_timeout
  "57P04": "not-set-up", // the database has been dropped
  "58": "service-error",
  "72": "service-error",
  XX: "service-error",
};

/** By the code of an error of Node. */
const byNodeCode: Readonly<Record<string, StoreFailureKind>> = {
  ECONNREFUSED: "unreachable",
  ECONNRESET: "unreachable",
  ECONNABORTED: "unreachable",
  EPIPE: "unreachable",
  ENOTFOUND: "unreachable",
  EAI_AGAIN: "unreachable",
  EHOSTUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETUNREACH: "unreachable",
  ENETDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ENOENT: "unreachable", // the Unix socket of a server that does not run
  EACCES: "unreachable",
  EPROTO: "unreachable",
  ERR_STREAM_DESTROYED: "unreachable",
  ERR_STREAM_WRITE_AFTER_END: "unreachable",
  ERR_SOCKET_CLOSED: "unreachable",
  ERR_TLS_CERT_ALTNAME_INVALID: "unreachable",
  DEPTH_ZERO_SELF_SIGNED_CERT: "unreachable",
  SELF_SIGNED_CERT_IN_CHAIN: "unreachable",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unreachable",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unreachable",
  CERT_HAS_EXPIRED: "unreachable",
  UND_ERR_SOCKET: "unreachable",
  ETIMEDOUT: "timeout",
  ESOCKETTIMEDOUT: "timeout",
  UND_ERR_CONNECT_TIMEOUT: "timeout",
  UND_ERR_HEADERS_TIMEOUT: "timeout",
  UND_ERR_BODY_TIMEOUT: "timeout",
  EMFILE: "throttled",
  ENFILE: "throttled",
};

/** By the text of an error of `pg`, whose own errors have no code. */
const byText: Readonly<Record<string, StoreFailureKind>> = {
  "timeout exceeded when trying to connect": "timeout",
  "Connection terminated due to connection timeout": "timeout",
  "timeout expired": "timeout",
  "Query read timeout": "timeout",
  "Connection terminated": "unreachable",
  "Connection terminated unexpectedly": "unreachable",
  "Client has encountered a connection error and is not queryable": "unreachable",
  "Client was closed and is not queryable": "unreachable",
  "Cannot use a pool after calling end on the pool": "unreachable",
  "The server does not support SSL connections": "unreachable",
  "There was an error establishing an SSL connection": "unreachable",
};

/** How deep causes and the members of an AggregateError are looked into. */
const maxDepth = 4;

/** Classifies what a driver of PostgreSQL has thrown. Takes anything. */
export function postgresFailure(error: unknown): StoreFailure {
  return failureOf(error, 0) ?? { kind: "unexpected-answer" };
}

function failureOf(error: unknown, depth: number): StoreFailure | undefined {
  if (typeof error !== "object" || error === null || depth > maxDepth) return undefined;
  const [code, text] = [member(error, "code"), member(error, "message")];
  if (typeof code === "string") {
    if (Object.hasOwn(byNodeCode, code)) return { kind: byNodeCode[code] as StoreFailureKind, serviceErrorName: code };
    const kind = /^[0-9A-Z]{5}$/.test(code) ? kindOfSqlState(code) : undefined;
    if (kind) return { kind, serviceErrorName: code };
  }
  if (typeof text === "string") {
    if (Object.hasOwn(byText, text)) return { kind: byText[text] as StoreFailureKind };
    if (text.startsWith("SASL: ")) return { kind: "credentials" };
  }
  for (const child of children(error)) {
    const failure = failureOf(child, depth + 1);
    if (failure) return failure;
  }
  return undefined;
}

function kindOfSqlState(code: string): StoreFailureKind | undefined {
  if (Object.hasOwn(bySqlState, code)) return bySqlState[code];
  if (Object.hasOwn(bySqlState, code.slice(0, 2))) return bySqlState[code.slice(0, 2)];
  return /^\d/.test(code) ? "unexpected-answer" : undefined;
}

/** Whether the server has undone a statement because of others that ran beside it, and advises to send it again. */
export function isUndone(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const code = member(error, "code");
  return code === "40001" || code === "40P01";
}

/** The failure of a row that is not what was written. */
export function corruptRow(what: string): RecordingKeyStoreError {
  return new RecordingKeyStoreError("ERR_STORE_CORRUPT", `${what} is not as it was written; restore it from a backup`);
}
