import type { Clock } from "../clock.js";
import type { EventSink } from "../events.js";
import type { Operations } from "../operations.js";
import type { AliasWatch } from "./active/alias-watch.js";
import type { FleetStatus } from "./active/fleet-status.js";
import type { HeadFeed } from "./active/head-feed.js";
import type { KeyHealth } from "./active/health.js";
import type { LastConfirmedKeyPair } from "./active/last-confirmed.js";
import type { PrivateKeyCustody } from "./custody/private-key-custody.js";
import type { ClaimedKeyPair } from "./key-pair.js";
import type { KmsCalls } from "./kms-calls.js";
import type { KeyPairRecords } from "./records.js";
import type { Trust } from "./trust.js";

/** Times of one organization's key pairs, in ms. */
export interface KeyPairTimes {
  readonly privateKeyTtl: number;
  readonly confirmEvery: number;
  readonly confirmTimeout: number;
  readonly headTtl: number;
}

/** The parts of one organization's key pairs, made once. Each class and function picks the ones that it uses. */
export interface KeyPairContext {
  readonly organizationId: string;
  /** Name of the organization's id in the encryption context of new pairs. */
  readonly contextKeyName: string;
  readonly records: KeyPairRecords;
  /** What the store tells of changes to its heads; `undefined` where it tells nothing. */
  readonly feed: HeadFeed | undefined;
  readonly calls: KmsCalls;
  readonly trust: Trust;
  /** Pairs in use that the store would not have taken up, by their digest in hex: still to be done. */
  readonly pendingTakeUps: Map<string, ClaimedKeyPair>;
  readonly lastConfirmedPair: LastConfirmedKeyPair;
  readonly fleet: FleetStatus;
  readonly alias: AliasWatch;
  readonly custody: PrivateKeyCustody;
  readonly health: KeyHealth;
  readonly clock: Clock;
  readonly emit: EventSink;
  readonly operations: Operations;
  readonly times: KeyPairTimes;
}
