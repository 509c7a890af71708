import { describe, expect, it } from "vitest";
import { moved } from "./flood.js";
import { audio, day, fleetSecret, minute, opens, organizationId, world, type Host, type World } from "./world.js";

const recording = { recordingId: "r" };

/** What an operator or a scheduler may call first in a process. */
const firstCalls = {
  "rotate()": (host: Host) => host.rotate(),
  "rotateIfDue()": (host: Host) => host.rotateIfDue(),
  "configure()": (host: Host, { kmsKeyAliasArn }: World) => host.configure({ kmsKeyAliasArn }),
  "rewrapKeyPairs()": (host: Host) => host.rewrapKeyPairs(),
  "removeOrphanedKeyPairs()": (host: Host) => host.removeOrphanedKeyPairs(),
} as const;

describe("a fresh pod that the fleet's word tells of a newer pair than the store's head", () => {
  for (const [name, call] of Object.entries(firstCalls)) {
    it(`builds nothing upon the old one where ${name} is its first call`, async () => {
      const parts = await world();
      const { writer, heads, host, clock, keyPairIds, store } = parts;
      await writer.point(heads[0]!);
      clock.advance(400 * day);
      const before = (await store.readHead(organizationId))!.document;
      const error: unknown = await call(host({ fleetSecret }), parts).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
      expect((await store.readHead(organizationId))!.document).toEqual(before);
      expect(keyPairIds).toHaveLength(3);
    });
  }
});

describe("an old head with the fleet's word of then, whose KMS key is gone", () => {
  it.each([
    ["a fresh pod of the fleet", { fleetSecret }],
    ["a fresh pod", {}],
  ])("gets no recording that cannot open, and says nothing of it, from %s", async (_, options) => {
    const { writer, heads, statuses, host, kms, keyArn, clock } = await moved();
    kms.scheduleKeyDeletion(keyArn, 7);
    clock.advance(8 * day);
    await writer.point(heads[0]!);
    await writer.tell(statuses[0]!);
    const fresh = host(options);
    for (let use = 0; use < 3; use += 1) {
      const made = await fresh.encryptRecording(audio, recording);
      const opened = await opens(host(), made.body, audio).catch(() => false);
      expect(opened || made.keyAtRisk).toBe(true);
      clock.advance(16 * minute);
    }
  });
});
