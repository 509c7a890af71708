import type { Attack } from "./toolbox.js";
import { fleetSecret, type HostOptions, type World } from "./world.js";

/** A kind of host, and what of the organization's keys it can know when it meets an attack. */
export interface HostKind {
  readonly name: string;
  /** It has recorded before the attack. */
  readonly warm?: true;
  readonly options: (world: World) => Promise<HostOptions>;
  /** Whether somebody other than KMS vouches for a pair to it, whatever the attack was. */
  readonly isTold: (attack: Attack) => boolean;
  /** The one exception: it may use a pair that nobody has vouched for, flagged, where KMS gives no verdict. */
  readonly tolerates?: true;
}

const remembering = async ({ hostMemory }: World) => ({ lastConfirmed: await hostMemory() });

export const hostKinds: readonly HostKind[] = [
  { name: "a warm process", warm: true, options: remembering, isTold: () => true },
  { name: "a restarted host", options: remembering, isTold: () => true },
  { name: "a fresh pod", options: async () => ({}), isTold: () => false, tolerates: true },
  {
    name: "a fresh pod of a fleet",
    options: async () => ({ fleetSecret }),
    isTold: ({ word }) => word !== "gone",
  },
  {
    name: "a pod that requires a confirmed key",
    options: async () => ({ requireConfirmedKey: true }),
    isTold: () => false,
  },
];

/** How KMS fares while the host meets the attack. */
export interface KmsState {
  readonly name: string;
  readonly begin: (world: World) => unknown;
  /** What it says of a genuine pair. */
  readonly says: "yes" | "no" | "nothing";
  /** One of three that stand for all six. */
  readonly typical?: true;
}

const kmsStates: readonly KmsState[] = [
  { name: "up", says: "yes", typical: true, begin: () => undefined },
  { name: "slow", says: "yes", begin: ({ kms }) => kms.faults.latency(8) },
  { name: "denying", says: "no", typical: true, begin: ({ kms }) => kms.faults.accessDenied() },
  { name: "refusing: the key is disabled", says: "no", begin: ({ kms, keyArn }) => kms.disableKey(keyArn) },
  { name: "unreachable", says: "nothing", typical: true, begin: ({ kms }) => kms.faults.outage() },
  { name: "throttling", says: "nothing", begin: ({ kms }) => kms.faults.throttling() },
];

export const typicalStates = kmsStates.filter(({ typical }) => typical);

/** The states of KMS in which an attack is tried: three do where KMS is not asked about what the attacker shows. */
export const statesFor = ({ unasked }: Attack) => (unasked ? typicalStates : kmsStates);

/** KMS as it was before. */
export function heal({ kms, keyArn }: World): void {
  kms.faults.heal();
  kms.enableKey(keyArn);
}
