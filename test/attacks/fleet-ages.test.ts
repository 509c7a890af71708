import { describe, expect, it } from "vitest";
import { garbage } from "./store-writer.js";
import { audio, fleetSecret, hour, minute, world, type Host, type World } from "./world.js";

const recording = { recordingId: "r" };
const confirmEvery = 15 * minute;
/** How often each worker records; a part of confirmEvery. */
const step = 3 * minute;
/** What a store writer does to the status item before each recording. */
const writers = {
  "left alone": async () => undefined,
  "put back to what it was at first": async ({ writer, statuses }: World) => writer.tell(statuses.at(-1)!),
  "put back to what some worker has written": async ({ writer, store }: World, at: number) => {
    const status = await store.readStatus(writer.organizationId);
    if (at % 4 === 0 || !seen.has(store)) seen.set(store, status!);
    await writer.tell(seen.get(store)!);
  },
  "filled with garbage": async ({ writer }: World) => writer.tell(garbage(200)),
} as const;
const seen = new WeakMap<object, Uint8Array>();

interface Seen {
  refused: number;
  oldest: number;
}

/** Workers that record at every step, and how old KMS's word ever was that one of them knew. */
async function run(parts: World, workers: readonly Host[], steps: number, act: (at: number) => Promise<unknown>) {
  const found: Seen = { refused: 0, oldest: 0 };
  for (let at = 0; at < steps; at += 1) {
    await act(at);
    for (const worker of workers) {
      await worker.encryptRecording(audio, recording).catch(() => (found.refused += 1));
    }
    await parts.calm();
    for (const worker of workers) {
      const { lastConfirmedAt } = await worker.status();
      found.oldest = Math.max(found.oldest, parts.clock.now() - lastConfirmedAt!.getTime());
    }
    parts.clock.advance(step);
  }
  return found;
}

const fleets = { "with a fleet's secret": { fleetSecret }, "without one": {} } as const;
describe.each(Object.keys(fleets) as (keyof typeof fleets)[])("eight workers with maxLastConfirmedAge, %s", (which) => {
  for (const [name, act] of Object.entries(writers)) {
    it(`refuse nothing while KMS is healthy, with the status item ${name}`, async () => {
      const parts = await world();
      const options = { ...fleets[which], maxLastConfirmedAge: 2 * hour };
      const workers = Array.from({ length: 8 }, () => parts.host(options));
      const { refused, oldest } = await run(parts, workers, 50, (at) => act(parts, at));
      expect({ refused, tooOld: oldest > confirmEvery ? oldest : 0 }).toEqual({ refused: 0, tooOld: 0 });
    });
  }
});

describe("an idle worker with maxLastConfirmedAge", () => {
  it.each([true, false])("is refused no recording while KMS is healthy (background: %s)", async (background) => {
    const { host, clock } = await world();
    const worker = host({ maxLastConfirmedAge: 2 * hour, background });
    await worker.encryptRecording(audio, recording);
    clock.advance(3 * hour);
    const made = await worker.encryptRecording(audio, recording);
    expect(made).toMatchObject({ confirmation: "confirmed", usedLastKnownKey: false });
  });
});

describe("a KMS key that is to be deleted", () => {
  for (const [fleet, options] of Object.entries(fleets)) {
    for (const [name, act] of Object.entries(writers)) {
      it(`is at risk within confirmEvery, ${fleet}, with the status item ${name}`, async () => {
        const parts = await world();
        const workers = Array.from({ length: 3 }, () => parts.host(options));
        await run(parts, workers, 7, (at) => act(parts, at));
        parts.kms.scheduleKeyDeletion(parts.keyArn);
        // Up to confirmEvery from here on, and the recording that finds it out.
        await run(parts, workers, confirmEvery / step + 1, (at) => act(parts, at + 7));
        const told = await Promise.all(workers.map(async (worker) => (await worker.status()).keyAtRisk));
        expect(told).toEqual([true, true, true]);
      });
    }
  }
});
