import type { KmsCallLimit } from "../kms/call-limit.js";
import type { KmsProvider } from "../kms/kms-provider.js";
import type { KeyPairStore } from "../stores/key-pair-store.js";
import type { LastConfirmedStore, ProcessLastConfirmedStore } from "../stores/last-confirmed-store.js";
import type { KeyPairTimes } from "./context.js";
import type { PrivateKeyCustody } from "./custody/private-key-custody.js";

/** What the organizations of one process share in a registry. */
export interface SharedByOrganizations {
  readonly custody: PrivateKeyCustody;
  readonly lastConfirmed: ProcessLastConfirmedStore;
  readonly kmsCalls: KmsCallLimit;
}

/** The checked options of a key store, as far as they are about its key pairs. Times are in ms. */
export interface KeyManagerOptions extends KeyPairTimes {
  readonly organizationId: string;
  readonly homeRegion: string;
  readonly decryptRegions: readonly string[];
  readonly kms: KmsProvider;
  readonly kmsTimeout: number;
  readonly store: KeyPairStore;
  readonly storeTimeout: number;
  readonly trustedKmsKeys?: readonly string[] | undefined;
  readonly embeddedKeys?: readonly string[] | undefined;
  /** The first one is for new pairs. */
  readonly contextKeyName: readonly [string, ...string[]];
  readonly lastConfirmed?: LastConfirmedStore | undefined;
  readonly fleetSecret?: readonly Uint8Array[] | undefined;
  readonly requireConfirmedKey?: boolean | undefined;
  readonly maxLastConfirmedAge?: number | undefined;
  readonly background: boolean;
  /** Whether recordings carry the wrapped private half. */
  readonly selfContained: boolean;
}
