import { describe, expect, it } from "vitest";
import { S3KeyPairStore } from "../../../src/stores/s3.js";
import { bytes } from "../records.js";
import { recordingClient } from "../../support/aws-clients.js";
import { ServiceClient } from "./clients.js";
import { refusal, S3Service, type S3ServiceOptions } from "./s3-service.js";

function opened(options: S3ServiceOptions = {}) {
  const service = new S3Service(options);
  const bucket = service.createBucket();
  const open = () => {
    const client = new ServiceClient(service);
    const recording = recordingClient(client);
    return { client, sent: recording.sent, store: new S3KeyPairStore({ client: recording, bucket }) };
  };
  return { service, bucket, open, names: () => [...(service.buckets.get(bucket)?.keys() ?? [])] };
}

const pair = { organizationId: "org", keyPairId: "p", sequence: 1, document: bytes("a pair") };
const wrapping = { wrappingId: "w", document: bytes("a wrapping") };
const unsupported = { code: "ERR_STORE_UNAVAILABLE", kind: "unsupported", retryable: false };
const trial = "recording-keystore/conditional-writes";

describe("a service that ignores conditions", () => {
  it("is refused before a record is written, by each write that needs one", async () => {
    const { open, names } = opened({ ignores: ["if-none-match", "if-match"] });
    const { store } = open();
    for (const [operation, call] of Object.entries({
      createKeyPair: () => store.createKeyPair(pair),
      createWrapping: () => store.createWrapping("org", "p", wrapping),
      swapHead: () => store.swapHead("org", undefined, bytes("head")),
    })) {
      await expect(call(), operation).rejects.toMatchObject({ ...unsupported, operation });
      expect(names()).toEqual([trial]);
    }
    expect(await store.readHead("org")).toBeUndefined();
  });

  it("is refused where it ignores If-Match alone, and the head stays as it was", async () => {
    const { open } = opened({ ignores: ["if-match"] });
    const { store } = open();
    const head = await store.swapHead("org", undefined, bytes("first"));
    await expect(store.swapHead("org", head?.revision, bytes("second"))).rejects.toMatchObject(unsupported);
    expect(await store.readHead("org")).toEqual(head);
  });

  it("is not mistaken for one that refuses what it does not know", async () => {
    const { open } = opened();
    const { store, client } = open();
    const refused = async () => ({ response: refusal(501, "NotImplemented", "REQUEST000000001") });
    client.decide("PutObject conditional-writes", refused);
    await expect(store.createKeyPair(pair)).rejects.toMatchObject({
      ...unsupported,
      serviceErrorName: "NotImplemented",
    });
  });
});

describe("a service that takes ETags without quotes alone", () => {
  it("gets them so, once it has refused a right one in quotes", async () => {
    const { open } = opened({ bareETags: true });
    const { store, sent } = open();
    let head = await store.swapHead("org", undefined, bytes("0"));
    for (const text of ["1", "2", "3"]) {
      head = await store.swapHead("org", head?.revision, bytes(text));
      expect(head).toEqual(await open().store.readHead("org"));
    }
    const swaps = sent.filter(({ input }) => input["Key"] === "recording-keystore/heads/org" && input["IfMatch"]);
    expect(swaps.map(({ input }) => String(input["IfMatch"]).length)).toEqual([34, 32, 32, 32]);
    expect(await store.swapHead("org", "A".repeat(22), bytes("late"))).toBeUndefined();
  });
});

describe("the trial", () => {
  it("is made once for each store, and by one of many writes at once", async () => {
    const { open } = opened();
    const first = open();
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => first.store.createKeyPair({ ...pair, keyPairId: `p${index}` })),
    );
    const trials = (sent: typeof first.sent) => sent.filter(({ input }) => input["Key"] === trial).length;
    expect(trials(first.sent)).toBe(2);
    const second = open();
    await second.store.createWrapping("org", "p", wrapping);
    expect(trials(second.sent)).toBe(1); // the object is there already
  });

  it("that a caller has left is made again for the others", async () => {
    const { open } = opened();
    const { store, client } = open();
    const controller = new AbortController();
    const reason = new Error("the caller has gone");
    let begun: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (begun = resolve));
    client.decide("PutObject conditional-writes", async () => {
      begun();
      return new Promise(() => undefined);
    });
    const left = store.createKeyPair(pair, { signal: controller.signal });
    const waiting = store.createWrapping("org", "p", wrapping);
    await started;
    controller.abort(reason);
    await expect(left).rejects.toBe(reason);
    expect(await waiting).toBe("created");
  });
});

describe("a write that another one to the same object keeps from being made", () => {
  const conflict = async () => ({ response: refusal(409, "ConditionalRequestConflict", "REQUEST000000001") });

  it("is made again", async () => {
    const { open } = opened();
    const { store, client } = open();
    client.decide("PutObject pairs", conflict, conflict);
    client.decide("PutObject heads", conflict);
    expect(await store.createKeyPair(pair)).toBe("created");
    expect(await store.swapHead("org", undefined, bytes("head"))).toBeDefined();
    expect(client.attempts.filter((operation) => operation === "PutObject pairs")).toHaveLength(3);
  });

  it("hears who has won meanwhile", async () => {
    const { open } = opened();
    const [{ store, client }, other] = [open(), open()];
    client.decide("PutObject pairs", async () => {
      await other.store.createKeyPair(pair);
      return conflict();
    });
    expect(await store.createKeyPair(pair)).toBe("exists");
  });
});

describe("8 workers that swap at once", () => {
  it("have one winner in each of 25 rounds, and the head is the winner's", async () => {
    const { open } = opened();
    const workers = Array.from({ length: 8 }, () => open().store);
    let revision: string | undefined;
    for (let round = 0; round < 25; round += 1) {
      const swaps = workers.map((store, worker) => store.swapHead("org", revision, bytes(`${round} ${worker}`)));
      const winners = (await Promise.all(swaps)).filter((head) => head !== undefined);
      expect(winners).toHaveLength(1);
      expect(await workers[0]?.readHead("org")).toEqual(winners[0]);
      revision = winners[0]?.revision;
    }
  });

  it("with the same document never have equal revisions", async () => {
    const { open } = opened();
    const { store } = open();
    const revisions = new Set<string | undefined>();
    let head: { revision: string } | undefined;
    for (let round = 0; round < 10; round += 1) {
      head = await store.swapHead("org", head?.revision, bytes("same"));
      revisions.add(head?.revision);
    }
    expect(revisions.size).toBe(10);
  });
});
