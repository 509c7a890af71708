import { describe, expect, it } from "vitest";
import { heal, typicalStates } from "./hosts.js";
import { newKeyArn } from "./toolbox.js";
import { audio, customerAccountId, minute, opens, world, type World } from "./world.js";

const recording = { recordingId: "r" };
const anchors = {
  "the account": () => [customerAccountId],
  "the alias": ({ kmsKeyAliasArn }: World) => [kmsKeyAliasArn],
  "the key": ({ keyArn }: World) => [keyArn],
  "the alias pinned to the key": ({ kmsKeyAliasArn, keyArn }: World) => [kmsKeyAliasArn, keyArn],
} as const;
const pinned = ["the key", "the alias pinned to the key"];

describe.each(Object.keys(anchors) as (keyof typeof anchors)[])("a fresh host that trusts %s", (name) => {
  for (const state of typicalStates) {
    it(`takes no pair under a KMS key that does not exist, with KMS ${state.name}`, async () => {
      const parts = await world();
      const { writer, host, clock, kms } = parts;
      await writer.plant(await writer.forge({}, newKeyArn()));
      state.begin(parts);
      const fresh = host({ trustedKmsKeys: anchors[name](parts) });
      const flagged = state.says === "nothing" && !pinned.includes(name);
      for (let use = 0; use < 2; use += 1) {
        const made = await fresh.encryptRecording(audio, recording).catch(() => undefined);
        const stolen = made !== undefined && writer.canOpen(made.body);
        expect({ stolen, confirmation: made?.confirmation }).toEqual(
          flagged
            ? { stolen: true, confirmation: "unconfirmed" }
            : { stolen: false, confirmation: state.says === "yes" ? "confirmed" : undefined },
        );
        clock.advance(minute);
      }
      heal(parts);
      kms.faults.heal();
      const made = await host({ trustedKmsKeys: anchors[name](parts) }).encryptRecording(audio, recording);
      expect(await opens(host(), made.body, audio)).toBe(true);
    });
  }
});

describe("a host that trusts the first alias it met", () => {
  it.each([
    ["warm", true],
    ["restarted", false],
  ])("does not take another account's alias from the store (%s)", async (_, warm) => {
    const { writer, firstUseHost, hostMemory, attackersAliasArn, clock } = await world();
    const options = { lastConfirmed: await hostMemory() };
    const before = firstUseHost(options);
    if (warm) await before.encryptRecording(audio, recording);
    await writer.plant(await writer.forgeUnder(attackersAliasArn));
    clock.advance(2 * minute);
    const now = warm ? before : firstUseHost(options);
    for (let use = 0; use < 3; use += 1) {
      const made = await now.encryptRecording(audio, recording);
      expect({ confirmation: made.confirmation, stolen: writer.canOpen(made.body) }).toEqual({
        confirmation: "confirmed",
        stolen: false,
      });
      clock.advance(16 * minute);
    }
    await expect(now.rotate()).rejects.toMatchObject({ code: "ERR_KEY_PAIR_UNTRUSTED" });
    await now.replaceUntrustedHead();
    expect(await now.rotate()).toMatchObject({ kmsKeyAliasArn: expect.stringContaining(":111122223333:") });
  });
});
