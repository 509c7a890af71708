import { RecordingKeyStoreError } from "../../errors.js";
import type { KeyPairSpec, PeriodicKeyChange } from "../../format/vocabulary.js";
import type { InMemoryKms } from "../../in-memory-kms/in-memory-kms.js";
import { RecordingKeyStore } from "../../key-store/recording-key-store.js";
import type { KmsProvider } from "../../kms/kms-provider.js";
import { MemoryKeyPairStore, MemoryLastConfirmedStore } from "../../stores/memory.js";
import { TestClock } from "../../in-memory-kms/test-clock.js";
import { createTestKms, longestKmsTimeout } from "../../testing/test-kms.js";
import { defined } from "../../util/defined.js";

/** What of a set-up is rehearsed. */
export interface DrillSetup {
  readonly organizationId: string;
  readonly homeRegion: string;
  readonly periodicKeyChange?: PeriodicKeyChange | undefined;
  readonly keyPairSpec?: KeyPairSpec | undefined;
  readonly contextKeyName?: readonly string[] | undefined;
  readonly requireConfirmedKey?: boolean | undefined;
}

const accountId = "111122223333";
const audio = Buffer.from("What was said in the call.");

/** A recording that the rehearsal has made. */
interface Made {
  readonly recordingId: string;
  readonly body: Uint8Array;
  readonly usedLastKnownKey: boolean;
  readonly keyAtRisk: boolean;
  readonly keyPairId: string;
}

/** A copy of a set-up, with a KMS, a store, a host and a clock of its own. */
export class Rehearsal {
  readonly kms: InMemoryKms;
  readonly clock = new TestClock();
  readonly store = new MemoryKeyPairStore();
  readonly kmsKeyArn: string;
  readonly #kmsKeyAliasArn: string;
  readonly #provider: KmsProvider;
  readonly organizationId: string;
  readonly #setup: DrillSetup;
  readonly #hostMemory = new MemoryLastConfirmedStore();
  readonly #made: Made[] = [];
  readonly #processes: RecordingKeyStore[] = [];

  constructor(setup: DrillSetup) {
    const { organizationId, homeRegion, contextKeyName } = setup;
    this.#setup = setup;
    this.organizationId = organizationId;
    const { clock } = this;
    const made = createTestKms({
      organizationId,
      homeRegion,
      accountId,
      contextKeyName,
      clock,
      allowInProduction: true,
    });
    this.kms = made.kms;
    this.kmsKeyArn = made.kmsKeyArn;
    this.#kmsKeyAliasArn = made.kmsKeyAliasArn;
    this.#provider = made.provider;
  }

  /** Starts a process of the service on the host, with what the host remembers, or on a fresh one. */
  start({ freshHost = false } = {}): RecordingKeyStore {
    const { organizationId, homeRegion, contextKeyName, requireConfirmedKey } = this.#setup;
    const keyStore = new RecordingKeyStore({
      organizationId,
      homeRegion,
      kms: this.#provider,
      store: this.store,
      lastConfirmed: freshHost ? new MemoryLastConfirmedStore() : this.#hostMemory,
      trustedKmsKeys: [accountId],
      kmsTimeout: longestKmsTimeout,
      background: false,
      clock: this.clock,
      ...defined({ contextKeyName, requireConfirmedKey }),
    });
    this.#processes.push(keyStore);
    return keyStore;
  }

  async configure(keyStore: RecordingKeyStore): Promise<void> {
    const { periodicKeyChange, keyPairSpec } = this.#setup;
    await keyStore.configure({ kmsKeyAliasArn: this.#kmsKeyAliasArn, ...defined({ periodicKeyChange, keyPairSpec }) });
  }

  /** Makes a recording, which has to open at the end. */
  async record(keyStore: RecordingKeyStore): Promise<Made> {
    const recordingId = `recording-${this.#made.length + 1}`;
    const made = { ...(await keyStore.encryptRecording(audio, { recordingId })), recordingId };
    this.#made.push(made);
    return made;
  }

  get recordings(): readonly Made[] {
    return this.#made;
  }

  /** `opens`, or why a recording does not: the code of the error. */
  async opens(keyStore: RecordingKeyStore, { body, recordingId }: Made): Promise<string> {
    try {
      const { body: plain } = await keyStore.decryptRecording(body, { recordingId });
      return audio.equals(plain) ? "opens" : "gives something else";
    } catch (error) {
      return error instanceof RecordingKeyStoreError ? error.code : String(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((keyStore) => keyStore.close()));
  }
}
