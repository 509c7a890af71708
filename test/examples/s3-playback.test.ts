import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Readable } from "node:stream";
import type { S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestKeyStore, type TestKeyStore } from "recording-keystore/testing";
import { S3Recordings } from "../../examples/s3-playback/s3-recordings.js";
import { startS3Server, type S3Server } from "../stores/s3/s3-server.js";
import { s3Client } from "../support/aws-clients.js";

describe("recordings in S3", () => {
  const audio = randomBytes(12 << 20);
  let world: TestKeyStore;
  let s3: S3Server;
  let client: S3Client;
  let bucket: string;
  let recordings: S3Recordings;
  let server: Server;
  let url: string;
  beforeAll(async () => {
    world = await createTestKeyStore();
    s3 = await startS3Server();
    client = s3Client(s3.endpoint);
    server = createServer((request, response) => {
      void recordings.play(decodeURIComponent(request.url?.slice(1) ?? ""), request, response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => {
    bucket = s3.service.createBucket();
    recordings = new S3Recordings({ keyStore: world.keyStore, client, bucket });
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    client.destroy();
    await s3.stop();
    await world.keyStore.close();
  });
  const stored = () => s3.service.buckets.get(bucket) as Map<string, { body: Buffer; etag: string }>;
  const play = async (range?: string) => {
    const answer = await fetch(`${url}/call-1`, range ? { headers: { range } } : {});
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
  };

  it("uploads in parts as it is recorded, and plays any range", async () => {
    const pieces = Array.from({ length: 12 }, (_, index) => audio.subarray(index << 20, (index + 1) << 20));
    expect(await recordings.record("call-1", Readable.from(pieces))).toMatchObject({ plaintextSize: audio.length });
    const [object] = stored().values();
    expect(object?.etag).toMatch(/-3"$/); // parts
    expect(object?.body.subarray(0, 6).toString()).toBe("RKSREC");
    expect((await play()).body.equals(audio)).toBe(true);
    const middle = await play("bytes=7000000-7009999");
    expect(middle.status).toBe(206);
    expect(middle.body.equals(audio.subarray(7_000_000, 7_010_000))).toBe(true);
  });

  it("replaces no recording", async () => {
    await recordings.record("call-1", Readable.from([Buffer.from("first")]));
    await expect(recordings.record("call-1", Readable.from([Buffer.from("second")]))).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    await expect(recordings.record("call-1", Readable.from([audio]))).rejects.toMatchObject({
      name: "PreconditionFailed", // also of what is sent in parts
    });
    expect((await play()).body.toString()).toBe("first");
    await expect.poll(() => s3.service.uploads.underWay).toBe(0);
  });

  it("leaves no object and no parts of a recording that is broken off", async () => {
    const live = new PassThrough();
    const end = new AbortController();
    const recording = recordings.record("call-1", live, end.signal);
    live.write(audio.subarray(0, 6 << 20));
    await expect.poll(() => s3.service.uploads.underWay).toBe(1);
    end.abort(new Error("the caller hung up"));
    await expect(recording).rejects.toThrow();
    await expect.poll(() => s3.service.uploads.underWay).toBe(0);
    expect(stored().size).toBe(0);
    expect(live.destroyed).toBe(true);
  });

  it("never mixes an object with one that replaces it", async () => {
    // Far more than sockets and streams hold on their way to a client that does not read.
    const long = Array.from({ length: 4 }, () => audio.subarray(0, 8 << 20));
    await recordings.record("call-1", Readable.from(long));
    const [[key, first] = ["", undefined]] = [...stored()];
    const answer = await fetch(`${url}/call-1`);
    const reader = answer.body?.getReader();
    await reader?.read();
    if (first) stored().set(key, { ...first, etag: '"another"' });
    const rest = async () => {
      while (!(await reader?.read())?.done);
    };
    await expect(rest()).rejects.toThrow();
  });

  it("says what a client may know: not there, or not now", async () => {
    expect((await play()).status).toBe(404);
    await recordings.record("call-1", Readable.from([Buffer.from("hello")]));
    world.keyStore.forgetPrivateKeys();
    world.kms.faults.outage();
    expect((await play()).status).toBe(503);
    world.kms.faults.heal();
    expect((await play()).status).toBe(200);
  });
});
