import { afterEach, describe, expect, it, vi } from "vitest";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import { keyPairInfo } from "../../../src/key-pairs/operations/history.js";
import type { ClaimedKeyPair } from "../../../src/key-pairs/key-pair.js";
import { replaceUntrustedHead } from "../../../src/key-pairs/operations/store-head.js";
import { invented } from "../inventions.js";
import { decided } from "../verdicts.js";
import { fleetSecret, fresh, organizationId, pointAsWriter, world } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

const secret = { fleetSecret: fleetSecret() };
const befores = ["nobody", "host", "fleet", "kms"] as const;
type Worker = ReturnType<ReturnType<typeof world>["worker"]>;
type Fresh = Awaited<ReturnType<typeof fresh>>;

const replace = ({ context, active }: Pick<Worker, "context" | "active">, dryRun = false, signal?: AbortSignal) =>
  replaceUntrustedHead(context, active, { dryRun }, signal);

/** A worker that holds the first pair on this word. */
async function workerOf(parts: Fresh, before: (typeof befores)[number]): Promise<Worker> {
  const { first, worker, clock } = parts;
  if (before === "fleet") await worker(secret).fleet.tell(first.pair, { confirmedAt: clock.now() });
  const made = worker({
    ...(before === "host" ? { lastConfirmed: first.lastConfirmed } : {}),
    ...(before === "fleet" ? secret : {}),
  });
  if (before === "kms") await made.active.acquire(false);
  return made;
}

/** What somebody has put in the head's place. */
const heads: Record<string, (parts: Fresh) => Promise<unknown>> = {
  "a pair that somebody has made up": ({ plant, keyArn }) =>
    plant(invented({ birth: { sequence: 2 }, kmsKeyArn: keyArn })),
  "a pair under a key that KMS does not know": ({ plant }) => plant(invented({ birth: { sequence: 2 } })),
  "a pair that is not there": ({ store }) => pointAsWriter(store, invented({ birth: { sequence: 2 } })),
  noise: (parts) => writeHead(parts, Buffer.from("noise")),
  "another organization's head": (parts) => {
    const { keyPairId, sequence } = parts.first.pair.birth;
    const { digest } = parts.first.pair;
    return writeHead(parts, encodeDocument("head", { organizationId: "org-2", keyPairId, sequence, digest }));
  },
};

async function writeHead({ store }: Fresh, document: Buffer) {
  const before = await store.readHead(organizationId);
  await store.swapHead(organizationId, before?.revision, document);
}

const headOf = async ({ records }: Pick<Fresh, "records">) => (await records.readHead().catch(() => undefined))?.digest;
const rows = Object.keys(heads).flatMap((head) => befores.map((before) => [head, before] as const));

