import { describe, expect, it } from "vitest";
import type { KeyPairStore, KmsProvider } from "../../../src/index.js";
import type { RewrapProgress, RewrapReport } from "../../../src/key-pairs/operations/rewrap.js";
import { overridden } from "../../support/setup.js";
import { altered } from "../altered-kms.js";
import { turns } from "../world.js";
import { moved, rewrapKeyPairs } from "./rewrap-worlds.js";

/** 13 pairs, of which the last one is under another KMS key than the others. */
async function many() {
  const parts = await moved();
  const { kms, rotation, moveAlias } = parts;
  for (let number = 0; number < 10; number += 1) await rotation.rotate({});
  const active = await moveAlias();
  kms.journal.clear();
  return { ...parts, active };
}

describe("rewrapping many pairs", () => {
  it("works on as many at a time as it is told, and no more", async () => {
    const { worker, provider, active } = await many();
    let [under, most] = [0, 0];
    const counted =
      <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
      async (...args: A) => {
        most = Math.max(most, (under += 1));
        await turns();
        return call(...args).finally(() => (under -= 1));
      };
    const kms: KmsProvider = altered(provider, {
      encrypt: counted((...args) => provider.encrypt(...args)),
      decrypt: counted((...args) => provider.decrypt(...args)),
    });
    const report = await rewrapKeyPairs(worker({ kms }).context, active, undefined, { concurrency: 4 });
    expect([most, report.complete, report.rewrapped, report.already]).toEqual([4, true, 12, 1]);
    expect(report.pairs.map(({ sequence }) => sequence)).toEqual([13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  it("ends with the first failure that is an outage, once what is under way has ended", async () => {
    const { context, active, kms, stored } = await many();
    kms.faults.outage({ operation: "Encrypt" });
    const rewrapping = rewrapKeyPairs(context, active, undefined, { concurrency: 4 });
    await expect(rewrapping).rejects.toMatchObject({ code: "ERR_KMS_UNAVAILABLE" });
    const calls = kms.journal.count();
    await turns();
    expect([kms.journal.count(), await stored()]).toEqual([calls, []]);
  });

  it("tells how far it is, and a listener that throws disturbs nothing", async () => {
    const { context, active } = await many();
    const told: RewrapProgress[] = [];
    const onProgress = (progress: RewrapProgress) => {
      told.push(progress);
      throw new Error("a listener's own");
    };
    await rewrapKeyPairs(context, active, undefined, { onProgress, concurrency: 3 });
    expect(told.map(({ done }) => done)).toEqual(Array.from({ length: 13 }, (_, index) => index + 1));
    expect(told.at(-1)).toEqual({ done: 13, total: 13, failed: 0 });
  });

  it("stores nothing with dryRun, and says which pairs KMS opens", async () => {
    const { context, active, kms, earlier, stored } = await many();
    const report = await rewrapKeyPairs(context, active, undefined, { dryRun: true });
    expect(report).toMatchObject({ complete: false, done: false, rewrapped: 12, already: 1, failed: [] });
    expect([kms.journal.count("Encrypt"), kms.journal.count("Decrypt"), await stored()]).toEqual([0, 13, []]);
    kms.disableKey(earlier.wrapping.kmsKeyArn);
    const later = await rewrapKeyPairs(context, active, undefined, { dryRun: true });
    expect(later).toMatchObject({ rewrapped: 11, failed: [{ sequence: 1, error: { kind: "key-disabled" } }] });
    expect((await rewrapKeyPairs(context, active)).rewrapped).toBe(11);
    expect(await rewrapKeyPairs(context, active, undefined, { dryRun: true })).toMatchObject({ already: 12 });
  });
});

describe("the report of a rewrap", () => {
  it("names what KMS has opened, when, and from which pair on", async () => {
    const { context, active, clock } = await many();
    const startedAt = new Date(clock.now());
    const report = await rewrapKeyPairs(context, active);
    const { keyPairId, sequence } = active.birth;
    const digest = active.digest.toString("base64url");
    expect(report).toMatchObject({
      organizationId: "org-1",
      kmsKeyArn: active.wrapping.kmsKeyArn,
      activeKeyPair: { keyPairId, sequence, digest },
      startedAt,
      endedAt: startedAt,
      done: true,
    });
    expect(report.pairs[0]).toEqual({
      keyPairId,
      sequence,
      digest,
      wrapping: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  it("lets the next call go on from it, and ask KMS about what is new alone", async () => {
    const { context, active, kms, rotation } = await many();
    const kept = JSON.parse(JSON.stringify(await rewrapKeyPairs(context, active))) as RewrapReport;
    const next = await rotation.rotate({});
    kms.journal.clear();
    const report = await rewrapKeyPairs(context, next, undefined, { resume: kept });
    expect(report).toMatchObject({ complete: true, rewrapped: 0, already: 14 });
    expect(kms.journal.count()).toBe(1);
    expect(report.pairs.slice(1)).toEqual(kept.pairs);
  });

  it("counts for nothing where the store holds another wrapping than it names", async () => {
    const { context, active, kms } = await many();
    const { pairs, ...rest } = await rewrapKeyPairs(context, active);
    const [first, ...others] = pairs.map((pair) => ({ ...pair, wrapping: "x".repeat(43) }));
    kms.journal.clear();
    const resume = { ...rest, pairs: [first!, ...others.slice(0, 2), ...pairs.slice(3)] };
    expect(await rewrapKeyPairs(context, active, undefined, { resume })).toMatchObject({ complete: true, already: 13 });
    expect(kms.journal.count()).toBe(3);
  });

  it.each([{ kmsKeyArn: "arn:aws:kms:eu-west-1:000000000000:key/other" }, { organizationId: "org-2" }])(
    "counts for nothing about %j",
    async (of) => {
      const { context, active, kms } = await many();
      const report = await rewrapKeyPairs(context, active);
      kms.journal.clear();
      await rewrapKeyPairs(context, active, undefined, { resume: { ...report, ...of } });
      expect(kms.journal.count()).toBe(13);
    },
  );
});

describe("what was stored", () => {
  it.each<[string, (store: KeyPairStore) => Partial<KeyPairStore>, object]>([
    [
      "is not there: the pair fails",
      () => ({ createWrapping: async () => "created" as const }),
      { rewrapped: 0, failed: [{ sequence: 1, error: { code: "ERR_STORE_CORRUPT" } }] },
    ],
    [
      "is something else: KMS decides",
      (store) => ({
        createWrapping: async (organizationId, keyPairId, { wrappingId, document }, options) => {
          const text = JSON.parse(Buffer.from(document).toString()) as { wrapping: { ciphertext: string } };
          text.wrapping.ciphertext = Buffer.alloc(150, 1).toString("base64");
          const spoilt = { wrappingId, document: Buffer.from(JSON.stringify(text)) };
          return store.createWrapping(organizationId, keyPairId, spoilt, options);
        },
      }),
      { rewrapped: 0, failed: [{ sequence: 1, error: { code: "ERR_KMS_REJECTED" } }] },
    ],
  ])("%s", async (_, methods, expected) => {
    const { worker, store, active } = await moved();
    const { context } = worker({ store: overridden(store, methods(store)) });
    expect(await rewrapKeyPairs(context, active)).toMatchObject({ complete: false, already: 1, ...expected });
  });
});
