/*
 * KMS calls of a fleet of workers of one organization, with and without a `fleetSecret`: counts of an in-memory KMS
 * over simulated hours, no timing.
 */
import { randomBytes } from "node:crypto";
import { RecordingKeyStore, type KmsProvider } from "../src/index.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore, TestClock } from "../src/testing/index.js";
import { byScale } from "./shared/measure.js";
import { counted, type Row, type Scale, type Subject } from "./shared/subject.js";

const homeRegion = "eu-west-1";
const accountId = "000000000000";
const kmsKeyAliasArn = `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`;
const minute = 60_000;
const hour = 60 * minute;
const audio = Buffer.from("audio");

/** Workers on one store, each with all that a process of its own has, in simulated time. */
class Fleet {
  readonly kms: InMemoryKms;
  readonly keyArn: string;
  readonly #clock = new TestClock();
  readonly #store = new MemoryKeyPairStore();
  readonly #size: number;
  readonly #fleetSecret: Uint8Array | undefined;
  #workers: RecordingKeyStore[];
  #underWay = 0;

  constructor(size: number, fleetSecret: Uint8Array | undefined) {
    this.kms = new InMemoryKms({ clock: this.#clock, journalLimit: 1_000_000 });
    this.keyArn = this.kms.createKey({ region: homeRegion, alias: "alias/recordings" });
    this.#size = size;
    this.#fleetSecret = fleetSecret;
    this.#workers = this.#start();
  }

  get one(): RecordingKeyStore {
    return this.#workers[0] as RecordingKeyStore;
  }

  /** New processes with nothing in their memory, as after a deployment. */
  async restart(): Promise<void> {
    for (const worker of this.#workers) await worker.close();
    this.#workers = this.#start();
  }

  /** Time in which nobody records. */
  sleep(ms: number): void {
    this.#clock.advance(ms);
  }

  /** How many KMS calls something takes. */
  async calls(task: () => Promise<unknown>): Promise<number> {
    const before = this.kms.journal.count();
    await task();
    return this.kms.journal.count() - before;
  }

  /** Time in which each worker makes a recording a minute, one worker after the other. */
  async work(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += minute) {
      for (const worker of this.#workers) {
        this.#clock.advance(minute / this.#size);
        await worker.encryptRecording(audio, { recordingId: "recording-1" });
        await this.#quiet();
      }
    }
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) await worker.close();
  }

  #start(): RecordingKeyStore[] {
    return Array.from({ length: this.#size }, () => {
      const kms = this.#observed(new InMemoryKmsProvider(this.kms));
      return new RecordingKeyStore({
        organizationId: "org-1",
        homeRegion,
        kms,
        store: this.#store,
        trustedKmsKeys: [accountId],
        clock: this.#clock,
        ...(this.#fleetSecret ? { fleetSecret: this.#fleetSecret } : {}),
      });
    });
  }

  /** Counts the calls under way, so that the next worker's turn comes when this one's is over. */
  #observed(kms: KmsProvider): KmsProvider {
    const observe =
      <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
      async (...args: A) => {
        this.#underWay += 1;
        return await call(...args).finally(() => (this.#underWay -= 1));
      };
    return {
      describeKey: observe((...args) => kms.describeKey(...args)),
      encrypt: observe((...args) => kms.encrypt(...args)),
      decrypt: observe((...args) => kms.decrypt(...args)),
      generateDataKeyPair: observe((...args) => kms.generateDataKeyPair(...args)),
    };
  }

  async #quiet(): Promise<void> {
    for (let turns = 0; turns < 3; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#underWay > 0) turns = 0;
    }
  }
}

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
};

/** KMS calls in an hour of each kind, one after the other, with half an hour like any other before each. */
async function hoursOf(size: number, fleetSecret: Uint8Array | undefined): Promise<Record<string, number>> {
  const fleet = new Fleet(size, fleetSecret);
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
