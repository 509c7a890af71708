import { describe, expect, it } from "vitest";
import { heal, typicalStates } from "./hosts.js";
import { fleetSecret, historyOf, world, type HostOptions, type World } from "./world.js";

describe("status() of a process that has just started, with a forged head", () => {
  it("shows the forged pair as claimed, never as active, and asks KMS nothing", async () => {
    const { writer, host, kms } = await world();
    const forged = await writer.forge({ periodicKeyChange: "never" });
    await writer.plant(forged);
    const fresh = host();
    const before = kms.journal.count();
    const status = await fresh.status();
    expect(status).toMatchObject({
      configured: true,
      claimed: { keyPair: { keyPairId: forged.birth.keyPairId, active: false } },
    });
    expect(Object.keys(status)).not.toEqual(expect.arrayContaining(["activeKeyPair"]));
    expect(kms.journal.count()).toBe(before);
  });

  it.each([
    ["by its memory", async ({ hostMemory }: World): Promise<HostOptions> => ({ lastConfirmed: await hostMemory() })],
    ["by the fleet's word", async (): Promise<HostOptions> => ({ fleetSecret })],
  ])("shows the genuine pair as active where it knows it %s", async (_, optionsOf) => {
    const parts = await world();
    const { writer, host, keyPairIds } = parts;
    const forged = await writer.forge({ periodicKeyChange: "never" });
    await writer.plant(forged);
    const status = await host(await optionsOf(parts)).status();
    expect(status).toMatchObject({
      activeKeyPair: { keyPairId: keyPairIds.at(-1) },
      configuration: { periodicKeyChange: "yearly" },
      claimed: { keyPair: { keyPairId: forged.birth.keyPairId } },
    });
  });
});

describe("keyPairs() of a process that has just started, with a forged head", () => {
  for (const state of typicalStates) {
    it(`shows no forged pair, with KMS ${state.name}`, async () => {
      const parts = await world();
      const { writer, host, keyPairIds } = parts;
      await writer.plant(await writer.forge());
      state.begin(parts);
      const fresh = host();
      const shown = await historyOf(fresh).catch(() => []);
      expect(shown.filter((keyPairId) => writer.forgedIds.has(keyPairId))).toEqual([]);
      heal(parts);
      expect((await historyOf(host())).slice(-3)).toEqual([...keyPairIds].reverse());
    });
  }

  it("says that the head names another pair", async () => {
    const { writer, host } = await world();
    await writer.plant(await writer.forge());
    expect(await host().keyPairs()).toMatchObject({ storeError: { code: "ERR_KEY_PAIR_UNTRUSTED" } });
  });
});
