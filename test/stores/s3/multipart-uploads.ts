import { createHash } from "node:crypto";

interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly parts: Map<number, Buffer>;
}

/** S3's least length of every part but the last, in bytes. */
const leastPart = 5 << 20;
const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();

/** The multipart uploads of a double of S3 that are under way. Nothing of them is an object before they are completed. */
export class MultipartUploads {
  readonly #uploads = new Map<string, Upload>();
  #made = 0;

  /** Number of uploads that are neither completed nor aborted: S3 bills their parts until somebody ends them. */
  get underWay(): number {
    return this.#uploads.size;
  }

  create(bucket: string, key: string): string {
    const id = `upload-${(this.#made += 1)}`;
    this.#uploads.set(id, { bucket, key, parts: new Map() });
    return id;
  }

  /** The part's ETag; `undefined` if there is no such upload of the object. */
  put(id: string, bucket: string, key: string, partNumber: number, body: Buffer): string | undefined {
    const upload = this.#of(id, bucket, key);
    upload?.parts.set(partNumber, body);
    return upload && `"${md5(body).toString("hex")}"`;
  }

  abort(id: string, bucket: string, key: string): boolean {
    return this.#of(id, bucket, key) !== undefined && this.#uploads.delete(id);
  }

  /** The object that an upload becomes, by the list in a request's XML; or the name of S3's refusal. */
  complete(id: string, bucket: string, key: string, xml: string): { body: Buffer; etag: string } | string {
    const upload = this.#of(id, bucket, key);
    if (!upload) return "NoSuchUpload";
    const listed = [...xml.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = ""]) => ({
      partNumber: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
      etag: /<ETag>(?:"|&quot;)?([0-9a-f]+)/.exec(part)?.[1],
    }));
    const parts: Buffer[] = [];
    for (const [index, { partNumber, etag }] of listed.entries()) {
      const part = upload.parts.get(partNumber);
      if (!part || md5(part).toString("hex") !== etag) return "InvalidPart";
      if (partNumber <= (listed[index - 1]?.partNumber ?? 0)) return "InvalidPartOrder";
      if (part.length < leastPart && index < listed.length - 1) return "EntityTooSmall";
      parts.push(part);
    }
    this.#uploads.delete(id);
    const digest = md5(Buffer.concat(parts.map((part) => md5(part)))).toString("hex");
    return { body: Buffer.concat(parts), etag: `"${digest}-${parts.length}"` };
  }

  #of(id: string, bucket: string, key: string): Upload | undefined {
    const upload = this.#uploads.get(id);
    return upload?.bucket === bucket && upload.key === key ? upload : undefined;
  }
}
