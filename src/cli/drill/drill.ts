import { RecordingKeyStoreError } from "../../errors.js";
import { Rehearsal, type DrillSetup } from "./rehearsal.js";

/** A promise, and whether the rehearsal saw it kept. */
export interface DrillFinding {
  readonly promise: string;
  readonly kept: boolean;
  /** What was seen, for an auditor. */
  readonly seen: string;
}

const minute = 60_000;
/** Recordings made in each state. */
const count = 5;
/** Longer than `privateKeyTtl` of the default, in ms. */
const untilKeysAreGone = 61_000;

/** A step of the drill. Gives what it has found, and leaves KMS as it was. */
type Step = (rehearsal: Rehearsal) => Promise<readonly DrillFinding[]>;

const codeOf = (error: unknown) => (error instanceof RecordingKeyStoreError ? error.code : String(error));

async function recordMany(rehearsal: Rehearsal, keyStore: ReturnType<Rehearsal["start"]>) {
  const made = [];
  for (let index = 0; index < count; index += 1) {
    rehearsal.clock.advance(minute);
    made.push(await rehearsal.record(keyStore).catch(codeOf));
  }
  const recorded = made.filter((one) => typeof one !== "string");
  const refused = made.filter((one) => typeof one === "string");
  return { recorded, seen: `${recorded.length} of ${count} recorded${refused.length > 0 ? `, ${refused[0]}` : ""}` };
}

const outage: Step = async (rehearsal) => {
  const keyStore = rehearsal.start();
  const before = await rehearsal.record(keyStore);
  rehearsal.kms.faults.outage();
  rehearsal.clock.advance(20 * minute);
  await keyStore.confirm().catch(() => undefined); // as a service does in the background
  const { recorded, seen } = await recordMany(rehearsal, keyStore);
  const playback = await rehearsal.opens(keyStore, before);
  const restarted = await recordMany(rehearsal, rehearsal.start());
  const rotation = await keyStore.rotate().then(() => "changed", codeOf);
  rehearsal.kms.faults.heal();
  const flagged = recorded.filter(({ usedLastKnownKey }) => usedLastKnownKey).length;
  return [
    { promise: "KMS can't be reached: recordings go on", kept: recorded.length === count, seen },
    {
      promise: "KMS can't be reached: recordings made meanwhile say so",
      kept: flagged === count,
      seen: `${flagged} of ${recorded.length} flagged as made with the last known key`,
    },
    {
      promise: "KMS can't be reached: playback is refused, and says why",
      kept: playback === "ERR_KMS_UNAVAILABLE",
      seen: playback,
    },
    {
      promise: "KMS can't be reached and the service restarts: recordings go on",
      kept: restarted.recorded.length === count,
      seen: restarted.seen,
    },
    {
      promise: "KMS can't be reached: a change of key fails, and the key in use stays",
      kept: rotation === "ERR_KMS_UNAVAILABLE",
      seen: rotation,
    },
  ];
};

const freshHost: Step = async (rehearsal) => {
  rehearsal.kms.faults.accessDenied();
  const made = await rehearsal.record(rehearsal.start({ freshHost: true })).then(() => "recorded", codeOf);
  rehearsal.kms.faults.heal();
  return [
    {
      promise: "A host that nobody has told the key encrypts nothing while KMS refuses",
      kept: made === "ERR_KEY_UNCONFIRMED",
      seen: made,
    },
  ];
};

const disabled: Step = async (rehearsal) => {
  const keyStore = rehearsal.start();
  const before = await rehearsal.record(keyStore);
  const first = await rehearsal.opens(keyStore, before);
  rehearsal.kms.disableKey(rehearsal.kmsKeyArn);
  rehearsal.clock.advance(untilKeysAreGone);
  const after = await rehearsal.opens(keyStore, before);
  rehearsal.clock.advance(20 * minute);
  await keyStore.confirm().catch(() => undefined);
  const { recorded, seen } = await recordMany(rehearsal, keyStore);
  const { keyAtRisk } = await keyStore.status();
  rehearsal.kms.enableKey(rehearsal.kmsKeyArn);
  return [
    {
      promise: "The KMS key is disabled: nothing opens any more once privateKeyTtl is over",
      kept: first === "opens" && after === "ERR_KMS_REFUSED",
      seen: `before: ${first}; after: ${after}`,
    },
    { promise: "The KMS key is disabled: recordings go on", kept: recorded.length === count, seen },
    {
      promise: "The KMS key is disabled: status() says that the key is at risk",
      kept: keyAtRisk,
      seen: `key at risk: ${keyAtRisk}`,
    },
  ];
};

