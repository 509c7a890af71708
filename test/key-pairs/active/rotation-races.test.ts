import { afterEach, describe, expect, it, vi } from "vitest";
import type { KeyPairStore } from "../../../src/index.js";
import { encodeDocument } from "../../../src/key-pairs/documents.js";
import { isProvenNeverActive } from "../../../src/key-pairs/never-active.js";
import { overridden } from "../../support/setup.js";
import { keyElsewhere } from "../altered-kms.js";
import { invented } from "../inventions.js";
import {
  accountId,
  configuration,
  day,
  homeRegion,
  kmsKeyAliasArn,
  organizationId,
  pointAsWriter,
  world,
} from "../world.js";

const scheduled = true;
afterEach(() => void vi.restoreAllMocks());

/** A store in which somebody else is quicker: `before` runs before a number of swaps. */
function race(store: KeyPairStore, before: () => Promise<unknown>, times = 1) {
  let left = times;
  return overridden(store, {
    swapHead: async (...args) => {
      if (left > 0) {
        left -= 1;
        await before();
      }
      return store.swapHead(...args);
    },
  });
}

describe("losing against another worker", () => {
  it("a rotation on demand takes the winner's pair if it is under the key of the alias now", async () => {
    const { store, configured, worker } = world();
    await configured();
    const other = worker();
    const loser = worker({ store: race(store, () => other.rotation.rotate({})) });
    const taken = await loser.rotation.rotate({});
    expect(taken.digest).toEqual(other.active.current?.pair.digest);
    expect(taken.birth.sequence).toBe(2);
    expect(loser.active.vouched).toMatchObject({ pair: taken, vouchedBy: "kms" });
  });

  it("a rotation on demand makes its own behind the winner's if that is under another key", async () => {
    const { store, configured, worker, kms, keyArn } = world();
    await configured();
    const other = worker();
    const newKey = kms.createKey({ region: homeRegion });
    const loser = worker({
      store: race(store, async () => {
        kms.pointAlias(kmsKeyAliasArn, keyArn); // the other's pair was made before the alias was moved
        await other.rotation.rotate({});
        kms.pointAlias(kmsKeyAliasArn, newKey);
      }),
    });
    kms.pointAlias(kmsKeyAliasArn, newKey);
    const made = await loser.rotation.rotate({});
    expect(made.birth).toMatchObject({ sequence: 3, previousDigest: other.active.current?.pair.digest });
    expect(made.wrapping.kmsKeyArn).toBe(newKey);
  });

  it("a scheduled rotation takes any winner's", async () => {
    const { store, configured, worker, kms, clock } = world();
    await configured();
    const other = worker();
    const otherAlias = kms.createAlias("alias/other", kms.createKey({ region: homeRegion }));
    const winning = { configuration: { ...configuration, kmsKeyAliasArn: otherAlias } };
    const loser = worker({ store: race(store, () => other.rotation.rotate(winning)) });
    await loser.active.refresh();
    clock.advance(2 * day);
    expect((await loser.rotation.rotate({ scheduled })).birth).toMatchObject({
      sequence: 2,
      kmsKeyAliasArn: otherAlias,
    });
  });

  it("a configuration is tried again until its settings are the organization's", async () => {
    const { store, configured, worker } = world();
    await configured();
    const other = worker();
    const loser = worker({ store: race(store, () => other.rotation.rotate({}), 3) });
    const made = await loser.rotation.rotate({ configuration: { ...configuration, periodicKeyChange: "yearly" } });
    expect(made.birth).toMatchObject({ sequence: 5, periodicKeyChange: "yearly" });
  });

  it("gives up after eight times, and may be tried again", async () => {
    const { store, configured, worker } = world();
    await configured();
    const other = worker();
    const loser = worker({ store: race(store, () => other.rotation.rotate({}), 8) });
    await expect(loser.rotation.rotate({ configuration })).rejects.toMatchObject({
      code: "ERR_STORE_CONFLICT",
      retryable: true,
      message: "other workers changed the key 8 times in a row while this one tried",
    });
    expect((await loser.rotation.rotate({ configuration })).birth.sequence).toBe(10);
  });

  it("to a winner that the anchor does not cover ends it, and nothing is built upon that", async () => {
    const parts = world();
    const { store, configured, worker } = parts;
    await configured();
    const foreign = "444455556666";
    const elsewhere = keyElsewhere(parts, foreign);
    const other = worker({ trustedKmsKeys: [accountId, foreign] });
    const winning = { configuration: { ...configuration, kmsKeyAliasArn: elsewhere } };
    const loser = worker({ store: race(store, () => other.rotation.rotate(winning)) });
    const untrusted = { code: "ERR_KEY_PAIR_UNTRUSTED", message: expect.stringContaining(elsewhere) };
    await expect(loser.rotation.rotate({})).rejects.toMatchObject(untrusted);
    await expect(loser.rotation.rotate({})).rejects.toMatchObject(untrusted);
    await expect(loser.rotation.rotate({ configuration })).rejects.toMatchObject(untrusted);
    const made = await loser.rotation.rotate({ configuration, newHistory: true });
    expect(made.birth).toMatchObject({ sequence: 2, kmsKeyAliasArn });
  });

  it("to a head that was only rewritten is no loss: the same pair is built upon again", async () => {
    const { store, configured, worker } = world();
    const { pair } = await configured();
    const loser = worker({ store: race(store, () => pointAsWriter(store, pair)) });
    const made = await loser.rotation.rotate({});
    expect(made.birth).toMatchObject({ sequence: 2, previousDigest: pair.digest });
    expect((await store.listKeyPairs(organizationId, { limit: 9 })).map(({ sequence }) => sequence)).toEqual([2, 2, 1]);
  });

  it("to a head that is rewritten for ever ends after eight times, with no pair marked", async () => {
    const { store, configured, worker } = world();
    const { pair } = await configured();
    const loser = worker({ store: race(store, () => pointAsWriter(store, pair), 99) });
    const marking = vi.spyOn(loser.calls, "sealNeverActive");
    await expect(loser.rotation.rotate({})).rejects.toMatchObject({ code: "ERR_STORE_CONFLICT" });
    expect(marking).not.toHaveBeenCalled();
    expect(await store.listKeyPairs(organizationId, { limit: 99 })).toHaveLength(1 + 8);
  });

  it("to a first configuration that is gone again is no loss either", async () => {
    const { store, worker } = world();
    const { birth, digest } = invented();
    const { keyPairId, sequence } = birth;
    const gone = { revision: "9", document: encodeDocument("head", { organizationId, keyPairId, sequence, digest }) };
    const [reads, swaps] = [vi.fn(store.readHead.bind(store)), vi.fn(store.swapHead.bind(store))];
    swaps.mockResolvedValueOnce(undefined);
    reads.mockResolvedValueOnce(undefined).mockResolvedValueOnce(gone);
    const { rotation, records } = worker({ store: overridden(store, { readHead: reads, swapHead: swaps }) });
    const made = await rotation.rotate({ configuration });
    expect(made.birth.sequence).toBe(1);
    expect((await records.readHead())?.digest).toEqual(made.digest);
    expect(swaps).toHaveBeenCalledTimes(2);
  });
});

