import { describe, expect, it } from "vitest";
import { audio, customerAccountId, homeRegion, minute, opens, world } from "./world.js";

const otherRegion = "us-east-1";
const recording = { recordingId: "r" };

/** An organization whose KMS key has a replica, and whose home Region is away. */
async function homeAway() {
  const parts = await world();
  const { kms, keyArn, kmsKeyAliasArn, host, writer } = parts;
  const policy = kms.getKeyPolicy(keyArn);
  const primary = kms.createKey({ accountId: customerAccountId, region: homeRegion, policy, multiRegion: true });
  kms.replicateKey(primary, otherRegion, { policy });
  kms.pointAlias(kmsKeyAliasArn, primary);
  await host().rotate();
  return { ...parts, writer, primary, away: () => kms.faults.outage({ region: homeRegion }) };
}

describe("a fresh host whose home Region is away, and another one answers", () => {
  it("records with the genuine pair, which the other Region vouches for", async () => {
    const { host, away } = await homeAway();
    away();
    const made = await host({ decryptRegions: [otherRegion] }).encryptRecording(audio, recording);
    expect(made).toMatchObject({ confirmation: "confirmed" });
  });

  it("takes no forged pair that the other Region has disowned", async () => {
    const { host, away, writer, primary, kms, clock } = await homeAway();
    await writer.plant(await writer.forge({}, primary));
    away();
    const fresh = host({ decryptRegions: [otherRegion] });
    for (let use = 0; use < 3; use += 1) {
      const made = await fresh.encryptRecording(audio, recording).catch(() => undefined);
      if (made) {
        expect({ confirmation: made.confirmation, stolen: writer.canOpen(made.body) }).toEqual({
          confirmation: "confirmed",
          stolen: false,
        });
        expect(await opens(host({ decryptRegions: [otherRegion] }), made.body, audio)).toBe(true);
      }
      clock.advance(minute);
    }
    kms.faults.heal();
  });
});
