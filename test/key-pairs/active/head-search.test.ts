import { afterEach, describe, expect, it, vi } from "vitest";
import { invented } from "../inventions.js";
import { fresh, minute, organizationId, pointAsWriter } from "../world.js";

const away = () => Promise.reject(new Error("no route to store"));
afterEach(() => void vi.restoreAllMocks());

describe("a head that can't be right, where nobody has a last confirmed pair", () => {
  it.each(["made up", "torn", "of a later version", "of a pair that is not there"])(
    "leaves the newest pair that KMS vouches for in use: %s",
    async (kind) => {
      const { active, plant, keyArn, first, store, events, told } = await fresh();
      const made = invented({ birth: { sequence: 2 }, kmsKeyArn: keyArn });
      if (kind === "made up") await plant(made);
      if (kind === "of a pair that is not there") await pointAsWriter(store, made);
      const { revision } = (await store.readHead(organizationId))!;
      if (kind === "torn") await store.swapHead(organizationId, revision, Buffer.from("torn"));
      const later = Buffer.from(JSON.stringify({ version: 2, kind: "head", critical: [] }));
      if (kind === "of a later version") await store.swapHead(organizationId, revision, later);
      expect(await active.acquire(false)).toMatchObject({
        confirmation: "confirmed",
        vouchedBy: "kms",
        pair: { digest: first.pair.digest },
      });
      const codes: Record<string, string> = {
        "made up": "ERR_KEY_PAIR_UNTRUSTED",
        "of a later version": "ERR_FORMAT_TOO_NEW",
      };
      const code = codes[kind] ?? "ERR_STORE_CORRUPT";
      expect({ flagged: active.usesLastKnownKey, refusal: active.refusal?.code, quiet: active.isIdle }).toEqual({
        flagged: true,
        refusal: code,
        quiet: false,
      });
      expect(events[0]).toMatchObject(["keyPairUntrusted", { error: { code } }]);
      expect(told()).toEqual(["keyPairUntrusted", "keyPairChanged", "keyPairConfirmed"]);
    },
  );

  it("leaves it in use too where KMS refuses, as it does for a key of one's invention", async () => {
    const { active, plant, first } = await fresh();
    await plant(invented({ birth: { sequence: 2 } }));
    expect(await active.acquire(false)).toMatchObject({ vouchedBy: "kms", pair: { digest: first.pair.digest } });
    const cause = { kind: "key-not-found" };
    expect(active.refusal).toMatchObject({ code: "ERR_KEY_UNCONFIRMED", cause });
  });

  it("is followed once it is right, also to a pair before the one in use", async () => {
    const { active, plant, keyArn, first, clock, store } = await fresh();
    const next = await first.rotation.rotate({});
    await plant(invented({ birth: { sequence: 3 }, kmsKeyArn: keyArn }));
    expect((await active.acquire(false)).pair.digest).toEqual(next.digest);
    await pointAsWriter(store, first.pair);
    clock.advance(minute);
    expect((await active.acquire(false)).pair.digest).toEqual(first.pair.digest);
    expect(active.usesLastKnownKey).toBe(false);
  });

  it("is no reason to search while KMS or the store is away", async () => {
    const { active, kms, store, records } = await fresh();
    const list = vi.spyOn(records, "list");
    const outage = kms.faults.outage();
    await active.acquire(false);
    outage.remove();
    const other = await fresh({ trustedKmsKeys: "first-use" });
    const otherList = vi.spyOn(other.records, "list");
    other.kms.faults.outage();
    await expect(other.active.acquire(false)).rejects.toMatchObject({ code: "ERR_KEY_UNCONFIRMED" });
    vi.spyOn(store, "readHead").mockImplementation(away);
    await active.refresh();
    expect({ unconfirmed: list.mock.calls, none: otherList.mock.calls }).toEqual({ unconfirmed: [], none: [] });
  });

  it("is searched for once in 20 seconds, but at once again where store or KMS was away", async () => {
    const { active, plant, keyArn, first, clock, store, records } = await fresh();
    await plant(invented({ birth: { sequence: 2 }, kmsKeyArn: keyArn }));
    await store.removeKeyPair(organizationId, first.pair.birth.keyPairId);
    const list = vi.spyOn(records, "list");
    const untrusted = { code: "ERR_KEY_PAIR_UNTRUSTED" };
    const searches = async (times: number) => {
      for (let look = 0; look < times; look += 1) await expect(active.acquire(true)).rejects.toMatchObject(untrusted);
      return list.mock.calls.splice(0).length;
    };
    vi.spyOn(store, "listKeyPairs").mockImplementationOnce(away);
    expect(await searches(2)).toBe(2);
    clock.advance(20_000 - 1);
    expect(await searches(3)).toBe(0);
    clock.advance(1);
    expect(await searches(3)).toBe(1);
  });

  it("hides no mistake of the library's own", async () => {
    const { active, plant, keyArn, records } = await fresh();
    await plant(invented({ birth: { sequence: 2 }, kmsKeyArn: keyArn }));
    const bug = new TypeError("a bug");
    vi.spyOn(records, "list").mockImplementation(() => {
      throw bug;
    });
    await expect(active.acquire(false)).rejects.toBe(bug);
  });
});
