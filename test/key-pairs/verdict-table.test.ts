import { afterEach, describe, expect, it, vi } from "vitest";
import type { ActiveKeyPair } from "../../src/key-pairs/active/held-key-pair.js";
import { MemoryLastConfirmedStore } from "../../src/testing/index.js";
import { decided, verdictStatuses, type VerdictStatus } from "./verdicts.js";
import { fleetSecret, fresh, minute, organizationId } from "./world.js";

afterEach(() => void vi.restoreAllMocks());

/*
 * KMS's verdict on the pair that the store's head names, 2, by what was held before, pair 1, and whether the process
 * has looked before. KMS vouches for pair 1 wherever it is asked about it.
 */

const secret = { fleetSecret: fleetSecret() };
const first = ["nothing", "host", "fleet"] as const;
const later = ["unconfirmed", "host", "fleet", "kms"] as const;
type Before = (typeof first)[number] | (typeof later)[number];

/** A worker before which the head has moved from pair 1 to pair 2. */
async function moved(before: Before, looked: boolean) {
  const parts = await fresh();
  const confirmedAt = parts.clock.now();
  if (before === "fleet") await parts.worker(secret).fleet.tell(parts.first.pair, { confirmedAt });
  const lastConfirmed = new MemoryLastConfirmedStore();
  if (before === "host")
    await lastConfirmed.save(organizationId, (await parts.first.lastConfirmed.load(organizationId))!);
  const worker = parts.worker({
    lastConfirmed,
    ...(before === "fleet" ? secret : {}),
  });
  const { active } = worker;
  if (looked) {
    const outage = before === "unconfirmed" && parts.kms.faults.outage();
    if (before === "host" || before === "fleet")
      await active.adopt({ pair: parts.first.pair, vouchedBy: before, confirmedAt });
    else await active.acquire(false);
    if (outage) outage.remove();
  }
  const next = await parts.first.rotation.rotate({});
  parts.clock.advance(minute);
  worker.events.splice(0);
  return { ...parts, ...worker, next };
}

/** What is in use: which pair, and on whose word. */
const inUse = (current: ActiveKeyPair | undefined) => {
  if (!current) return "none";
  const { sequence } = current.pair.birth;
  return `${sequence} by ${current.confirmation === "confirmed" ? current.vouchedBy : "nobody"}`;
};

/** What is in use then, by verdict. */
const firstUse: Record<(typeof first)[number], Record<VerdictStatus, string>> = {
  nothing: { confirmed: "2 by kms", disowned: "1 by kms", refused: "1 by kms", "no-verdict": "2 by nobody" },
  host: { confirmed: "2 by kms", disowned: "1 by host", refused: "1 by host", "no-verdict": "1 by host" },
  fleet: { confirmed: "2 by kms", disowned: "1 by fleet", refused: "1 by fleet", "no-verdict": "1 by fleet" },
};
const laterUse: Record<(typeof later)[number], Record<VerdictStatus, string>> = {
  unconfirmed: { confirmed: "2 by kms", disowned: "1 by kms", refused: "1 by kms", "no-verdict": "2 by nobody" },
  host: firstUse.host,
  fleet: firstUse.fleet,
  kms: { confirmed: "2 by kms", disowned: "1 by kms", refused: "1 by kms", "no-verdict": "1 by kms" },
};

const rows = [
  ...first.flatMap((before) =>
    verdictStatuses.map((status) => [before, false, status, firstUse[before][status]] as const),
  ),
  ...later.flatMap((before) =>
    verdictStatuses.map((status) => [before, true, status, laterUse[before][status]] as const),
  ),
];

describe("KMS's verdict on the pair that the head names", () => {
  it.each(rows)("holding %s (used before: %s): %s leaves in use %s", async (before, looked, status, expected) => {
    const { active, calls, next, health, told } = await moved(before, looked);
    decided(calls, next, status);
    expect(inUse(await active.acquire(false))).toBe(expected);
    expect(inUse(active.current)).toBe(expected);
    const isVouched = active.vouched !== undefined;
    expect({ vouched: isVouched, flagged: active.usesLastKnownKey }).toEqual({
      vouched: !expected.endsWith("nobody"),
      flagged: status !== "confirmed",
    });
    const untrusted = status === "disowned";
    expect(active.refusal?.code === "ERR_KEY_PAIR_UNTRUSTED").toBe(untrusted);
    expect(told().includes("keyPairUntrusted")).toBe(untrusted);
    if (status === "no-verdict")
      expect(health.trouble).toMatchObject({ task: "confirm", error: { kind: "unreachable" } });
  });

  it.each(["disowned", "refused"] as const)(
    "is heard once more of a head that moves on from one that was %s",
    async (status) => {
      const { active, calls, next, first: other, clock } = await moved("kms", true);
      const spy = decided(calls, next, status);
      await active.acquire(false);
      spy.mockRestore();
      const third = await other.rotation.rotate({});
      clock.advance(minute);
      expect((await active.acquire(false)).pair.digest).toEqual(third.digest);
      expect({ refusal: active.refusal, flagged: active.usesLastKnownKey }).toEqual({
        refusal: undefined,
        flagged: false,
      });
    },
  );

  it.each([
    ["refused", 2],
    ["no-verdict", 2],
    ["disowned", 1],
  ] as const)(
    "that was %s is asked about again at the next read: %s questions in two reads",
    async (status, questions) => {
      const { active, calls, next, clock } = await moved("kms", true);
      const asked = decided(calls, next, status);
      await active.acquire(false);
      clock.advance(minute);
      await active.acquire(false);
      expect(asked).toHaveBeenCalledTimes(questions);
    },
  );
});
