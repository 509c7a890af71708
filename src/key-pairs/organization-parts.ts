import { InvalidInputError, RecordingKeyStoreError } from "../errors.js";
import { GuardedKmsProvider } from "../kms/guarded-kms-provider.js";
import type { LastConfirmedStore } from "../stores/last-confirmed-store.js";
import { dropRejection, member, textOfThrown } from "../util/safe-cause.js";
import { AliasWatch } from "./active/alias-watch.js";
import { FleetStatus } from "./active/fleet-status.js";
import { FleetSecret } from "./active/fleet-word.js";
import { headFeedOf } from "./active/head-feed.js";
import { KeyHealth } from "./active/health.js";
import { LastConfirmedKeyPair } from "./active/last-confirmed.js";
import type { KeyPairContext } from "./context.js";
import { sharedCustody } from "./custody/private-key-custody.js";
import { disownedClaimsOf } from "./disowned-claims.js";
import type { KeyManagerOptions, SharedByOrganizations } from "./key-manager-options.js";
import { KmsCalls } from "./kms-calls.js";
import { KeyPairRecords } from "./records.js";
import type { TrustAnchor } from "./trust-anchor.js";
import { Trust } from "./trust.js";

/** Puts the parts of one organization together. */
export function contextOf(
  options: KeyManagerOptions,
  anchor: TrustAnchor | undefined,
  surroundings: Pick<KeyPairContext, "clock" | "emit" | "operations">,
  shared: SharedByOrganizations | undefined,
): KeyPairContext {
  const { clock, emit } = surroundings;
  const alias = new AliasWatch(clock, emit);
  const { organizationId, homeRegion, decryptRegions, kms, kmsTimeout, store, storeTimeout, fleetSecret } = options;
  const contextKeyNames = options.contextKeyName;
  const provider = new GuardedKmsProvider(kms, { timeout: kmsTimeout, limit: shared?.kmsCalls });
  const calls = new KmsCalls(provider, [homeRegion, ...decryptRegions]);
  const records = new KeyPairRecords(organizationId, store, storeTimeout);
  const disowned = disownedClaimsOf(kms);
  const requireConfirmed = options.requireConfirmedKey ?? fleetSecret !== undefined;
  const trust = new Trust({ anchor, homeRegion, contextKeyNames, calls, disowned, requireConfirmed, clock });
  const places = { inProcess: shared?.lastConfirmed, onHost: options.lastConfirmed ?? hostLastConfirmed(store) };
  return {
    organizationId,
    contextKeyName: contextKeyNames[0],
    records,
    feed: headFeedOf(store, clock),
    calls,
    trust,
    pendingTakeUps: new Map(),
    lastConfirmedPair: new LastConfirmedKeyPair(organizationId, places, trust, storeTimeout),
    fleet: new FleetStatus(records, fleetSecret && new FleetSecret(fleetSecret), alias, clock),
    alias,
    custody: shared?.custody ?? sharedCustody(kms, clock),
    health: new KeyHealth(clock, emit),
    ...surroundings,
    times: options,
  };
}

/**
 * The place for last confirmed pairs that a store offers which knows the host's own disk.
 * @throws InvalidInputError where the store fails at that
 */
function hostLastConfirmed(store: object): LastConfirmedStore | undefined {
  const offer = member(store, "hostLastConfirmed");
  if (typeof offer !== "function") return undefined;
  let place: unknown;
  try {
    place = offer.call(store);
  } catch (error) {
    if (error instanceof RecordingKeyStoreError) throw error;
    throw new InvalidInputError(
      "store",
      `must give a place by hostLastConfirmed(), which fails: ${textOfThrown(error)}`,
    );
  }
  if (place === undefined) return undefined;
  const isPlace = (given: object) => ["load", "save"].every((name) => typeof member(given, name) === "function");
  if (typeof place === "object" && place !== null && isPlace(place)) return place as LastConfirmedStore;
  dropRejection(place);
  throw new InvalidInputError(
    "store",
    "must give an object with load() and save() by hostLastConfirmed(), or undefined",
  );
}
