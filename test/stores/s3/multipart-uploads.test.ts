import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { s3Client } from "../../support/aws-clients.js";
import { startS3Server, type S3Server } from "./s3-server.js";

let s3: S3Server;
let client: S3Client;
let bucket: string;
beforeAll(async () => {
  s3 = await startS3Server();
  client = s3Client(s3.endpoint);
});
beforeEach(() => {
  bucket = s3.service.createBucket();
});
afterAll(async () => {
  client.destroy();
  await s3.stop();
});

/** Begins an upload of one part. @returns what completes it */
async function begun(text: string) {
  const object = { Bucket: bucket, Key: "call-1" };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(object));
  const part = { ...object, UploadId, PartNumber: 1 };
  const { ETag } = await client.send(new UploadPartCommand({ ...part, Body: text }));
  return (more: { IfNoneMatch?: string } = {}) =>
    client.send(
      new CompleteMultipartUploadCommand({
        ...{ ...object, UploadId, ...more },
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      }),
    );
}
const content = () => s3.service.buckets.get(bucket)?.get("call-1")?.body.toString();

describe("an upload in parts to the double of S3", () => {
  it("on the condition that there is no such object becomes one where there is none", async () => {
    const complete = await begun("first");
    await complete({ IfNoneMatch: "*" });
    expect({ content: content(), underWay: s3.service.uploads.underWay }).toEqual({ content: "first", underWay: 0 });
  });

  it("on that condition is refused where the object came to be meanwhile, and stays to be aborted", async () => {
    const complete = await begun("late");
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: "call-1", Body: "first" }));
    const refusal = { name: "PreconditionFailed", $metadata: { httpStatusCode: 412 } };
    await expect(complete({ IfNoneMatch: "*" })).rejects.toMatchObject(refusal);
    expect({ content: content(), underWay: s3.service.uploads.underWay }).toEqual({ content: "first", underWay: 1 });
    await complete(); // without it the last one wins
    expect(content()).toBe("late");
  });
});