describe("a head that nobody vouches for", () => {
  it.each(rows)("that is %s gives way to the pair of which %s has the word", async (head, before) => {
    const parts = await fresh();
    const worker = await workerOf(parts, before);
    await heads[head]!(parts);
    const report = await replace(worker);
    const vouchedBy = before === "nobody" ? "kms" : before;
    expect(report).toMatchObject({ believed: keyPairInfo(parts.first.pair, true), vouchedBy, done: true });
    expect(report.before).toEqual(before === "nobody" ? undefined : keyPairInfo(parts.first.pair, true));
    expect(await headOf(parts)).toEqual(parts.first.pair.digest);
    expect(worker.active.vouched).toMatchObject({ pair: { digest: parts.first.pair.digest }, vouchedBy });
    expect(worker.active.refusal).toBeUndefined();
  });

  it.each(Object.keys(heads))("stays with dryRun, with a report of what would be believed: %s", async (head) => {
    const parts = await fresh();
    const worker = await workerOf(parts, "kms");
    const before = worker.active.current;
    await heads[head]!(parts);
    const raw = await parts.store.readHead(organizationId);
    expect(await replace(worker, true)).toMatchObject({
      believed: keyPairInfo(parts.first.pair, true),
      vouchedBy: "kms",
      done: false,
    });
    expect(await parts.store.readHead(organizationId)).toEqual(raw);
    expect(worker.active.current).toBe(before);
  });

  it.each(Object.keys(heads))("leaves nothing at all in the store with dryRun: %s", async (head) => {
    for (const before of befores) {
      const parts = await fresh();
      const worker = await workerOf(parts, before);
      await heads[head]!(parts);
      const names = ["swapHead", "createKeyPair", "createWrapping", "writeStatus"] as const;
      const writes = names.map((name) => vi.spyOn(parts.store, name as "swapHead"));
      expect(await replace(worker, true)).toMatchObject({ believed: keyPairInfo(parts.first.pair, true), done: false });
      expect(writes.map(({ mock }) => mock.calls)).toEqual([[], [], [], []]);
    }
  });

  it.each(Object.keys(heads))(
    "is reported with the reason, also to a process that has just started: %s",
    async (head) => {
      const parts = await fresh();
      await heads[head]!(parts);
      const code = {
        noise: "ERR_STORE_CORRUPT",
        "a pair that is not there": "ERR_STORE_CORRUPT",
        "a pair under a key that KMS does not know": "ERR_KEY_UNCONFIRMED",
      }[head];
      expect((await replace(parts, true)).storeError).toMatchObject({ code: code ?? "ERR_KEY_PAIR_UNTRUSTED" });
    },
  );

  it("is named in the report where it can be read", async () => {
    const parts = await fresh();
    const made = invented({ birth: { sequence: 2 }, kmsKeyArn: parts.keyArn });
    await parts.plant(made);
    const { keyPairId, sequence } = made.birth;
    expect((await replace(parts, true)).storeHead).toEqual({
      keyPairId,
      sequence,
      digest: made.digest.toString("base64url"),
    });
    await writeHead(parts, Buffer.from("noise"));
    expect(await replace(parts, true)).not.toHaveProperty("storeHead");
  });

  it("gives way to the newest that KMS vouches for, however many were made up", async () => {
    const parts = await fresh();
    const next = await parts.first.rotation.rotate({});
    for (let sequence = 3; sequence < 25; sequence += 1)
      await parts.plant(invented({ birth: { sequence }, kmsKeyArn: parts.keyArn }));
    await replace(parts);
    expect(await headOf(parts)).toEqual(next.digest);
  });

  it("gives way to the pair in use also where the store has lost both", async () => {
    const parts = await fresh();
    const worker = await workerOf(parts, "kms");
    const { keyPairId } = parts.first.pair.birth;
    await parts.store.removeKeyPair(organizationId, keyPairId);
    await heads["noise"]!(parts);
    await replace(worker);
    expect(await parts.store.readKeyPair(organizationId, keyPairId)).toBeDefined();
    const empty = world();
    const moved = { ...worker, context: { ...worker.context, records: empty.worker().records } };
    expect(await replace(moved)).toMatchObject({ believed: { keyPairId }, done: true });
    expect((await empty.worker().records.readHead())?.keyPairId).toBe(keyPairId);
  });

  it("stays where KMS gives no verdict on it, since it may be genuine", async () => {
    const parts = await fresh();
    const worker = await workerOf(parts, "kms");
    const next = await parts.first.rotation.rotate({});
    decided(worker.calls, next, "no-verdict");
    await expect(replace(worker)).rejects.toMatchObject({ kind: "unreachable" });
    expect(await headOf(parts)).toEqual(next.digest);
  });

  it("stays where nobody vouches for any pair, which says how to begin anew", async () => {
    const parts = await fresh();
    await parts.plant(invented({ birth: { sequence: 2 }, kmsKeyArn: parts.keyArn }));
    await parts.store.removeKeyPair(organizationId, parts.first.pair.birth.keyPairId);
    const reason = "the store has no pair that KMS vouches for; configure() with newHistory begins anew";
    const message = expect.stringContaining(`nobody has vouched for any key pair of the store: ${reason}`) as string;
    const cause = { code: "ERR_KEY_PAIR_UNTRUSTED", message: reason };
    await expect(replace(parts)).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED", message, cause });
  });

  it("is none in a store where nothing is configured", async () => {
    const message = "no KMS key is configured for this organization: call configure() first";
    await expect(replace(world().worker())).rejects.toMatchObject({ code: "ERR_NOT_CONFIGURED", message });
  });

  it("that moves meanwhile is left, and the pair in use stays", async () => {
    const parts = await fresh();
    const worker = await workerOf(parts, "kms");
    await heads["noise"]!(parts);
    const before = worker.active.current;
    vi.spyOn(parts.store, "swapHead").mockResolvedValue(undefined);
    const message = "the store's head has moved meanwhile";
    await expect(replace(worker)).rejects.toMatchObject({ code: "ERR_STORE_CONFLICT", message, retryable: true });
    expect(worker.active.current).toBe(before);
  });
});