const changed: Step = async (rehearsal) => {
  const keyStore = rehearsal.start();
  const before = await rehearsal.record(keyStore);
  const { keyPairId } = await keyStore.rotate();
  const after = await rehearsal.record(keyStore);
  const old = await rehearsal.opens(keyStore, before);
  return [
    {
      promise: "The key is changed: new recordings use the new one, and earlier ones open",
      kept: after.keyPairId === keyPairId && before.keyPairId !== keyPairId && old === "opens",
      seen: `earlier recording: ${old}`,
    },
  ];
};

const rolledBack: Step = async (rehearsal) => {
  const { store, organizationId } = rehearsal;
  const keyStore = rehearsal.start();
  await rehearsal.record(keyStore);
  const backup = await store.readHead(organizationId);
  const { keyPairId } = await keyStore.rotate();
  const head = await store.readHead(organizationId);
  if (backup) await store.swapHead(organizationId, head?.revision, backup.document);
  rehearsal.clock.advance(2 * minute);
  const made = await rehearsal.record(keyStore);
  const restarted = await rehearsal.record(rehearsal.start());
  const { storeError } = await keyStore.status();
  const kept = made.keyPairId === keyPairId && restarted.keyPairId === keyPairId;
  const accepted = await keyStore.acceptRestoredStore().then(({ done }) => (done ? "accepted" : "not done"), codeOf);
  return [
    {
      promise: "The store is rolled back: nothing is encrypted with a key of the past",
      kept,
      seen: `after the roll-back: key pair ${kept ? "as before" : "of the past"}`,
    },
    {
      promise: "The store is rolled back: status() says so, and the operator has a way out",
      kept: storeError?.code === "ERR_STORE_ROLLED_BACK" && accepted === "accepted",
      seen: `${storeError?.code ?? "no word"}; accept-restored-store: ${accepted}`,
    },
  ];
};

const garbage: Step = async (rehearsal) => {
  const { store, organizationId } = rehearsal;
  const keyStore = rehearsal.start();
  await rehearsal.record(keyStore);
  const head = await store.readHead(organizationId);
  const spoilt = await store.swapHead(organizationId, head?.revision, Buffer.from("not a head"));
  rehearsal.clock.advance(2 * minute);
  const { recorded, seen } = await recordMany(rehearsal, keyStore);
  if (head) await store.swapHead(organizationId, spoilt?.revision, head.document);
  rehearsal.clock.advance(2 * minute);
  return [{ promise: "The store's head is spoilt: recordings go on", kept: recorded.length === count, seen }];
};

/** At the end: after everything a fresh process opens every recording. */
const nothingLost: Step = async (rehearsal) => {
  const keyStore = rehearsal.start({ freshHost: true });
  const outcomes = new Map<string, number>();
  for (const made of rehearsal.recordings) {
    const outcome = await rehearsal.opens(keyStore, made);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  const seen = [...outcomes].map(([outcome, times]) => `${times} ${outcome === "opens" ? "open" : outcome}`).join(", ");
  return [
    {
      promise: "Everything is well again: every recording of the drill opens",
      kept: outcomes.get("opens") === rehearsal.recordings.length,
      seen,
    },
  ];
};

const steps: readonly Step[] = [changed, outage, freshHost, disabled, rolledBack, garbage, nothingLost];

/** Acts out on a copy of a set-up what befalls it, and says which promises were kept. Touches nothing outside. */
export async function drill(
  setup: DrillSetup,
  { onStep, signal }: { onStep: (done: number, total: number) => void; signal: AbortSignal },
): Promise<DrillFinding[]> {
  const rehearsal = new Rehearsal(setup);
  try {
    await rehearsal.configure(rehearsal.start());
    const findings: DrillFinding[] = [];
    for (const [index, step] of steps.entries()) {
      signal.throwIfAborted();
      onStep(index, steps.length);
      findings.push(...(await step(rehearsal)));
    }
    return findings;
  } finally {
    await rehearsal.close();
  }
}
