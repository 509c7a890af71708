import type { Clock } from "../clock.js";
import type { EventSink } from "../events.js";
import type { KmsProvider } from "../kms/kms-provider.js";
import type { KeyPairStore } from "../stores/key-pair-store.js";
import type { LastConfirmedMemory } from "./confirmed-memory.js";
import type { KeyHealth } from "./health.js";
import type { KeyTrust } from "./key-trust.js";
import type { KeyDecryption } from "./making.js";
import type { PrivateKeyCustody } from "./private-key-custody.js";

/** Times, all in milliseconds. */
export interface KeyPairTimes {
  readonly privateKeyTtl: number;
  readonly confirmEvery: number;
  readonly confirmTimeout: number;
  readonly headTtl: number;
}

/** What everything about one organization's key pairs works with. Made once, by the key store's constructor. */
export interface KeyPairContext {
  readonly organizationId: string;
  readonly homeRegion: string;
  readonly kms: KmsProvider;
  readonly store: KeyPairStore;
  readonly lastConfirmed: LastConfirmedMemory;
  readonly trust: KeyTrust;
  readonly custody: PrivateKeyCustody;
  readonly health: KeyHealth;
  readonly clock: Clock;
  readonly emit: EventSink;
  readonly times: KeyPairTimes;
  /** `kms:Decrypt` under a key, in the home Region first and in `decryptRegions` when that can't be reached. */
  readonly decryptionUnder: (kmsKeyArn: string) => KeyDecryption;
}
