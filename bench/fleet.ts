/*
 * KMS calls of a fleet of workers of one organization, with and without a `fleetSecret`: counts of an in-memory KMS
 * over simulated hours, no timing.
 */
import { randomBytes } from "node:crypto";
import { Fleet, homeRegion, hour, kmsKeyAliasArn } from "./shared/fleet.js";
import { defined } from "../src/util/defined.js";
import { byScale } from "./shared/measure.js";
import { counted, type Row, type Scale, type Subject } from "./shared/subject.js";

/** What can happen to a fleet at the beginning of an hour; gives what ends it. */
const events: Readonly<Record<string, (fleet: Fleet) => Promise<() => void>>> = {
  "an hour like any other": async () => () => undefined,
  "all workers restart at once": async (fleet) => {
    await fleet.restart();
    return () => undefined;
  },
  "a change of key falls due": async () => () => undefined,
  "one change of key on demand": async (fleet) => {
    await fleet.one.rotate();
    return () => undefined;
  },
  "an hour in which KMS can't be reached": async ({ kms }) => {
    const fault = kms.faults.outage();
    return () => fault.remove();
  },
  "an hour in which the KMS key is disabled": async ({ kms, keyArn }) => {
    kms.disableKey(keyArn);
    return () => kms.enableKey(keyArn);
  },
  "an hour in which the alias points to another KMS key": async ({ kms, keyArn }) => {
    kms.pointAlias(kmsKeyAliasArn, kms.createKey({ region: homeRegion }));
    return () => kms.pointAlias(kmsKeyAliasArn, keyArn);
  },
};

/** KMS calls in an hour of each kind, one after the other, with half an hour like any other before each. */
async function hoursOf(size: number, fleetSecret: Uint8Array | undefined): Promise<Record<string, number>> {
  const fleet = new Fleet(size, defined({ fleetSecret }));
  await fleet.one.configure({ kmsKeyAliasArn, periodicKeyChange: "daily" });
  // With the three hours and a half before it, the change falls due in the first half of its hour.
  fleet.sleep(24 * hour - 3.75 * hour);
  const calls: Record<string, number> = {};
  for (const [name, begin] of Object.entries(events)) {
    await fleet.work(hour / 2);
    let end: (() => void) | undefined;
    calls[name] = await fleet.calls(async () => {
      end = await begin(fleet);
      await fleet.work(hour);
    });
    end?.();
  }
  await fleet.close();
  return calls;
}

async function run(scale: Scale): Promise<Row[]> {
  const size = byScale(scale, { quick: 5, default: 100, full: 100 });
  const apart = await hoursOf(size, undefined);
  const together = await hoursOf(size, randomBytes(32));
  return Object.entries(together).map(([what, calls], index) => {
    const figure = `${calls.toLocaleString("en-US")} KMS calls`;
    const against = `${(apart[what] ?? NaN).toLocaleString("en-US")} without fleetSecret`;
    return {
      what: `${size} workers: ${what}`,
      figure,
      against,
      ...(index === 0 ? { promise: counted("≤ 5", calls <= 5) } : {}),
    };
  });
}

export const fleet: Subject = {
  title: "KMS calls of a fleet",
  about:
    "Calls that reach KMS in one hour, failed ones too, of a fleet of workers of one organization on one store, each of which makes a recording a minute and is a process of its own: an in-memory KMS counts them in simulated time, in which its answers take none. With a `fleetSecret` the workers vouch to each other, and one worker's question serves all.",
  run,
};
