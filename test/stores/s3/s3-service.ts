import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { HttpResponse } from "@smithy/protocol-http";
import { MultipartUploads } from "./multipart-uploads.js";

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
 * A double of S3, as far as stores and examples use it: general purpose buckets with conditional writes, reads of ranges, multipart
 * uploads and ordered listings, on the wire of the SDK's request handler. Each request is done at once, so that a listing sees what was written before.
 */
export class S3Service {
  readonly buckets = new Map<string, Map<string, StoredObject>>();
  readonly uploads = new MultipartUploads();
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
    if (request.method === "GET") return this.#get(bucket, key, request.headers);
    const { uploads, uploadId } = request.query ?? {};
    if (uploads !== undefined || typeof uploadId === "string")
      return this.#multipart(bucketName, key, String(uploadId), { ...request, body });
    if (request.method === "PUT") return this.#put(bucket, key, body, request.headers);
    if (request.method === "DELETE") {
      bucket.delete(key);
      return this.#response(204, {});
    }
    return this.#refusal(501, "NotImplemented");
  }

  #get(
    bucket: ReadonlyMap<string, StoredObject>,
    key: string,
    headers: Readonly<Record<string, string>>,
  ): HttpResponse {
    const object = bucket.get(key);
    if (!object) return this.#refusal(404, "NoSuchKey");
    const { body, etag } = object;
    if (headers["if-match"] !== undefined && headers["if-match"] !== etag)
      return this.#refusal(412, "PreconditionFailed");
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers["range"] ?? "");
    if (!range) return this.#response(200, { etag }, body);
    const [first, last] = [Number(range[1]), Math.min(Number(range[2] || Infinity), body.length - 1)];
    if (first > last) return this.#refusal(416, "InvalidRange");
    const part = { etag, "content-range": `bytes ${first}-${last}/${body.length}` };
    return this.#response(206, part, body.subarray(first, last + 1));
  }

  /** Starts, feeds, completes and aborts an upload in parts. */
  #multipart(bucket: string, key: string, id: string, request: S3Request & { readonly body: Buffer }): HttpResponse {
    const { method, query = {}, body } = request;
    if (method === "POST" && query["uploads"] !== undefined) {
      const made = `<UploadId>${this.uploads.create(bucket, key)}</UploadId>`;
      return this.#xml(`<InitiateMultipartUploadResult>${made}</InitiateMultipartUploadResult>`);
    }
    if (method === "PUT") {
      const etag = this.uploads.put(id, bucket, key, Number(query["partNumber"]), body);
      return etag === undefined ? this.#refusal(404, "NoSuchUpload") : this.#response(200, { etag });
    }
    if (method === "DELETE")
      return this.uploads.abort(id, bucket, key) ? this.#response(204, {}) : this.#refusal(404, "NoSuchUpload");
    // A condition holds when the object comes to be, not when its upload began.
    if (request.headers["if-none-match"] !== undefined && this.buckets.get(bucket)?.has(key))
      return this.#refusal(412, "PreconditionFailed");
    const object = this.uploads.complete(id, bucket, key, body.toString());
    if (typeof object === "string") return this.#refusal(object === "NoSuchUpload" ? 404 : 400, object);
    this.buckets.get(bucket)?.set(key, object);
    return this.#xml(
      `<CompleteMultipartUploadResult><ETag>${escaped(object.etag)}</ETag></CompleteMultipartUploadResult>`,
    );
  }

  #xml(content: string): HttpResponse {
    const headers = { "content-type": "application/xml" };
    return this.#response(200, headers, Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>${content}`));
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
