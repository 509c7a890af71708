import { describe, expect, it } from "vitest";
import { RecordingKeyStoreRegistry } from "../../src/index.js";
import { attacks } from "./toolbox.js";
import { audio, customerAccountId, homeRegion, minute, opens, organizationId, world, type World } from "./world.js";

const recording = { recordingId: "r" };
const names = ["forged under the real KMS key", "forged under a KMS key that does not exist", "a head of garbage"];

/** A process that serves many organizations, and has let go of this one's key store before the attack. */
async function letGo({ provider, store, clock }: World) {
  const registry = new RecordingKeyStoreRegistry({
    homeRegion,
    kms: provider(),
    store,
    clock,
    trustedKmsKeys: [customerAccountId],
    confirmTimeout: 5,
  });
  await (await registry.for(organizationId)).encryptRecording(audio, recording);
  await registry.release(organizationId);
  return registry;
}

describe("a registry that has let go of an organization's key store", () => {
  for (const { name, act } of attacks.filter((attack) => names.includes(attack.name))) {
    it.each(["none", "outage", "accessDenied"] as const)(`remembers its key: ${name}, KMS: %s`, async (fault) => {
      const parts = await world();
      const { kms, writer, clock, host, calm } = parts;
      const registry = await letGo(parts);
      await act(parts);
      if (fault !== "none") kms.faults[fault]();
      clock.advance(2 * minute);
      const made = [];
      for (let use = 0; use < 3; use += 1) {
        const keyStore = await registry.for(organizationId);
        made.push(await keyStore.encryptRecording(audio, recording));
        await calm();
        await registry.release(organizationId);
        clock.advance(16 * minute);
      }
      kms.faults.heal();
      for (const { body, confirmation } of made) {
        expect({ confirmation, stolen: writer.canOpen(body), opens: await opens(host(), body, audio) }).toEqual({
          confirmation: "confirmed",
          stolen: false,
          opens: true,
        });
      }
      await registry.close();
    });
  }
});
