import { randomUUID } from "node:crypto";
import { TextDecoder, TextEncoder } from "node:util";
import { defined } from "../util/defined.js";
import { plainBytes } from "../util/realms.js";
import { AwsError } from "./aws-error.js";

/** An HTTP request, independent of its transport. Header names are in any case. */
export interface KmsHttpRequest {
  method: string;
  path?: string;
  headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  body?: string | Uint8Array | undefined;
}

export interface KmsHttpResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

/** What a request claims about itself. Nothing of it is trusted. */
export interface KmsRequest {
  requestId: string;
  operation: string;
  region: string;
  accessKeyId: string;
  /** The client's own time, as signed. */
  signedAt?: string;
  body: Record<string, unknown>;
}

const targetPrefix = "TrentService.";

/** Reads a signed JSON 1.1 request. The signature is not checked: every secret key is right. */
export function readRequest(request: KmsHttpRequest, requestId: string): KmsRequest {
  const header = headerReader(request.headers);
  const target = header("x-amz-target") ?? "";
  if (request.method !== "POST" || !target.startsWith(targetPrefix)) throw new AwsError("UnknownOperationException");
  const authorization = header("authorization");
  if (!authorization) throw missingToken();
  const scope = /^AWS4-HMAC-SHA256 .*?Credential=([^/,\s]+)\/\d{8}\/([^/,\s]+)\/([^/,\s]+)\/aws4_request[,\s]/.exec(
    authorization,
  );
  if (!scope || !/\bSignedHeaders=[^,\s]+/.test(authorization) || !/\bSignature=[^,\s]+/.test(authorization)) {
    throw new AwsError(
      "IncompleteSignatureException",
      "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters of Signature Version 4.",
    );
  }
  const [, accessKeyId, region, service] = scope as unknown as [string, string, string, string];
  if (service !== "kms") {
    throw new AwsError("InvalidSignatureException", `Credential should be scoped to correct service: 'kms'. `);
  }
  const signedAt = header("x-amz-date");
  return {
    requestId,
    operation: target.slice(targetPrefix.length),
    region,
    accessKeyId,
    ...defined({ signedAt }),
    body: readJsonObject(request.body),
  };
}

export const missingToken = () => new AwsError("MissingAuthenticationTokenException", "Missing Authentication Token");

function headerReader(headers: KmsHttpRequest["headers"]) {
  return (name: string): string | undefined => {
    const value = headers[name] ?? Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
    return typeof value === "string" ? value : value?.[0];
  };
}

function readJsonObject(body: string | Uint8Array | undefined): Record<string, unknown> {
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  let value: unknown;
  try {
    value = text === "" ? {} : JSON.parse(text);
  } catch {
    throw new AwsError("SerializationException");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new AwsError("SerializationException");
  return value as Record<string, unknown>;
}

export function successResponse(requestId: string, output: object | undefined, date?: Date): KmsHttpResponse {
  return response(200, requestId, output === undefined ? "" : JSON.stringify(output, replaceForWire), date);
}

export function errorResponse(requestId: string, error: AwsError, date?: Date): KmsHttpResponse {
  const body = defined({ __type: error.name, message: error.hasMessage ? error.message : undefined });
  return response(error.statusCode, requestId, JSON.stringify(body), date);
}

export const newRequestId = (): string => randomUUID();

/** SDKs compare `date` with their own clock and sign again if it is far off, so it is in real time. */
function response(statusCode: number, requestId: string, text: string, date = new Date()): KmsHttpResponse {
  // Of the global class, which the SDK asks for by `instanceof`.
  const body = plainBytes(new TextEncoder().encode(text));
  const headers = {
    "x-amzn-requestid": requestId,
    "cache-control": "no-cache, no-store, must-revalidate, private",
    expires: "0",
    pragma: "no-cache",
    date: date.toUTCString(),
    "content-type": "application/x-amz-json-1.1",
    "content-length": String(body.byteLength),
  };
  return { statusCode, headers, body };
}

/** A time on the wire: seconds since the Unix epoch, with milliseconds as decimals. */
export class WireTime {
  readonly #milliseconds: number;
  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds;
  }
  toJSON(): number {
    return this.#milliseconds / 1000;
  }
}

/** Replacer that encodes bytes as base64. A Buffer's `toJSON` has already run on `value`. */
function replaceForWire(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key];
  if (!ArrayBuffer.isView(original)) return value;
  return Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString("base64");
}
