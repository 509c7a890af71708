import {
  RecordingKeyStore,
  type KeyPairStore,
  type KmsProvider,
  type RecordingKeyStoreOptions,
} from "../../src/index.js";
import { InMemoryKms, InMemoryKmsProvider, MemoryKeyPairStore, TestClock } from "../../src/testing/index.js";

export const homeRegion = "eu-west-1";
const accountId = "000000000000";
export const kmsKeyAliasArn = `arn:aws:kms:${homeRegion}:${accountId}:alias/recordings`;
export const minute = 60_000;
export const hour = 60 * minute;
const audio = Buffer.from("audio");

/** Workers on one store, each with all that a process of its own has, in simulated time. */
export class Fleet {
  readonly kms: InMemoryKms;
  readonly keyArn: string;
  readonly #clock = new TestClock();
  readonly #store = new MemoryKeyPairStore();
  readonly #size: number;
  readonly #options: Partial<RecordingKeyStoreOptions>;
  #workers: RecordingKeyStore[];
  #underWay = 0;
  /** Calls of the store since the fleet began, by method. */
  readonly storeCalls = new Map<string, number>();

  /** @param silent - whether the store tells of no changes to heads */
  constructor(
    size: number,
    options: Partial<RecordingKeyStoreOptions> = {},
    { silent = false }: { readonly silent?: boolean | undefined } = {},
  ) {
    if (silent) Object.assign(this.#store, { headChanges: undefined });
    this.kms = new InMemoryKms({ clock: this.#clock, journalLimit: 1_000_000 });
    this.keyArn = this.kms.createKey({ region: homeRegion, alias: "alias/recordings" });
    this.#size = size;
    this.#options = options;
    this.#workers = this.#start();
  }

  get one(): RecordingKeyStore {
    return this.#workers[0] as RecordingKeyStore;
  }

  /** New processes with nothing in their memory, as after a deployment. */
  async restart(): Promise<void> {
    for (const worker of this.#workers) await worker.close();
    this.#workers = this.#start();
  }

  /** Time in which nobody records. */
  sleep(ms: number): void {
    this.#clock.advance(ms);
  }

  /** How many KMS calls something takes. */
  async calls(task: () => Promise<unknown>): Promise<number> {
    const before = this.kms.journal.count();
    await task();
    return this.kms.journal.count() - before;
  }

  /** Time in which each worker makes a recording each `every` ms, one worker after the other. */
  async work(ms: number, every = minute): Promise<void> {
    for (let passed = 0; passed < ms; passed += every) {
      for (const worker of this.#workers) {
        this.#clock.advance(every / this.#size);
        await worker.encryptRecording(audio, { recordingId: "recording-1" });
        await this.#quiet();
      }
    }
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) await worker.close();
  }

  #start(): RecordingKeyStore[] {
    return Array.from({ length: this.#size }, () => {
      const kms = this.#observed(new InMemoryKmsProvider(this.kms));
      return new RecordingKeyStore({
        organizationId: "org-1",
        homeRegion,
        kms,
        store: this.#counted(this.#store),
        trustedKmsKeys: [accountId],
        clock: this.#clock,
        ...this.#options,
      });
    });
  }

  /** Counts the calls under way, so that the next worker's turn comes when this one's is over. */
  #observed(kms: KmsProvider): KmsProvider {
    const observe =
      <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
      async (...args: A) => {
        this.#underWay += 1;
        return await call(...args).finally(() => (this.#underWay -= 1));
      };
    return {
      describeKey: observe((...args) => kms.describeKey(...args)),
      encrypt: observe((...args) => kms.encrypt(...args)),
      decrypt: observe((...args) => kms.decrypt(...args)),
      generateDataKeyPair: observe((...args) => kms.generateDataKeyPair(...args)),
    };
  }

  #counted(store: KeyPairStore): KeyPairStore {
    return new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          this.storeCalls.set(String(name), (this.storeCalls.get(String(name)) ?? 0) + 1);
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
  }

  async #quiet(): Promise<void> {
    for (let turns = 0; turns < 3; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#underWay > 0) turns = 0;
    }
  }
}
