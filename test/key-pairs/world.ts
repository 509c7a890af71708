import type { KeyPairStore, KmsProvider } from "../../src/index.js";
import type { RecordingKeyStoreEvents } from "../../src/telemetry.js";
import type { EventSink } from "../../src/events.js";
import { AliasWatch } from "../../src/key-pairs/active/alias-watch.js";
import { ActiveKeyPairs } from "../../src/key-pairs/active/active-key-pair.js";
import type { KeyPairContext, KeyPairTimes } from "../../src/key-pairs/context.js";
import { DisownedClaims } from "../../src/key-pairs/disowned-claims.js";
import { encodeDocument } from "../../src/key-pairs/documents.js";
import { FleetStatus } from "../../src/key-pairs/active/fleet-status.js";
import { FleetSecret } from "../../src/key-pairs/active/fleet-word.js";
import { headFeedOf } from "../../src/key-pairs/active/head-feed.js";
import { KeyHealth } from "../../src/key-pairs/active/health.js";
import { LastConfirmedKeyPair } from "../../src/key-pairs/active/last-confirmed.js";
import type { ClaimedKeyPair } from "../../src/key-pairs/key-pair.js";
import { KmsCalls } from "../../src/key-pairs/kms-calls.js";
import { PrivateKeyCustody } from "../../src/key-pairs/custody/private-key-custody.js";
import { keyPairDocument, KeyPairRecords } from "../../src/key-pairs/records.js";
import { KeyRotation } from "../../src/key-pairs/active/rotation.js";
import { Trust } from "../../src/key-pairs/trust.js";
import { TrustAnchor } from "../../src/key-pairs/trust-anchor.js";
import {
  InMemoryKms,
  InMemoryKmsProvider,
  MemoryKeyPairStore,
  MemoryLastConfirmedStore,
  TestClock,
} from "../../src/testing/index.js";
import type { KeyStoreConfiguration } from "../../src/format/vocabulary.js";
import { Operations } from "../../src/operations.js";
import type { LastConfirmedStore, ProcessLastConfirmedStore } from "../../src/stores/last-confirmed-store.js";
import { CheckedKmsProvider } from "../../src/kms/checked-kms-provider.js";

export const organizationId = "org-1";
export const homeRegion = "eu-west-1";
export const accountId = "000000000000";
export const kmsKeyAliasArn = `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`;
export const contextKeyName = "genesys-cloud-organization-id";
export const second = 1_000;
export const minute = 60_000;
export const day = 86_400_000;
export const configuration: KeyStoreConfiguration = {
  kmsKeyAliasArn,
  periodicKeyChange: "daily",
  keyPairSpec: "X25519",
};

export const times: KeyPairTimes = {
  privateKeyTtl: minute,
  confirmEvery: 15 * minute,
  confirmTimeout: 1_000,
  headTtl: minute,
};

/** Deadline of KMS calls for RSA pairs, which take long to make, in ms. */
export const forRsa = { deadline: 30_000 };

/** A secret of a fleet; every number gives another. */
export const fleetSecret = (number = 1) => new Uint8Array(32).fill(number);

/** What a test wants of a worker other than usual. */
export interface WorkerOptions {
  readonly organizationId?: string;
  readonly kms?: KmsProvider;
  readonly store?: KeyPairStore;
  readonly lastConfirmed?: LastConfirmedStore;
  /** Shared by the key stores of one process, if given. */
  readonly processLastConfirmed?: ProcessLastConfirmedStore;
  /** Of the fleet: none unless given. The first of a list signs. */
  readonly fleetSecret?: Uint8Array | readonly Uint8Array[];
  /** The account unless given; `first-use` for a service that has said nothing. */
  readonly trustedKmsKeys?: readonly string[] | "first-use";
  /** The first one is for new pairs. */
  readonly contextKeyNames?: readonly [string, ...string[]];
  readonly times?: Partial<KeyPairTimes>;
  readonly storeTimeout?: number;
  readonly decryptRegions?: readonly string[];
  /** Nothing unconfirmed is wanted. */
  readonly requireConfirmed?: boolean;
  /** Each worker has its own unless given, as processes do. */
  readonly disowned?: DisownedClaims;
  readonly custody?: PrivateKeyCustody;
}

type EventName = keyof RecordingKeyStoreEvents;
type Told = { [N in EventName]: [name: N, event: RecordingKeyStoreEvents[N]] }[EventName];

