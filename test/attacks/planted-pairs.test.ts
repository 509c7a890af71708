import { describe, expect, it } from "vitest";
import { flood, moved } from "./flood.js";
import { newKeyArn } from "./toolbox.js";
import { audio, historyOf, minute, world } from "./world.js";

const recording = { recordingId: "r" };

describe("pairs planted ahead of the genuine ones", () => {
  it.each([
    ["300 that contradict the service's options", 300, "of-mine"],
    ["50 under KMS keys that do not exist", 50, undefined],
  ])("leave an operator without memory a way out that keeps the history: %s", async (_, count, contextKeyName) => {
    const { writer, host, keyArn, keyPairIds } = await world();
    const change = contextKeyName === undefined ? {} : { contextKeyName };
    await flood(writer, count, contextKeyName === undefined ? newKeyArn : () => keyArn, change);
    const operator = host();
    await operator.replaceUntrustedHead();
    await operator.rotate();
    expect(await historyOf(operator)).toEqual(expect.arrayContaining([...keyPairIds]));
  });

  it("cost a bounded number of KMS calls, however often a fresh host is used", async () => {
    const { writer, host, kms } = await world();
    await flood(writer, 200, newKeyArn);
    const fresh = host();
    const before = kms.journal.calls().length;
    for (let use = 0; use < 20; use += 1) await fresh.encryptRecording(audio, recording).catch(() => undefined);
    expect(kms.journal.calls().length - before).toBeLessThan(250);
  });

  it.each([
    ["garbage under the real KMS key", "real"],
    ["garbage under KMS keys that do not exist", "none"],
  ])("keep a fresh host from recording for a while at most: 200 of %s", async (_, which) => {
    const { writer, host, keyArn, clock } = await world();
    await flood(writer, 200, which === "real" ? () => keyArn : newKeyArn);
    const fresh = host();
    let confirmation: string | undefined;
    for (let use = 0; use < 30 && confirmation === undefined; use += 1) {
      clock.advance(minute);
      confirmation = (await fresh.encryptRecording(audio, recording).catch(() => undefined))?.confirmation;
    }
    expect(confirmation).toBe("confirmed");
  });

  it("under a KMS key that was disabled stop neither recordings nor the operator", async () => {
    const { writer, host, keyArn, keyPairIds } = await moved();
    await writer.plant(await writer.forge({ sequence: 50 }, keyArn));
    const operator = host();
    expect(await operator.replaceUntrustedHead()).toMatchObject({ done: true });
    expect(await operator.encryptRecording(audio, recording)).toMatchObject({ confirmation: "confirmed" });
    await operator.rotate();
    expect(await historyOf(operator)).toEqual(expect.arrayContaining([...keyPairIds]));
  });
});
