import { randomBytes } from "node:crypto";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { InMemoryKms, TestClock } from "../../../src/testing/index.js";
import type { FaultKind } from "../../../src/in-memory-kms/fault-kinds.js";
import { atLength } from "../../support/effort.js";
import { impatient, kmsKeyAliasArn, setup } from "../../support/setup.js";

const recordings = atLength(10_000, 200);
/** Recordings between two moments at which a confirmation is due. */
const stretch = recordings / 100;
const minute = 60_000;

interface World {
  readonly kms: InMemoryKms;
  readonly keyArn: string;
  readonly clock: TestClock;
}

/** A way for KMS to be away, and the way back. */
export interface Away {
  readonly kind: string;
  readonly begin: (world: World) => void;
  /** Absent when there is no way back: the recordings are then lost with the key. */
  readonly end?: (world: World) => void;
  readonly keyAtRisk?: true;
  /** The SDK corrects its own clock after the first refusal, so calls succeed from the second on. */
  readonly passes?: true;
  /** Calls have no answer, and are given up only by their time limits. */
  readonly hangs?: true;
}

/** A fault of the in-memory KMS as a way for KMS to be away. */
export function fault(kind: FaultKind): Away {
  return {
    kind,
    begin: ({ kms }) => kms.faults.inject(kind, kind === "latency" ? { ms: 60_000 } : {}),
    end: ({ kms }) => kms.faults.heal(),
    ...(kind === "clock-skew" && { passes: true }),
    ...((kind === "hang" || kind === "latency") && { hangs: true }),
  };
}

const sampled = [0, 1, stretch - 1, stretch, recordings / 4, recordings / 2 - 1, recordings - 1];

/** One test for each kind. In two files, so that they take two cores. */
export function losesNoneUnder(kinds: readonly Away[]): void {
  it.each(kinds)(
    `fails none of ${recordings} encryptions under $kind, flags them, and opens them again`,
    async ({ begin, end, keyAtRisk = false, passes = false, hangs }) => {
      const { keyStore, kms, keyArn, clock } = setup({}, hangs && impatient);
      await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
      const world = { kms, keyArn, clock };
      let away = false;
      keyStore.on("lastKnownKeyInUse", () => (away = true));
      keyStore.on("lastKnownKeyEnded", () => (away = false));
      const content = randomBytes(64);
      const sample = new Map<number, Uint8Array>();
      let flagged = 0;

      begin(world);
      for (let index = 0; index < recordings; index += 1) {
        if (index % stretch === 0) {
          clock.advance(16 * minute); // a confirmation is due each time, and towards the end a change of key
          if (index === stretch) while (!away) await sleep(10);
          await turn();
        }
        content.writeUInt32BE(index);
        const before = away;
        const result = await keyStore.encryptRecording(content, { recordingId: `r${index}` });
        if (before && away) expect(result.usedLastKnownKey).toBe(true);
        if (result.usedLastKnownKey) flagged += 1;
        if (sampled.includes(index)) sample.set(index, result.body);
        if (index === recordings - 1 && !passes)
          expect(result).toMatchObject({ usedLastKnownKey: true, confirmation: "confirmed", keyAtRisk });
      }
      if (!passes) expect(flagged).toBeGreaterThanOrEqual(recordings - stretch);

      end?.(world);
      await keyStore.confirm();
      for (const [index, body] of sample) {
        content.writeUInt32BE(index);
        const opened = keyStore.decryptRecording(body, { recordingId: `r${index}` });
        if (end) expect(content.equals((await opened).body)).toBe(true);
        else await expect(opened).rejects.toMatchObject({ code: "ERR_KMS_REFUSED", kind: "key-not-found" });
      }
      await keyStore.close();
    },
  );
}