/** One organization on an in-memory KMS and a store in memory, and workers of it with all their parts. */
export function world({ deadline = 200 } = {}) {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock });
  const keyArn = kms.createKey({ region: homeRegion, alias: "alias/recordings" });
  const store = new MemoryKeyPairStore();
  const provider = new InMemoryKmsProvider(kms, { deadline });

  /** As a process that has just started; a restart of another one where that one's `lastConfirmed` is given. */
  const worker = (options: WorkerOptions = {}) => {
    const events: Told[] = [];
    const emit: EventSink = (...told) => void events.push(told as Told);
    const context = contextOf({ clock, kms: provider, store, ...options }, emit);
    const { lastConfirmed, ...parts } = context;
    const active = new ActiveKeyPairs(parts);
    const rotation = new KeyRotation(parts, active);
    const { records, calls, trust, lastConfirmedPair, fleet, health, custody } = parts;
    const told = () => events.splice(0).map(([name]) => name);
    return {
      context: parts,
      active,
      rotation,
      trust,
      records,
      calls,
      fleet,
      lastConfirmedPair,
      health,
      custody,
      lastConfirmed,
      events,
      told,
    };
  };

  /** A worker of an organization that is configured already. */
  const configured = async (options: WorkerOptions = {}, settings: Partial<KeyStoreConfiguration> = {}) => {
    const made = worker(options);
    const pair = await made.rotation.rotate({ configuration: { ...configuration, ...settings } });
    made.told();
    return { ...made, pair };
  };

  /** What whoever may write to the store can do: puts a pair there, and points the head at it. */
  const plant = async (pair: ClaimedKeyPair) => {
    await putAsWriter(store, pair);
    await pointAsWriter(store, pair);
  };
  return { clock, kms, keyArn, store, provider, worker, configured, plant };
}

/** An organization with one pair, and a worker of it that has not looked yet. The journal begins with that worker. */
export async function fresh(options: WorkerOptions = {}) {
  const parts = world();
  const first = await parts.configured();
  parts.kms.journal.clear();
  return { ...parts, first, ...parts.worker(options) };
}

function contextOf(
  options: WorkerOptions & { clock: TestClock; kms: KmsProvider; store: KeyPairStore },
  emit: EventSink,
): KeyPairContext & { lastConfirmed: LastConfirmedStore } {
  const { clock, kms, store, trustedKmsKeys = [accountId], storeTimeout = 5_000 } = options;
  const lastConfirmed = options.lastConfirmed ?? new MemoryLastConfirmedStore();
  const places = { inProcess: options.processLastConfirmed, onHost: lastConfirmed };
  const organization = options.organizationId ?? organizationId;
  const contextKeyNames = options.contextKeyNames ?? ([contextKeyName] as const);
  const secrets = options.fleetSecret && [options.fleetSecret].flat();
  const records = new KeyPairRecords(organization, store, storeTimeout);
  const calls = new KmsCalls(new CheckedKmsProvider(kms, 30_000), [homeRegion, ...(options.decryptRegions ?? [])]);
  const anchor = trustedKmsKeys === "first-use" ? undefined : new TrustAnchor(trustedKmsKeys);
  const disowned = options.disowned ?? new DisownedClaims();
  const { requireConfirmed = false } = options;
  const alias = new AliasWatch(clock, emit);
  const trust = new Trust({ anchor, homeRegion, contextKeyNames, calls, disowned, requireConfirmed, clock });
  return {
    organizationId: organization,
    contextKeyName: contextKeyNames[0],
    records,
    feed: headFeedOf(store, clock),
    calls,
    trust,
    pendingTakeUps: new Map(),
    lastConfirmedPair: new LastConfirmedKeyPair(organization, places, trust, storeTimeout),
    fleet: new FleetStatus(records, secrets && new FleetSecret(secrets), alias, clock),
    alias,
    custody: options.custody ?? new PrivateKeyCustody(clock),
    health: new KeyHealth(clock, emit),
    clock,
    emit,
    operations: new Operations(organization),
    times: { ...times, ...options.times },
    lastConfirmed,
  };
}

/** Puts a pair into the store as it stands, which nobody has to vouch for. */
export async function putAsWriter(store: KeyPairStore, pair: ClaimedKeyPair): Promise<void> {
  const { organizationId: organization, keyPairId, sequence } = pair.birth;
  await store.createKeyPair({ organizationId: organization, keyPairId, sequence, document: keyPairDocument(pair) });
}

/** Points the store's head at a pair, whatever it was at before. */
export async function pointAsWriter(store: KeyPairStore, { birth, digest }: ClaimedKeyPair): Promise<void> {
  const { organizationId: organization, keyPairId, sequence } = birth;
  const document = encodeDocument("head", { organizationId: organization, keyPairId, sequence, digest });
  const before = await store.readHead(organization);
  await store.swapHead(organization, before?.revision, document);
}

/** Lets everything that waits for nothing but promises come to its end. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
