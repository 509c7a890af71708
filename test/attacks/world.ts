import {
  RecordingKeyStore,
  type KeyPairStore,
  type KmsProvider,
  type RecordingKeyStoreOptions,
} from "../../src/index.js";
import {
  InMemoryKmsProvider,
  MemoryKeyPairStore,
  MemoryLastConfirmedStore,
  TestClock,
} from "../../src/testing/index.js";
import {
  attacker,
  copied,
  customerAccountId,
  homeRegion,
  kmsAt,
  organizationId,
  otherOrganizationId,
  past,
} from "./past.js";
import { StoreWriter } from "./store-writer.js";

export * from "./past.js";

export type World = Awaited<ReturnType<typeof world>>;
export type Host = RecordingKeyStore;
export type HostOptions = Partial<RecordingKeyStoreOptions>;

/** An organization with a past, its hosts, and an attacker who may write to its store. */
export async function world(openStore: () => Promise<KeyPairStore> = async () => new MemoryKeyPairStore()) {
  const before = await past();
  const { clock, kms, provider } = kmsAt(new TestClock(before.now));
  kms.restore(before.kms);
  const store = await openStore();
  await copied(before.store, store, organizationId);
  await copied(before.store, store, otherOrganizationId);
  const traffic = new Traffic();
  /** The memory of a host that has recorded before. */
  const hostMemory = async () => {
    const memory = new MemoryLastConfirmedStore();
    await memory.save(organizationId, before.lastConfirmed);
    return memory;
  };
  /** Of a service that has not said which KMS keys it trusts. */
  const firstUseHost = (options: HostOptions = {}) =>
    new RecordingKeyStore({
      organizationId,
      homeRegion,
      kms: traffic.watch(provider()),
      store,
      clock,
      lastConfirmed: new MemoryLastConfirmedStore(),
      confirmTimeout: 5,
      ...options,
    });
  /** As a process that has just started, on a host of its own that remembers nothing. */
  const host = (options: HostOptions = {}) => firstUseHost({ trustedKmsKeys: [customerAccountId], ...options });
  const writer = new StoreWriter({
    store,
    organizationId,
    kms: new InMemoryKmsProvider(kms, attacker),
    loot: before,
  });
  const genuine = await everyPair(store);
  const calm = () => traffic.calm();
  return { ...before, clock, kms, provider, store, host, firstUseHost, hostMemory, writer, genuine, calm };
}

/** The KMS calls under way, of all hosts. */
class Traffic {
  readonly #calls = new Set<Promise<unknown>>();

  watch(kms: KmsProvider): KmsProvider {
    const watched = <T>(call: Promise<T>): Promise<T> => {
      const end = () => void this.#calls.delete(ended);
      const ended: Promise<void> = call.then(end, end);
      this.#calls.add(ended);
      return call;
    };
    return {
      describeKey: (...args) => watched(kms.describeKey(...args)),
      encrypt: (...args) => watched(kms.encrypt(...args)),
      decrypt: (...args) => watched(kms.decrypt(...args)),
      generateDataKeyPair: (...args) => watched(kms.generateDataKeyPair(...args)),
    };
  }

  /** Resolves when no call is under way, and what came of them has been settled. */
  async calm(): Promise<void> {
    do {
      await Promise.all(this.#calls);
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    } while (this.#calls.size > 0);
  }
}

/** Every pair in the store, by id. */
export async function everyPair(store: KeyPairStore): Promise<ReadonlyMap<string, Uint8Array>> {
  const listed = await store.listKeyPairs(organizationId, { limit: 10_000 });
  return new Map(listed.map(({ keyPairId, document }) => [keyPairId, document]));
}

/** Ids of the history, newest first. */
export async function historyOf(host: Host): Promise<string[]> {
  return (await host.keyPairs()).items.map(({ keyPairId }) => keyPairId);
}

/** Whether somebody of the organization opens the recording to the audio that was put in. */
export async function opens(host: Host, body: Uint8Array, audio: Uint8Array, recordingId = "r"): Promise<boolean> {
  const opened = await host.decryptRecording(body, { recordingId });
  return Buffer.from(opened.body).equals(audio);
}
