import type { RecordingKeyStoreEvents } from "../../src/index.js";
import { ActiveKeyPairs } from "../../src/key-pairs/active-key-pair.js";
import type { KeyPairContext } from "../../src/key-pairs/context.js";
import { KeyHealth } from "../../src/key-pairs/health.js";
import { KeyTrust } from "../../src/key-pairs/key-trust.js";
import { PrivateKeyCustody } from "../../src/key-pairs/private-key-custody.js";
import { KeyRotation, type KeyStoreConfiguration } from "../../src/key-pairs/rotation.js";
import type { EventSink } from "../../src/events.js";
import { decryptionInRegions } from "../../src/kms/guarded-kms-provider.js";
import { TrustAnchor } from "../../src/kms/trust-anchor.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore, MemoryLastConfirmedStore, TestClock } from "../../src/testing/index.js";

export const organizationId = "org-1";
export const homeRegion = "eu-west-1";
export const accountId = "000000000000";
export const kmsKeyAliasArn = `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`;
export const minute = 60_000;
export const day = 86_400_000;
export const configuration: KeyStoreConfiguration = { kmsKeyAliasArn, periodicKeyChange: "daily", keyPairSpec: "X25519", contextKeyName: "genesys-cloud-organization-id" };

export const times: KeyPairContext["times"] = { privateKeyTtl: minute, confirmEvery: 15 * minute, confirmTimeout: 1_000, headTtl: minute };

type Told = { [N in keyof RecordingKeyStoreEvents]: [name: N, event: RecordingKeyStoreEvents[N]] }[keyof RecordingKeyStoreEvents];

/** A deadline of KMS calls, milliseconds, for RSA pairs: making one takes as long as it takes. */
export const forRsa = { deadline: 30_000 };

/** One organization on an in-memory KMS and a store in memory, and workers of it that have all parts in the open. */
export function world({ deadline = 200 } = {}) {
  const clock = new TestClock();
  const kms = new InMemoryKms({ clock });
  const keyArn = kms.createKey({ region: homeRegion, alias: "alias/recordings" });
  const store = new MemoryKeyPairStore();
  const provider = new InMemoryKmsProvider(kms, { deadline });

  const worker = (more: Partial<KeyPairContext> = {}) => {
    const events: Told[] = [];
    const emit: EventSink = (...told) => void events.push(told as Told);
    const lastConfirmed = new MemoryLastConfirmedStore();
    const context: KeyPairContext = {
      organizationId,
      homeRegion,
      kms: provider,
      store,
      lastConfirmed,
      trust: new KeyTrust(new TrustAnchor([accountId])),
      custody: new PrivateKeyCustody(clock),
      health: new KeyHealth(clock, emit),
      clock,
      emit,
      times,
      decryptionUnder: (kmsKeyArn) => decryptionInRegions(more.kms ?? provider, kmsKeyArn, [homeRegion]),
      ...more,
    };
    const active = new ActiveKeyPairs(context);
    return { context, active, rotation: new KeyRotation(context, active), lastConfirmed, events, told: () => events.splice(0).map(([name]) => name) };
  };

  /** A worker of an organization that is configured already. */
  const configured = async (more: Partial<KeyPairContext> = {}, settings: Partial<KeyStoreConfiguration> = {}) => {
    const made = worker(more);
    const pair = await made.rotation.change({ configuration: { ...configuration, ...settings } });
    made.told();
    return { ...made, pair };
  };
  return { clock, kms, keyArn, store, provider, worker, configured };
}

/** Lets everything that waits for nothing but promises come to its end. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