describe("the loser's mark", () => {
  it("is sealed by KMS once the winner is vouched for and its history was seen", async () => {
    const { store, configured, worker } = world();
    await configured();
    const other = worker();
    const loser = worker({ store: race(store, () => other.rotation.rotate({})) });
    const order: string[] = [];
    const watch = <T extends object>(target: T, name: keyof T & string) => {
      const method = (target[name] as (...args: unknown[]) => unknown).bind(target);
      vi.spyOn(target, name as never).mockImplementation(
        ((...args: unknown[]) => (order.push(name), method(...args))) as never,
      );
    };
    watch(loser.trust, "ask");
    watch(loser.records, "chain");
    watch(loser.calls, "sealNeverActive");
    watch(loser.records, "createWrapping");
    const winner = await loser.rotation.rotate({});
    expect(order.slice(-5)).toEqual(["ask", "createWrapping", "chain", "sealNeverActive", "createWrapping"]);
    const lost = (await store.listKeyPairs(organizationId, { limit: 9 }))
      .map((stored) => loser.records.claimOf(stored))
      .filter(({ birth, digest }) => birth.sequence === 2 && !digest.equals(winner.digest));
    expect(lost).toHaveLength(1);
    expect(await isProvenNeverActive(other.context, lost[0]!)).toBe(true);
    expect(await isProvenNeverActive(other.context, winner)).toBe(false);
  });

  it.each([{}, { configuration }, { scheduled }])(
    "is left by each pair that lost, on demand or not: %j",
    async (request) => {
      const { store, configured, worker, clock } = world();
      await configured();
      const other = worker();
      const loser = worker({ store: race(store, () => other.rotation.rotate({}), 2) });
      await loser.active.refresh();
      clock.advance(2 * day);
      const marking = vi.spyOn(loser.calls, "sealNeverActive");
      await loser.rotation.rotate(request);
      expect(marking).toHaveBeenCalledTimes("configuration" in request ? 2 : 1);
    },
  );

  it("is not left for a winner that nobody vouches for", async () => {
    const { store, configured, worker, plant } = world();
    const { pair } = await configured();
    const forgery = invented({
      birth: { sequence: 2, previousDigest: pair.digest },
      kmsKeyArn: pair.wrapping.kmsKeyArn,
    });
    const loser = worker({ store: race(store, () => plant(forgery)) });
    const marking = vi.spyOn(loser.calls, "sealNeverActive");
    await expect(loser.rotation.rotate({})).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    expect(marking).not.toHaveBeenCalled();
    expect(loser.active.vouched?.pair.digest).toEqual(pair.digest);
  });

  it("does not end a rotation where it can't be made", async () => {
    const { store, configured, worker } = world();
    await configured();
    const other = worker();
    const loser = worker({ store: race(store, () => other.rotation.rotate({})) });
    vi.spyOn(loser.calls, "sealNeverActive").mockRejectedValue(new Error("no"));
    expect((await loser.rotation.rotate({})).birth.sequence).toBe(2);
  });
});
