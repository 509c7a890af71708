import { describe, expect, it, vi } from "vitest";
import { answerRecordingRequest, recordingResponse, type SeekableRecording } from "../../src/http/index.js";
import { checkKeyPolicy } from "../../src/key-policy/check.js";
import { recordingKeyPolicy, recordingKeyStatements, recordingRolePolicy } from "../../src/key-policy/write.js";
import { httpSource, type FetchLike } from "../../src/sources/index.js";
import { s3Source } from "../../src/sources/s3.js";
import { polluted } from "../support/polluted.js";

/** Expects the same result of a task with and without a polluted `Object.prototype`. */
async function expectSame(name: string, value: unknown, task: () => unknown): Promise<void> {
  const outcome = (promise: unknown) => Promise.resolve(promise).catch((error: unknown) => ({ error }));
  const expected = await outcome(task());
  expect(await outcome(polluted(name, value, task))).toEqual(expected);
}

describe("answers to requests for a recording", () => {
  const recording: SeekableRecording = {
    size: 5,
    stream: async function* ({ start, end }) {
      yield Buffer.from("audio").subarray(start, end);
    },
  };
  const failing: SeekableRecording = {
    size: 5,
    stream: () => {
      throw new Error("away");
    },
  };
  const request = { method: "GET", header: () => undefined };
  const inherited: [name: string, value: unknown][] = [
    ["cacheControl", "public"],
    ["headers", { "Access-Control-Allow-Origin": "*" }],
    ["etag", '"inherited"'],
    ["contentType", "text/html"],
  ];

  it.each(inherited)("know nothing of Object.prototype.%s", async (name, value) => {
    const { signal } = new AbortController();
    for (const each of [recording, failing]) {
      await expectSame(name, value, async () => {
        const { status, headers } = await answerRecordingRequest(request, each, { contentType: "audio/wav" }, signal);
        return { status, headers };
      });
      await expectSame(name, value, async () => {
        const answer = await recordingResponse(each, new Request("http://host"), { contentType: "audio/wav" });
        return { status: answer.status, headers: [...answer.headers], body: await answer.text() };
      });
    }
  });

  it("tell failures to nobody who is inherited", async () => {
    const onError = vi.fn();
    const { signal } = new AbortController();
    const options = { contentType: "audio/wav" };
    await polluted("onError", onError, () => answerRecordingRequest(request, failing, options, signal));
    expect(onError).not.toHaveBeenCalled();
  });
});

describe("sources", () => {
  const answer = () => ({
    status: 206,
    headers: new Headers({ "content-range": "bytes 0-4/5", etag: '"1"' }),
    body: new Blob(["audio"]).stream(),
  });

  it.each<[name: string, value: unknown]>([
    ["headers", { authorization: "inherited" }],
    ["maxRedirects", -1],
    ["attempts", 0],
    ["deadline", 0],
    ["signal", AbortSignal.abort(new Error("inherited"))],
  ])("over HTTP know nothing of Object.prototype.%s", async (name, value) => {
    await expectSame(name, value, async () => {
      const fetch = vi.fn<FetchLike>(async () => answer());
      const { size } = await httpSource("https://host/call", { fetch });
      return { size, headers: fetch.mock.calls.map(([, init]) => init.headers) };
    });
  });

  it("over HTTP call no inherited fetch", async () => {
    const inherited = vi.fn();
    const fetch = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("", { status: 404 }));
    const opened = polluted("fetch", inherited, () => httpSource("https://host/call"));
    await expect(opened).rejects.toMatchObject({ code: "ERR_SOURCE_NOT_FOUND" });
    expect([inherited.mock.calls.length, fetch.mock.calls.length]).toEqual([0, 1]);
    fetch.mockRestore();
  });

  it.each<[name: string, value: unknown]>([
    ["versionId", "inherited"],
    ["expectedBucketOwner", "444455556666"],
    ["attempts", 0],
    ["attemptTimeout", 0],
  ])("in S3 know nothing of Object.prototype.%s", async (name, value) => {
    await expectSame(name, value, async () => {
      const send = vi.fn(async (_: object) => ({ ContentRange: "bytes 0-4/5", ETag: '"1"', Body: answer().body }));
      await s3Source({ client: { send }, bucket: "calls", key: "call-1" });
      return send.mock.calls.map(([command]) => (command as { input: object }).input);
    });
  });
});

describe("key policies", () => {
  const grant = { serviceAccountId: "765628985471", organizationIds: ["org-1"] };
  const byArn = { servicePrincipalArns: ["arn:aws:iam::765628985471:role/recorder"], organizationIds: ["org-1"] };
  const options = { accountId: "111122223333", grants: [grant, byArn] };
  const policy = recordingKeyPolicy(options);

  it.each<[name: string, value: unknown]>([
    ["serviceAccountId", "444455556666"],
    ["servicePrincipalArns", ["arn:aws:iam::444455556666:role/stranger"]],
    ["organizationIds", ["org-2"]],
    ["contextKeyName", "inherited"],
    ["access", "attestations"],
    ["partition", "aws-cn"],
    ["accountId", "444455556666"],
    ["grants", []],
    ["kmsKeyArn", "arn:aws:kms:eu-west-1:444455556666:key/1"],
    ["kmsKeyArns", ["arn:aws:kms:*:444455556666:key/*"]],
    ["keyPairSpec", "RSA_2048"],
  ])("know nothing of Object.prototype.%s", async (name, value) => {
    const written = () => [recordingKeyPolicy(options), recordingRolePolicy(), recordingKeyStatements(grant)];
    await expectSame(name, value, () => JSON.stringify(written()));
    for (const each of [grant, byArn]) await expectSame(name, value, async () => checkKeyPolicy(policy, each));
  });
});
