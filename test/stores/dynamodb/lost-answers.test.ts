import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DynamoDbKeyPairStore } from "../../../src/stores/dynamodb.js";
import { bytes } from "../records.js";
import { answerHangs, answerLost, dynamoDbClient, lostWhile, patient, refused } from "../../support/aws-clients.js";
import { withAttempts } from "./clients.js";
import { createTable, startDynalite, type DynamoDbServer } from "./store-kind.js";

/*
 * The SDK makes an attempt again whose answer was lost. The condition of the second attempt then fails on what the first has
 * written.
 */

let server: DynamoDbServer;
beforeAll(async () => (server = await startDynalite()));
afterAll(() => server.stop());

async function opened(times: { attemptTimeout?: number; deadline?: number } = {}) {
  const [client, otherClient] = [dynamoDbClient(server.endpoint), dynamoDbClient(server.endpoint)];
  const tableName = await createTable(client);
  return {
    client,
    store: new DynamoDbKeyPairStore({ client, tableName, ...patient, ...times }),
    other: new DynamoDbKeyPairStore({ client: otherClient, tableName, ...patient }),
  };
}

const pair = { organizationId: "org", keyPairId: "pair", sequence: 1, document: bytes("a pair") };
const wrapping = { wrappingId: "w", document: bytes("a wrapping") };

describe("a write whose answer is lost, and which the SDK makes again", () => {
  it("has created its pair and its wrapping", async () => {
    const { client, store } = await opened();
    const attempts = withAttempts(client, "PutItem", answerLost);
    expect(await store.createKeyPair(pair)).toBe("created");
    withAttempts(client, "PutItem", answerLost);
    expect(await store.createWrapping("org", "pair", wrapping)).toBe("created");
    expect(attempts).toEqual(["PutItem", "PutItem", "GetItem", "PutItem", "PutItem", "GetItem"]);
  });

  it("hears that the pair exists where another had created the same", async () => {
    const { client, store, other } = await opened();
    await other.createKeyPair(pair);
    withAttempts(client, "PutItem", answerLost);
    expect(await store.createKeyPair(pair)).toBe("exists");
  });

  it("has won its swap, be it the first", async () => {
    const { client, store, other } = await opened();
    withAttempts(client, "PutItem", answerLost);
    const first = await store.swapHead("org", undefined, bytes("one"));
    expect(first).toEqual(await other.readHead("org"));
    withAttempts(client, "PutItem", answerLost);
    const second = await store.swapHead("org", first?.revision, bytes("two"));
    expect(second).toEqual(await other.readHead("org"));
    expect(Buffer.from(second?.document ?? []).toString()).toBe("two");
  });

  it("has won its swap although another has replaced its head since", async () => {
    const { client, store, other } = await opened();
    const replace = async () => {
      const head = await other.readHead("org");
      expect(await other.swapHead("org", head?.revision, bytes("other"))).toBeDefined();
    };
    withAttempts(client, "PutItem", lostWhile(replace));
    const won = await store.swapHead("org", undefined, bytes("one"));
    expect(Buffer.from(won?.document ?? []).toString()).toBe("one");
    expect((await other.readHead("org"))?.revision).not.toBe(won?.revision);
  });

  it("does not know whether it has won where two have replaced the head since, and says so", async () => {
    const { client, store, other } = await opened();
    const replaceTwice = async () => {
      for (const text of ["other", "another"]) {
        const head = await other.readHead("org");
        expect(await other.swapHead("org", head?.revision, bytes(text))).toBeDefined();
      }
    };
    withAttempts(client, "PutItem", lostWhile(replaceTwice));
    await expect(store.swapHead("org", undefined, bytes("one"))).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      kind: "unreachable",
      operation: "swapHead",
    });
  });

  it("has lost its swap where another's head stands in its place", async () => {
    const { client, store, other } = await opened();
    const first = await other.swapHead("org", undefined, bytes("one"));
    const second = await other.swapHead("org", first?.revision, bytes("two"));
    withAttempts(client, "PutItem", answerLost);
    expect(await store.swapHead("org", first?.revision, bytes("late"))).toBeUndefined();
    expect(await other.readHead("org")).toEqual(second);
  });

  it("has removed the pair and its wrappings, or another has: nobody knows, and it says so", async () => {
    const { client, store, other } = await opened();
    await other.createKeyPair(pair);
    await other.createWrapping("org", "pair", wrapping);
    withAttempts(client, "DeleteItem", answerLost);
    await expect(store.removeKeyPair("org", "pair")).rejects.toMatchObject({ kind: "unreachable" });
    expect(await other.readKeyPair("org", "pair")).toBeUndefined();
    expect(await other.listWrappings("org", "pair")).toEqual([]);
    expect(await store.removeKeyPair("org", "pair")).toBe(false);
  });

  it("has lost for certain where no attempt before could have been made", async () => {
    const { client, store, other } = await opened();
    let head = await other.swapHead("org", undefined, bytes("one"));
    const stale = head?.revision;
    for (const text of ["two", "three"]) head = await other.swapHead("org", head?.revision, bytes(text));
    expect(await store.swapHead("org", stale, bytes("late"))).toBeUndefined();
    // A refused connection may have been another than the server's: this is as unsure as a lost answer.
    withAttempts(client, "PutItem", refused);
    await expect(store.swapHead("org", stale, bytes("late"))).rejects.toMatchObject({ kind: "unreachable" });
  });
});

describe("an attempt that hangs", () => {
  it("is given up for another one", async () => {
    const { client, store, other } = await opened({ attemptTimeout: 2_000 });
    const attempts = withAttempts(client, "PutItem", answerHangs);
    expect(await store.createKeyPair(pair)).toBe("created");
    expect(attempts.slice(0, 2)).toEqual(["PutItem", "PutItem"]);
    expect(await other.readKeyPair("org", "pair")).toEqual(pair);
  });

  it("is a timeout where all of them hang", async () => {
    const { client, store } = await opened({ attemptTimeout: 20 });
    withAttempts(client, "GetItem", ...Array.from({ length: 10 }, () => answerHangs));
    await expect(store.readHead("org")).rejects.toMatchObject({
      kind: "timeout",
      message: "readHead: no answer within 20 ms",
    });
  });
});
