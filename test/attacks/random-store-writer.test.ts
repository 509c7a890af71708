import fc from "fast-check";
import { afterEach, beforeEach, describe, it, vi } from "vitest";
import type { KeyPairStore } from "../../src/index.js";
import { effort } from "../support/effort.js";
import { heal } from "./hosts.js";
import { Scene, type Deed } from "./scene.js";
import { attacks } from "./toolbox.js";
import { day, minute, organizationId, second } from "./world.js";

/* Jitter: the same deeds give the same scene. */
beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0.5));
afterEach(() => void vi.restoreAllMocks());

const deed = (name: string, run: Deed["run"]): Deed => ({ name, run });
const host = fc.nat(2);
const attack = fc.constantFrom(...attacks);
const pause = fc.constantFrom(second, 31 * second, 61 * second, 16 * minute, 3 * day, 366 * day);

/** What the organization's own hosts and people do. */
const own: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: host.map((of) => deed(`host ${of} records`, (scene) => scene.record(of))) },
  host.map((of) => deed(`host ${of} rotates`, (scene) => scene.host(of).rotate())),
  host.map((of) => deed(`host ${of} rotates if due`, (scene) => scene.host(of).rotateIfDue())),
  host.map((of) =>
    deed(`host ${of} configures`, (scene) =>
      scene.host(of).configure({ kmsKeyAliasArn: scene.parts.kmsKeyAliasArn, periodicKeyChange: "daily" }),
    ),
  ),
  host.map((of) => deed(`host ${of} rewraps`, (scene) => scene.host(of).rewrapKeyPairs())),
  host.map((of) => deed(`host ${of} confirms`, (scene) => scene.host(of).confirm())),
  host.map((of) => deed(`host ${of} cleans up`, (scene) => scene.host(of).removeOrphanedKeyPairs())),
  host.map((of) => deed(`host ${of} replaces the head`, (scene) => scene.host(of).replaceUntrustedHead())),
  host.map((of) => deed(`host ${of} accepts the store`, (scene) => scene.host(of).acceptRestoredStore())),
  fc
    .tuple(host, fc.nat(2))
    .map(([of, which]) =>
      deed(`host ${of} decrypts`, (scene) =>
        scene.host(of).decryptRecording(scene.parts.past[which]!.body, { recordingId: `past-${which}` }),
      ),
    ),
  host.map((of) => deed(`host ${of} restarts`, async (scene) => scene.restart(of, true))),
  host.map((of) => deed(`host ${of} is a new one`, async (scene) => scene.restart(of, false))),
);

/** Mostly one after the other. */
const calls = fc
  .tuple(own, fc.constantFrom(false, false, false, true))
  .map(([one, meanwhile]): Deed => (meanwhile ? { ...one, meanwhile } : one));

/** What becomes of KMS and time. */
const weather: fc.Arbitrary<Deed> = fc.oneof(
  fc.constant(deed("KMS is away", async ({ parts }) => parts.kms.faults.outage())),
  fc.constant(deed("KMS is slow", async ({ parts }) => parts.kms.faults.latency(7))),
  fc.constant(deed("KMS denies", async ({ parts }) => parts.kms.faults.accessDenied())),
  fc.constant(deed("the key is disabled", async ({ parts }) => parts.kms.disableKey(parts.keyArn))),
  { weight: 3, arbitrary: fc.constant(deed("KMS is back", async ({ parts }) => heal(parts))) },
  {
    weight: 3,
    arbitrary: pause.map((ms) => deed(`${ms / second} s pass`, async ({ parts }) => parts.clock.advance(ms))),
  },
);

/** What who writes to the store can have it tell of changes to heads. */
const lies: Readonly<Record<string, NonNullable<KeyPairStore["headChanges"]>>> = {
  "nothing has changed": async ({ after }) => ({ cursor: after ?? "0", organizationIds: [] }),
  "all has changed": async () => ({ cursor: "0", organizationIds: undefined }),
  "an earlier place again and again": async () => ({ cursor: "0", organizationIds: [organizationId] }),
  nonsense: async () => ({ cursor: 7, organizationIds: [{}] }) as never,
  failures: () => Promise.reject(new Error("no route to store")),
};
const lie = fc.constantFrom(...Object.keys(lies));

/** What the store writer does, between the calls of the others or in the middle of one. */
const hostile: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 2, arbitrary: attack.map(({ name, act }) => deed(`ATTACK ${name}`, ({ parts }) => act(parts))) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(12), attack)
      .map(([calls, one]) => deed(`AMBUSH after ${calls} ${one.name}`, async (scene) => scene.lieInWait(calls, one))),
  },
  lie.map((what) => deed(`ATTACK the feed tells ${what}`, async (scene) => scene.lieAboutChanges(lies[what]!))),
  fc.nat(40).map((index) => deed(`ATTACK head ${index} again`, (scene) => scene.replayHead(index))),
  fc.nat(40).map((index) => deed(`ATTACK status ${index} again`, (scene) => scene.replayStatus(index))),
);

const deeds = fc.array(
  fc.oneof({ weight: 5, arbitrary: calls }, { weight: 2, arbitrary: weather }, { weight: 3, arbitrary: hostile }),
  { minLength: 5, maxLength: 25 },
);
const numRuns = Number(process.env["ATTACK_RUNS"] ?? effort(25, 4));

async function played(fleet: boolean, all: readonly Deed[]): Promise<Scene> {
  const scene = await Scene.begin(fleet);
  for (const one of all) await scene.play(one);
  return scene;
}

describe("a random store writer between random calls of three hosts", () => {
  it("chooses no key, loses nothing and leaves the operator a way out; but what is flagged", async () => {
    await fc.assert(
      fc.asyncProperty(deeds, async (all) => (await played(false, all)).check("flagged")),
      { numRuns },
    );
  });

  it("chooses no key, loses nothing and leaves the operator a way out, in a fleet", async () => {
    await fc.assert(
      fc.asyncProperty(deeds, async (all) => (await played(true, all)).check("never")),
      { numRuns },
    );
  });

  it("never has rewrapping say that a KMS key may go which a recording needs", async () => {
    await fc.assert(
      fc.asyncProperty(deeds, async (all) => (await played(false, all)).checkRewrapping()),
      { numRuns },
    );
  });
});
