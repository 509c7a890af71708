import { describe, expect, it } from "vitest";
import { AuditTrail } from "../../src/audit/trail.js";
import { systemClock } from "../../src/clock.js";

const changed = { keyPairId: "pair", sequence: 1 };

describe("entries that nobody waits for", () => {
  it("are at most 1,000 at a time: further ones are told as lost, and the rest is written once the sink goes on", async () => {
    const lost: unknown[] = [];
    const writes: (() => void)[] = [];
    const trail = new AuditTrail({
      organizationId: "org-1",
      sink: { append: () => new Promise<void>((resolve) => writes.push(resolve)) },
      required: true,
      timeout: 600_000,
      clock: systemClock,
      emit: (_, event) => void lost.push(event),
    });
    for (let i = 0; i < 1_002; i += 1) trail.happened("keyPairChanged", changed);
    await Promise.resolve();
    expect({ writing: writes.length, lost: lost.length }).toEqual({ writing: 1_000, lost: 2 });
    for (const write of writes) write();
    await trail.settled();
    trail.happened("keyPairChanged", changed);
    await expect.poll(() => writes.length).toBe(1_001);
    writes.at(-1)?.();
    await trail.settled();
    expect(lost).toHaveLength(2);
  });

  it("are none about what is not audited", async () => {
    const trail = new AuditTrail({
      organizationId: "org-1",
      sink: { append: () => Promise.reject(new Error("never asked")) },
      required: true,
      timeout: 600_000,
      clock: systemClock,
      emit: () => expect.unreachable(),
    });
    trail.happened("keyPairConfirmed", changed);
    await trail.settled();
  });
});
