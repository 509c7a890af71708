import { describe, expect, it } from "vitest";
import { S3KeyPairStore } from "../../../src/stores/s3.js";
import { bytes, fillOrganization } from "../records.js";
import { recordingClient, type SentCommand } from "../../support/aws-clients.js";
import { ServiceClient } from "./clients.js";
import { S3Service } from "./s3-service.js";

/** A store in a bucket with an organization in it, and what it sends from now on. */
async function filled() {
  const service = new S3Service();
  const bucket = service.createBucket();
  const client = recordingClient(new ServiceClient(service));
  const store = new S3KeyPairStore({ client, bucket, expectedBucketOwner: "111122223333" });
  const head = await fillOrganization(store, "org");
  await store.swapHead("org", "no such revision", bytes("late"));
  client.sent.length = 0;
  return { head, store, sent: client.sent, bucket, service };
}

/** What a command does, its name behind the prefix, and its condition. */
const shown = ({ operation, input }: SentCommand) => {
  const condition = (input["IfNoneMatch"] ?? input["IfMatch"]) as string | undefined;
  const name = (input["Key"] ?? input["Prefix"]) as string;
  return [operation, name.replace("recording-keystore/", ""), ...(condition === undefined ? [] : [condition])];
};
const etag = expect.stringMatching(/^"[\da-f]{32}"$/) as string;
const pair = { organizationId: "org", keyPairId: "p2", sequence: 2, document: bytes("a pair") };

describe("writes", () => {
  it("of head and records are conditional, and only the status item's is not", async () => {
    const { store, sent, head } = await filled();
    await store.swapHead("org", head.revision, bytes("next"));
    await store.swapHead("org-2", undefined, bytes("first"));
    await store.createKeyPair(pair);
    await store.createWrapping("org", "pair", { wrappingId: "w", document: bytes("") });
    await store.writeStatus("org", bytes("status"));
    expect(sent.map(shown).filter(([, name]) => name !== "conditional-writes")).toEqual([
      ["GetObject", "heads/org"],
      ["PutObject", "heads/org", etag],
      ["PutObject", "heads/org-2", "*"],
      ["PutObject", "history/org/9007199254740989-p2", "*"],
      ["PutObject", "pairs/org/p2", "*"],
      ["PutObject", "wrappings/org/pair/w", "*"],
      ["PutObject", "statuses/org"],
    ]);
  });

  it("a removal takes the pair first, then its place, then its wrappings", async () => {
    const { store, sent } = await filled();
    await store.removeKeyPair("org", "pair");
    expect(sent.map(shown)).toEqual([
      ["GetObject", "pairs/org/pair"],
      ["DeleteObject", "pairs/org/pair"],
      ["DeleteObject", "history/org/9007199254740990-pair"],
      ["ListObjectsV2", "wrappings/org/pair/"],
      ["DeleteObject", "wrappings/org/pair/wrapping"],
    ]);
  });
});

describe("reads", () => {
  it("are one request, and one more for each record of a listing", async () => {
    const { store, sent } = await filled();
    await store.readHead("org");
    await store.readKeyPair("org", "pair");
    await store.readStatus("org");
    await store.listKeyPairs("org", { limit: 3, after: { sequence: 7, keyPairId: "x" } });
    await store.listWrappings("org", "pair");
    expect(sent.map(shown)).toEqual([
      ["GetObject", "heads/org"],
      ["GetObject", "pairs/org/pair"],
      ["GetObject", "statuses/org"],
      ["ListObjectsV2", "history/org/"],
      ["GetObject", "pairs/org/pair"],
      ["ListObjectsV2", "wrappings/org/pair/"],
      ["GetObject", "wrappings/org/pair/wrapping"],
    ]);
    expect(sent[3]?.input).toMatchObject({
      MaxKeys: 3,
      StartAfter: "recording-keystore/history/org/9007199254740984-x",
    });
  });
});

it("every request names bucket and owner", async () => {
  const { store, sent, bucket, head } = await filled();
  await store.swapHead("org", head.revision, bytes("next"));
  await store.listKeyPairs("org", { limit: 3 });
  await store.removeKeyPair("org", "pair");
  expect(sent.length).toBeGreaterThan(8);
  for (const { input } of sent) expect(input).toMatchObject({ Bucket: bucket, ExpectedBucketOwner: "111122223333" });
});

it("the objects are those that the guide shows, and say what they are", async () => {
  const { store, service, bucket, head } = await filled();
  await store.swapHead("org", head.revision, bytes("next"));
  const objects = service.buckets.get(bucket) ?? new Map<string, { body: Buffer }>();
  const shownObjects = Object.fromEntries(
    [...objects].map(([key, { body }]) => {
      const [first = "", labels = "{}", ...rest] = body.toString().split("\n");
      if (!first.startsWith("recording-keystore 1 ")) return [key, first.slice(0, 18)];
      return [key, [JSON.parse(labels) as unknown, rest.join("\n")]];
    }),
  );
  const revision = expect.stringMatching(/^[\w-]{22}$/) as string;
  const organizationId = "org";
  expect(shownObjects).toEqual({
    "recording-keystore/conditional-writes": "recording-keystore",
    "recording-keystore/heads/org": [{ kind: "head", organizationId, revision, previous: head.revision }, "next"],
    "recording-keystore/statuses/org": [{ kind: "status", organizationId }, "a status"],
    "recording-keystore/history/org/9007199254740990-pair": "",
    "recording-keystore/pairs/org/pair": [
      { kind: "key-pair", organizationId, keyPairId: "pair", sequence: 1, revision },
      "a key pair",
    ],
    "recording-keystore/wrappings/org/pair/wrapping": [
      { kind: "wrapping", organizationId, keyPairId: "pair", wrappingId: "wrapping", revision },
      "a wrapping",
    ],
  });
});
