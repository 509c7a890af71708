import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { HttpResponse } from "@smithy/protocol-http";

/** A request as the SDK's request handlers get it. */
export interface S3Request {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** How a service differs from Amazon's. */
export interface S3ServiceOptions {
  /** Takes `If-Match` without quotes alone, as Ceph 16. */
  readonly bareETags?: boolean;
  /** Headers that it ignores. */
  readonly ignores?: readonly ("if-none-match" | "if-match")[];
  /** Most names in a page. */
  readonly mostPerPage?: number;
}

interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
}

/**
 * A double of S3, as far as a store uses it: general purpose buckets with conditional writes and ordered listings, on the wire of
 * the SDK's request handler. Each request is done at once, so that a listing sees what was written before.
 */
export class S3Service {
  readonly buckets = new Map<string, Map<string, StoredObject>>();
  readonly #options: S3ServiceOptions;
  #requests = 0;

  constructor(options: S3ServiceOptions = {}) {
    this.#options = options;
  }

  /** Makes an empty bucket. */
  createBucket(): string {
    const name = `recording-keys-${this.buckets.size + 1}`;
    this.buckets.set(name, new Map());
    return name;
  }

  /** A request handler for an `S3Client` with `forcePathStyle`. */
  get requestHandler() {
    return { handle: async (request: object) => ({ response: await this.answer(request as S3Request) }) };
  }

  async answer(request: S3Request): Promise<HttpResponse> {
    this.#requests += 1;
    const body = await bytesOf(request.body);
    const [, bucketName = "", ...rest] = request.path.split("/");
    const bucket = this.buckets.get(bucketName);
    if (!bucket) return this.#refusal(404, "NoSuchBucket");
    const key = decodeURIComponent(rest.join("/"));
    if (request.method === "GET" && key === "") return this.#list(bucket, request.query ?? {});
    if (request.method === "GET") return this.#get(bucket, key);
    if (request.method === "PUT") return this.#put(bucket, key, body, request.headers);
    if (request.method === "DELETE") {
      bucket.delete(key);
      return this.#response(204, {});
    }
    return this.#refusal(501, "NotImplemented");
  }

  #get(bucket: ReadonlyMap<string, StoredObject>, key: string): HttpResponse {
    const object = bucket.get(key);
    if (!object) return this.#refusal(404, "NoSuchKey");
    return this.#response(200, { etag: object.etag }, object.body);
  }

  #put(
    bucket: Map<string, StoredObject>,
    key: string,
    body: Buffer,
    headers: Readonly<Record<string, string>>,
  ): HttpResponse {
    const { ignores = [], bareETags = false } = this.#options;
    const header = (name: "if-none-match" | "if-match") => (ignores.includes(name) ? undefined : headers[name]);
    const there = bucket.get(key);
    if (header("if-none-match") !== undefined && there) return this.#refusal(412, "PreconditionFailed");
    const match = header("if-match");
    if (match !== undefined && !there) return this.#refusal(404, "NoSuchKey");
    const etag = bareETags ? there?.etag.slice(1, -1) : there?.etag;
    if (match !== undefined && match !== etag) return this.#refusal(412, "PreconditionFailed");
    const stored = { body, etag: `"${createHash("md5").update(body).digest("hex")}"` };
    bucket.set(key, stored);
    return this.#response(200, { etag: stored.etag });
  }

  #list(bucket: ReadonlyMap<string, StoredObject>, query: Readonly<Record<string, unknown>>): HttpResponse {
    const text = (name: string) => (typeof query[name] === "string" ? query[name] : "");
    const most = Math.min(Number(text("max-keys") || 1_000), this.#options.mostPerPage ?? 1_000);
    const token = text("continuation-token");
    const after = token ? Buffer.from(token, "base64url").toString() : text("start-after");
    const keys = [...bucket.keys()]
      .filter((key) => key.startsWith(text("prefix")) && Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const page = keys.slice(0, most);
    const truncated = keys.length > page.length;
    const next = Buffer.from(page.at(-1) ?? after).toString("base64url");
    return this.#response(
      200,
      { "content-type": "application/xml" },
      Buffer.from(
        `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>${truncated}</IsTruncated>` +
          page.map((key) => `<Contents><Key>${escaped(key)}</Key></Contents>`).join("") +
          (truncated ? `<NextContinuationToken>${next}</NextContinuationToken>` : "") +
          "</ListBucketResult>",
      ),
    );
  }

  #refusal(status: number, code: string): HttpResponse {
    return refusal(status, code, this.#requestId());
  }

  #response(statusCode: number, headers: Record<string, string>, body: Uint8Array = Buffer.alloc(0)): HttpResponse {
    const common = { "x-amz-request-id": this.#requestId(), "content-length": String(body.length) };
    return new HttpResponse({ statusCode, headers: { ...common, ...headers }, body: Readable.from([body]) });
  }

  #requestId(): string {
    return `REQUEST${String(this.#requests).padStart(9, "0")}`;
  }
}

/** What S3 answers to a request that it refuses. */
export function refusal(statusCode: number, code: string, requestId: string, message = ""): HttpResponse {
  const body = Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`,
  );
  const headers = {
    "x-amz-request-id": requestId,
    "content-type": "application/xml",
    "content-length": String(body.length),
  };
  return new HttpResponse({ statusCode, headers, body: Readable.from([body]) });
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}

async function bytesOf(body: unknown): Promise<Buffer> {
  if (body === undefined || body === null) return Buffer.alloc(0);
  if (typeof body === "string" || body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
