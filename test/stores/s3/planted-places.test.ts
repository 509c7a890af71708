import { expect, it } from "vitest";
import type { KeyPairListQuery } from "../../../src/stores/index.js";
import { S3KeyPairStore } from "../../../src/stores/s3.js";
import { placeName } from "../../../src/stores/s3/names.js";
import { createTestKeyStore } from "../../../src/testing/index.js";
import { patient } from "../../support/aws-clients.js";
import { ServiceClient } from "./clients.js";
import { S3Service } from "./s3-service.js";

/** Most requests for which a listing has the time. */
const mostRequests = 320;
const planted = mostRequests + 60;

it("places planted without pairs make no listing too long, and hide no pair from whoever goes on", async () => {
  const service = new S3Service();
  const bucket = service.createBucket();
  const client = new ServiceClient(service);
  const store = new S3KeyPairStore({ client, bucket, ...patient });
  const { keyStore } = await createTestKeyStore({
    organizationId: "org",
    store,
    background: false,
    storeTimeout: 600_000,
  });
  await keyStore.rotate();
  const genuine = (await keyStore.keyPairs()).items.map(({ keyPairId }) => keyPairId);
  // As whoever may create objects can: ahead of the history, and in the middle of it.
  for (let index = 0; index < planted; index += 1) {
    const place = { sequence: index % 2 === 0 ? 1_000 + index : 2, keyPairId: `-${index}` };
    const key = `recording-keystore/${placeName("org", place)}`;
    service.buckets.get(bucket)?.set(key, { body: Buffer.alloc(0), etag: '"planted"' });
  }

  const found: string[] = [];
  for (let query: KeyPairListQuery | undefined = { limit: 50 }; query;) {
    const before = client.attempts.length;
    const page = await store.listKeyPairs("org", query);
    expect(client.attempts.length - before).toBeLessThan(mostRequests);
    found.push(...page.filter(({ document }) => document.length > 0).map(({ keyPairId }) => keyPairId));
    const after = page.at(-1);
    query = after && { limit: 50, after };
  }
  expect(found).toEqual(genuine);
  expect((await keyStore.keyPairs()).items.map(({ keyPairId }) => keyPairId)).toEqual(genuine);
}, 300_000);
