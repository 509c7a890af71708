import { describe, expect, it } from "vitest";
import { claimDuration } from "../../src/key-pairs/active/change-claims.js";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { birthRecordDigest } from "../../src/format/birth-record.js";
import { audio, day, historyOf, second, world, type Host, type World } from "./world.js";

const yearly = 366 * day;
const kinds = {
  "a host that remembers": async ({ host, hostMemory }: World) => host({ lastConfirmed: await hostMemory() }),
  "a fresh host": async ({ host }: World) => host(),
} as const;
/** Each forges one thing of the settings, ahead of the genuine pair and with a head that names it. */
const forgeries = {
  "never, so that no change is due": { periodicKeyChange: "never" },
  "an anchor in the far future": { scheduleAnchor: 8_640_000_000_000_000, createdAt: 8_640_000_000_000_000 },
  "an anchor of long ago": { scheduleAnchor: 0, createdAt: 0, periodicKeyChange: "daily" },
  "the last sequence": { sequence: Number.MAX_SAFE_INTEGER - 1 },
  "another alias of the account": { kmsKeyAliasArn: "arn:aws:kms:eu-west-1:111122223333:alias/others" },
} as const;

/** Lets the operator replace the head where the host refuses to build upon it. */
async function changed(host: Host) {
  return host.rotateIfDue().catch(async () => {
    await host.replaceUntrustedHead();
    return host.rotateIfDue();
  });
}

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])("a due change on %s", (which) => {
  for (const [name, forgery] of Object.entries(forgeries)) {
    it(`takes nothing from a forged pair with ${name}`, async () => {
      const parts = await world();
      const { writer, clock, keyArn, kmsKeyAliasArn, keyPairIds, unmarkedOrphan } = parts;
      const genuine = (await writer.active()).birth;
      clock.advance(yearly);
      await writer.plant(await writer.forge(forgery));
      const host = await kinds[which](parts);
      await host.encryptRecording(audio, { recordingId: "r" });
      const { rotated, keyPair } = await changed(host);
      // A host without memory may have gone on from the genuine pair that never was active: it is the newest one.
      const before = (await historyOf(host))[1];
      expect([keyPairIds.at(-1), unmarkedOrphan]).toContain(before);
      expect({ rotated, keyPair }).toMatchObject({
        rotated: true,
        keyPair: {
          sequence: (await writer.copyOf(before!)).birth.sequence + 1,
          spec: genuine.spec,
          periodicKeyChange: genuine.periodicKeyChange,
          kmsKeyAliasArn,
          kmsKeyArn: keyArn,
          createdAt: new Date(clock.now()),
        },
      });
      const { scheduleAnchor } = (await writer.copyOf(keyPair.keyPairId)).birth;
      expect(scheduleAnchor).toBe(genuine.scheduleAnchor);
    });
  }

  it("is delayed by planted claims for as long as three claims last, and then made by whoever asks", async () => {
    const parts = await world();
    const { writer, clock } = parts;
    clock.advance(yearly);
    const { birth, birthRecord } = await writer.active();
    const host = await kinds[which](parts);
    await host.confirm();
    const begun = clock.now();
    for (let number = 0; number < 9; number += 1) {
      const claim = { digest: birthRecordDigest(birthRecord), at: begun + number * claimDuration, by: "somebody" };
      await writer.beside(birth.keyPairId, `claim-${number}`, encodeDocument("claim", claim));
    }
    const changing = host.rotateIfDue();
    let changed: Awaited<typeof changing> | undefined;
    void changing.then((result) => (changed = result));
    while (!changed) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      clock.advance(second);
    }
    expect(changed).toMatchObject({ rotated: true, keyPair: { sequence: birth.sequence + 1 } });
  });

  it("is begun in the background although a forged pair says never", async () => {
    const parts = await world();
    const { writer, clock, calm } = parts;
    clock.advance(yearly);
    await writer.plant(await writer.forge({ periodicKeyChange: "never" }));
    const host = await kinds[which](parts);
    const failed: unknown[] = [];
    host.on("keyChangeFailed", ({ error }) => failed.push(error));
    await host.encryptRecording(audio, { recordingId: "r" });
    clock.advance(day);
    await host.encryptRecording(audio, { recordingId: "r" });
    await calm();
    // It can't build upon the head, and says so instead of taking the forged pair's word that nothing is due.
    expect(failed).toContainEqual(expect.objectContaining({ code: "ERR_KEY_PAIR_UNTRUSTED" }));
    expect(await host.status()).toMatchObject({ usedLastKnownKey: true });
  });
});
