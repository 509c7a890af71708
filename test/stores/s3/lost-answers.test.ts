import { describe, expect, it } from "vitest";
import { S3KeyPairStore } from "../../../src/stores/s3.js";
import { answerHangs, answerLost, lostWhile } from "../../support/aws-clients.js";
import { bytes } from "../records.js";
import { ServiceClient } from "./clients.js";
import { S3Service } from "./s3-service.js";

/*
 * The SDK makes an attempt again whose answer was lost. The condition of the second attempt then fails on what the first has
 * written.
 */

function opened(times: { attemptTimeout?: number; deadline?: number } = {}) {
  const service = new S3Service();
  const bucket = service.createBucket();
  const client = new ServiceClient(service);
  return {
    client,
    store: new S3KeyPairStore({ client, bucket, attemptTimeout: 30_000, deadline: 60_000, ...times }),
    other: new S3KeyPairStore({ client: new ServiceClient(service), bucket, attemptTimeout: 30_000, deadline: 60_000 }),
    objects: service.buckets.get(bucket) ?? new Map<string, unknown>(),
  };
}

const pair = { organizationId: "org", keyPairId: "pair", sequence: 1, document: bytes("a pair") };
const wrapping = { wrappingId: "w", document: bytes("a wrapping") };

describe("a write whose answer is lost, and which the SDK makes again", () => {
  it("has created its pair and its wrapping", async () => {
    const { client, store } = opened();
    client.decide("PutObject pairs", answerLost);
    expect(await store.createKeyPair(pair)).toBe("created");
    client.decide("PutObject wrappings", answerLost);
    expect(await store.createWrapping("org", "pair", wrapping)).toBe("created");
    const written = (kind: string) => client.attempts.filter((operation) => operation === `PutObject ${kind}`).length;
    expect([written("pairs"), written("wrappings")]).toEqual([2, 2]);
  });

  it("hears that the pair exists where another had created the same", async () => {
    const { client, store, other } = opened();
    await other.createKeyPair(pair);
    client.decide("PutObject pairs", answerLost);
    expect(await store.createKeyPair(pair)).toBe("exists");
  });

  it("has won its swap, be it the first", async () => {
    const { client, store, other } = opened();
    client.decide("PutObject heads", answerLost);
    const first = await store.swapHead("org", undefined, bytes("one"));
    expect(first).toEqual(await other.readHead("org"));
    client.decide("PutObject heads", answerLost);
    const second = await store.swapHead("org", first?.revision, bytes("two"));
    expect(second).toEqual(await other.readHead("org"));
    expect(Buffer.from(second?.document ?? []).toString()).toBe("two");
  });

  const replace = async (store: S3KeyPairStore, ...texts: readonly string[]) => {
    for (const text of texts) {
      const head = await store.readHead("org");
      expect(await store.swapHead("org", head?.revision, bytes(text))).toBeDefined();
    }
  };

  it("has won its swap although another has replaced its head since", async () => {
    const { client, store, other } = opened();
    client.decide(
      "PutObject heads",
      lostWhile(() => replace(other, "other")),
    );
    const won = await store.swapHead("org", undefined, bytes("one"));
    expect(Buffer.from(won?.document ?? []).toString()).toBe("one");
    expect((await other.readHead("org"))?.revision).not.toBe(won?.revision);
  });

  it("does not know whether it has won where two have replaced the head since, and says so", async () => {
    const { client, store, other } = opened();
    client.decide(
      "PutObject heads",
      lostWhile(() => replace(other, "other", "another")),
    );
    await expect(store.swapHead("org", undefined, bytes("one"))).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      kind: "unreachable",
      operation: "swapHead",
    });
  });

  it("has removed the pair", async () => {
    const { client, store, other } = opened();
    await other.createKeyPair(pair);
    await other.createWrapping("org", "pair", wrapping);
    client.decide("DeleteObject pairs", answerLost);
    expect(await store.removeKeyPair("org", "pair")).toBe(true);
    expect(await other.readKeyPair("org", "pair")).toBeUndefined();
    expect(await other.listWrappings("org", "pair")).toEqual([]);
    expect(await store.removeKeyPair("org", "pair")).toBe(false);
  });
});

describe("a crash between two writes", () => {
  const crash = () => Promise.reject(Object.assign(new Error("gone"), { name: "AccessDenied" }));

  it("leaves a place without its pair, which nobody sees and which shortens no page", async () => {
    const { client, store, other } = opened();
    for (const sequence of [1, 2]) await store.createKeyPair({ ...pair, keyPairId: `p${sequence}`, sequence });
    client.decide("PutObject pairs", crash);
    await expect(store.createKeyPair({ ...pair, sequence: 3 })).rejects.toMatchObject({ operation: "createKeyPair" });
    const ids = async (limit: number) => (await other.listKeyPairs("org", { limit })).map(({ keyPairId }) => keyPairId);
    expect([await ids(1), await ids(2), await ids(9)]).toEqual([["p2"], ["p2", "p1"], ["p2", "p1"]]);
    expect(await other.readKeyPair("org", "pair")).toBeUndefined();
    // The attempt that follows may have another sequence: the pair is in the history once.
    expect(await store.createKeyPair({ ...pair, sequence: 4 })).toBe("created");
    expect(await ids(9)).toEqual(["pair", "p2", "p1"]);
  });

  it("leaves wrappings of a removed pair, which a second removal takes", async () => {
    const { client, store, other, objects } = opened();
    await store.createKeyPair(pair);
    await store.createWrapping("org", "pair", wrapping);
    client.decide("DeleteObject wrappings", crash);
    await expect(store.removeKeyPair("org", "pair")).rejects.toMatchObject({ operation: "removeKeyPair" });
    expect(await other.readKeyPair("org", "pair")).toBeUndefined();
    expect(await other.removeKeyPair("org", "pair")).toBe(false);
    expect([...objects.keys()]).toEqual(["recording-keystore/conditional-writes"]);
  });
});

describe("an attempt that hangs", () => {
  it("is given up for another one", async () => {
    const { client, store, other } = opened({ attemptTimeout: 2_000 });
    client.decide("PutObject pairs", answerHangs);
    expect(await store.createKeyPair(pair)).toBe("created");
    expect(await other.readKeyPair("org", "pair")).toEqual(pair);
  });

  it("is a timeout where all of them hang", async () => {
    const { client, store } = opened({ attemptTimeout: 20 });
    client.decide("GetObject heads", ...Array.from({ length: 10 }, () => answerHangs));
    await expect(store.readHead("org")).rejects.toMatchObject({
      kind: "timeout",
      message: "readHead: no answer within 20 ms",
    });
  });
});