describe("a head that KMS vouches for", () => {
  it.each(befores)("is left as it is where it is the pair in use, or ahead of it: known by %s", async (before) => {
    for (const ahead of [false, true]) {
      const parts = await fresh();
      const worker = await workerOf(parts, before);
      const named = ahead ? await parts.first.rotation.rotate({}) : parts.first.pair;
      const writes = [vi.spyOn(parts.store, "swapHead"), vi.spyOn(parts.store, "createKeyPair")];
      expect(await replace(worker)).toMatchObject({
        believed: keyPairInfo(named, true),
        vouchedBy: "kms",
        done: false,
      });
      expect(writes.map(({ mock }) => mock.calls)).toEqual([[], []]);
    }
  });

  it("is reported without a reason to replace it, also after one before it was refused", async () => {
    const parts = await fresh();
    await parts.plant(invented({ birth: { sequence: 2 }, kmsKeyArn: parts.keyArn }));
    await parts.active.acquire(false);
    expect(parts.active.refusal).toBeDefined();
    await pointAsWriter(parts.store, parts.first.pair);
    expect(await replace(parts)).not.toHaveProperty("storeError");
  });

  it("gives way to the pair in use where it went backwards", async () => {
    const parts = await fresh();
    const next = await parts.first.rotation.rotate({});
    await parts.active.acquire(false);
    await pointAsWriter(parts.store, parts.first.pair);
    await parts.active.refresh();
    expect(await replace(parts)).toMatchObject({
      storeError: { code: "ERR_STORE_ROLLED_BACK" },
      before: keyPairInfo(next, true),
      believed: keyPairInfo(next, true),
      done: true,
    });
    expect(await headOf(parts)).toEqual(next.digest);
  });

  it("gives way to the pair in use where it is another one in the same place", async () => {
    const parts = await fresh();
    const old = await parts.store.readHead(organizationId);
    const next = await parts.first.rotation.rotate({});
    await parts.active.acquire(false);
    await writeHead(parts, Buffer.from(old!.document));
    const twin: ClaimedKeyPair = await parts.worker().rotation.rotate({});
    expect(twin.birth.sequence).toBe(next.birth.sequence);
    expect(await replace(parts)).toMatchObject({ believed: keyPairInfo(next, true), done: true });
    expect(await headOf(parts)).toEqual(next.digest);
  });
});

describe("replacing the head", () => {
  it("fails for a store that is away, at whichever read", async () => {
    for (const name of ["readHead", "readKeyPair", "listKeyPairs", "createKeyPair", "swapHead"] as const) {
      const parts = await fresh();
      await parts.plant(invented({ birth: { sequence: 2 }, kmsKeyArn: parts.keyArn }));
      vi.spyOn(parts.store, name as "readHead").mockImplementation(away);
      await expect(replace(parts)).rejects.toMatchObject({ code: "ERR_STORE_UNAVAILABLE" });
      expect(parts.active.current).toBeUndefined();
    }
  });

  it("hides no mistake of the library's own", async () => {
    const parts = await fresh();
    const bug = new TypeError("a bug");
    vi.spyOn(parts.records, "readHead").mockRejectedValue(bug);
    await expect(replace(parts)).rejects.toBe(bug);
  });

  it("is left by who leaves", async () => {
    const parts = await fresh();
    await parts.plant(invented({ birth: { sequence: 2 }, kmsKeyArn: parts.keyArn }));
    await expect(replace(parts, false, AbortSignal.abort(new Error("left")))).rejects.toThrow("left");
    const { signal } = new AbortController();
    const { active, records, trust } = parts;
    const calls = [
      vi.spyOn(active, "loadLastConfirmed"),
      vi.spyOn(records, "readRawHead"),
      vi.spyOn(records, "readHead"),
      vi.spyOn(records, "readHeadPair"),
      vi.spyOn(trust, "ask"),
      vi.spyOn(records, "list"),
      vi.spyOn(records, "putPair"),
    ];
    await replace(parts, false, signal);
    expect(calls.map(({ mock }) => mock.calls[0]?.at(-1))).toEqual(calls.map(() => signal));
  });
});
