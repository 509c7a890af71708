import { afterEach, describe, expect, it, vi } from "vitest";
import type { KeyPairStore } from "../../../src/index.js";
import { overridden } from "../../support/setup.js";
import { keyElsewhere } from "../altered-kms.js";
import { configuration, kmsKeyAliasArn, organizationId, world } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

describe("an answer of the store that got lost", () => {
  it.each<[what: string, answer: (swapped: unknown) => Promise<unknown>]>([
    ["fails", away],
    ["says that another was first", async () => undefined],
    ["is none", async () => null],
  ])("counts as done when the head has moved to the pair: it %s", async (_, answer) => {
    const { store, configured, worker, kms } = world();
    await configured();
    const lossy = overridden(store, { swapHead: async (...args) => answer(await store.swapHead(...args)) as never });
    const { rotation, active, trust } = worker({ store: lossy });
    await active.acquire(false);
    kms.journal.clear();
    const asked = vi.spyOn(trust, "ask");
    const made = await rotation.rotate({});
    expect(made.birth.sequence).toBe(2);
    expect(active.vouched?.pair).toBe(made);
    expect({ asked: asked.mock.calls.length, decrypts: kms.journal.count("Decrypt") }).toEqual({
      asked: 0,
      decrypts: 1,
    });
  });

  it.each([{}, { configuration }])(
    "counts as done when the head is late to show it, without a second pair: %j",
    async (request) => {
      const { store, configured, worker, kms } = world();
      await configured();
      let old: Awaited<ReturnType<KeyPairStore["readHead"]>>;
      const late = overridden(store, {
        swapHead: async (...args) => {
          old = await store.readHead(organizationId);
          await store.swapHead(...args);
          return undefined;
        },
        readHead: async (...args) => {
          const stale = old;
          old = undefined;
          return stale ?? store.readHead(...args);
        },
      });
      const { rotation, active } = worker({ store: late });
      kms.journal.clear();
      const made = await rotation.rotate(request);
      expect(active.vouched?.pair.digest).toEqual(made.digest);
      expect({ sequence: made.birth.sequence, encrypts: kms.journal.count("Encrypt") }).toEqual({
        sequence: 2,
        encrypts: 2,
      });
    },
  );

  it.each([
    ["the head has not moved", (store: KeyPairStore) => store.readHead.bind(store)],
    ["nobody can tell", () => away],
    ["the head is gone", () => () => Promise.resolve(undefined)],
    ["the head is damaged", () => async () => ({ revision: "2", document: Buffer.from("torn") })],
  ])("is a failure when %s", async (_, read) => {
    const { store, configured, worker } = world();
    await configured();
    let reading: KeyPairStore["readHead"] = store.readHead.bind(store);
    const broken = overridden(store, {
      swapHead: () => {
        reading = read(store);
        return away();
      },
      readHead: (...args) => reading(...args),
    });
    const failed = { code: "ERR_STORE_UNAVAILABLE", message: "the key pair store failed", retryable: true };
    await expect(worker({ store: broken }).rotation.rotate({})).rejects.toMatchObject(failed);
  });

  it("is corruption when the store refuses to swap what it then does not have", async () => {
    const { store, worker } = world();
    const odd = overridden(store, { swapHead: () => Promise.resolve(undefined) });
    await expect(worker({ store: odd }).rotation.rotate({ configuration })).rejects.toMatchObject({
      code: "ERR_STORE_CORRUPT",
      message: "the store refused to swap a head that it does not have",
    });
  });
});

describe("trust on first use", () => {
  it("moves to the alias of a configuration once the head has moved, and to none by a rotation", async () => {
    const parts = world();
    const { worker, store } = parts;
    const { rotation, trust, records } = worker({ trustedKmsKeys: "first-use" });
    await rotation.rotate({ configuration });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
    const elsewhere = keyElsewhere(parts, "444455556666");
    await rotation.rotate({ configuration: { ...configuration, kmsKeyAliasArn: elsewhere } });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn: elsewhere });
    await rotation.rotate({});
    const head = await records.readHead();
    expect((await records.readHeadPair(head!)).birth).toMatchObject({ sequence: 3, kmsKeyAliasArn: elsewhere });
    expect(await store.listKeyPairs(organizationId, { limit: 9 })).toHaveLength(3);
  });

  it("stays where it was when the head could not be moved", async () => {
    const parts = world();
    const { worker, store } = parts;
    const { rotation, trust } = worker({ trustedKmsKeys: "first-use" });
    await rotation.rotate({ configuration });
    vi.spyOn(store, "swapHead").mockImplementation(away);
    const elsewhere = { ...configuration, kmsKeyAliasArn: keyElsewhere(parts, "444455556666") };
    await expect(rotation.rotate({ configuration: elsewhere })).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
    });
    expect(trust.basis).toEqual({ kind: "first-use", kmsKeyAliasArn });
  });
});
