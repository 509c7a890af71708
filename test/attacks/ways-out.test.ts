import { describe, expect, it } from "vitest";
import { audio, historyOf, minute, world } from "./world.js";

const recording = { recordingId: "r" };

describe("a genuine pair that never was active, as head beside the active one of its number", () => {
  it("is replaced by the operator, and the active pair stays in the history", async () => {
    const { host, hostMemory, writer, unmarkedOrphan, clock } = await world();
    const owner = host({ lastConfirmed: await hostMemory() });
    const active = await owner.rotate();
    await owner.encryptRecording(audio, recording);
    const orphan = await writer.copyOf(unmarkedOrphan);
    expect(orphan.birth.sequence).toBe(active.sequence);
    await writer.pointAt(orphan);
    clock.advance(2 * minute);
    await expect(owner.rotate()).rejects.toMatchObject({ code: "ERR_STORE_ROLLED_BACK" });
    expect(await owner.replaceUntrustedHead()).toMatchObject({ done: true, believed: { keyPairId: active.keyPairId } });
    expect(await owner.rotate()).toMatchObject({ sequence: active.sequence + 1 });
    expect(await historyOf(owner)).toContain(active.keyPairId);
  });
});
