import { randomBytes } from "node:crypto";
import { RecordingKeyStore, type KeyPairStore, type RecordingKeyStoreOptions } from "../../src/index.js";
import {
  InMemoryKms,
  InMemoryKmsProvider,
  MemoryKeyPairStore,
  MemoryLastConfirmedStore,
  TestClock,
  type KmsSnapshot,
} from "../../src/testing/index.js";
import { overridden } from "../support/setup.js";
import { recordingKeyPolicy } from "../../src/key-policy/index.js";

export const organizationId = "org-1";
export const otherOrganizationId = "org-2";
export const homeRegion = "eu-west-1";
export const customerAccountId = "111122223333";
const serviceAccountId = "765628985471";
const attackerAccountId = "999988887777";
export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;
export const audio = randomBytes(1_000);
export const fleetSecret = new Uint8Array(32).fill(7);
const service = {
  arn: `arn:aws:iam::${serviceAccountId}:role/recording`,
  accessKeyId: "AKIASERVICE",
  identityPolicy: "administrator",
};
export const attacker = {
  arn: `arn:aws:iam::${attackerAccountId}:role/thief`,
  accessKeyId: "AKIATHIEF",
  identityPolicy: "administrator",
};

/** What an organization's life has left in KMS and in the store: made once, copied for every attack. */
export interface Past {
  readonly now: number;
  readonly kms: KmsSnapshot;
  readonly store: KeyPairStore;
  readonly keyArn: string;
  readonly kmsKeyAliasArn: string;
  readonly attackersAliasArn: string;
  /** What the host of the organization's busiest worker remembers. */
  readonly lastConfirmed: Uint8Array;
  /** One recording of each pair that was active, oldest first; the ids are `past-0`, `past-1` … */
  readonly past: readonly { readonly body: Uint8Array }[];
  /** Head and status of each time, oldest first. */
  readonly heads: readonly Uint8Array[];
  readonly statuses: readonly Uint8Array[];
  /** The pairs that were active, oldest first. */
  readonly keyPairIds: readonly string[];
  readonly unmarkedOrphan: string;
  readonly markedOrphan: string;
}

/** A clock, a KMS on it, and ways in for service and attacker. */
export function kmsAt(clock: TestClock) {
  const kms = new InMemoryKms({ clock, principals: [service, attacker] });
  return { clock, kms, provider: () => new InMemoryKmsProvider(kms, service) };
}

let lived: Promise<Past> | undefined;

/** The organization's past, the same for all tests of a file. */
export const past = () => (lived ??= live());

/**
 * Three pairs that were active, a pair of a worker that lost the race for the third and knew it, and one of a worker
 * that was killed before it could make the fourth active. All workers but the last share a fleet's secret.
 */
async function live(): Promise<Past> {
  const { clock, kms, provider } = kmsAt(new TestClock());
  const { keyArn, kmsKeyAliasArn, attackersAliasArn } = createKeys(kms);
  const store = new MemoryKeyPairStore();
  const lastConfirmed = new MemoryLastConfirmedStore();
  const options = { homeRegion, clock, trustedKmsKeys: [customerAccountId], fleetSecret };
  const worker = (more: Partial<RecordingKeyStoreOptions> = {}) =>
    new RecordingKeyStore({ ...options, organizationId, kms: provider(), store, ...more });
  const keyStore = worker({ lastConfirmed });
  const recordings: { body: Uint8Array }[] = [];
  const heads: Uint8Array[] = [];
  const statuses: Uint8Array[] = [];
  const remember = async () => {
    recordings.push(await keyStore.encryptRecording(audio, { recordingId: `past-${recordings.length}` }));
    heads.push((await store.readHead(organizationId))!.document);
    statuses.push((await store.readStatus(organizationId))!);
  };
  await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "yearly" });
  await remember();
  clock.advance(day);
  await keyStore.rotate();
  await remember();
  clock.advance(day);
  const loser = worker({
    store: overridden(store, {
      swapHead: async () => {
        await keyStore.rotate();
        return undefined;
      },
    }),
  });
  await loser.rotate();
  await remember();
  const killed = worker({ store: overridden(store, { swapHead: () => Promise.reject(new Error("killed")) }) });
  await killed.rotate().catch(() => undefined);
  await worker({ organizationId: otherOrganizationId }).configure({ kmsKeyAliasArn });
  clock.advance(10 * minute);
  await keyStore.confirm();
  statuses.push((await store.readStatus(organizationId))!);
  const keyPairIds = (await keyStore.keyPairs()).items.map(({ keyPairId }) => keyPairId).reverse();
  const listed = await store.listKeyPairs(organizationId, { limit: 100 });
  const orphan = (sequence: number) =>
    listed.find((pair) => pair.sequence === sequence && !keyPairIds.includes(pair.keyPairId))!.keyPairId;
  return {
    now: clock.now(),
    kms: kms.snapshot(),
    store,
    keyArn,
    kmsKeyAliasArn,
    attackersAliasArn,
    lastConfirmed: (await lastConfirmed.load(organizationId))!,
    past: recordings,
    heads,
    statuses,
    keyPairIds,
    markedOrphan: orphan(3),
    unmarkedOrphan: orphan(4),
  };
}

function createKeys(kms: InMemoryKms) {
  const organizationIds = [organizationId, otherOrganizationId];
  const policy = recordingKeyPolicy({ accountId: customerAccountId, grants: [{ serviceAccountId, organizationIds }] });
  const keyArn = kms.createKey({ accountId: customerAccountId, region: homeRegion, policy });
  const everybody = { Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" };
  const open = { Version: "2012-10-17", Statement: [everybody] };
  const attackersKeyArn = kms.createKey({ accountId: attackerAccountId, region: homeRegion, policy: open });
  const kmsKeyAliasArn = kms.createAlias("alias/recordings", keyArn);
  return { keyArn, kmsKeyAliasArn, attackersAliasArn: kms.createAlias("alias/recordings", attackersKeyArn) };
}

/** Copies all that a store holds of an organization. */
export async function copied(from: KeyPairStore, to: KeyPairStore, organization: string): Promise<void> {
  for (const pair of await from.listKeyPairs(organization, { limit: 1_000 })) {
    await to.createKeyPair(pair);
    for (const wrapping of await from.listWrappings(organization, pair.keyPairId)) {
      await to.createWrapping(organization, pair.keyPairId, wrapping);
    }
  }
  const head = await from.readHead(organization);
  if (head) await to.swapHead(organization, undefined, head.document);
  const status = await from.readStatus(organization);
  if (status) await to.writeStatus(organization, status);
}
