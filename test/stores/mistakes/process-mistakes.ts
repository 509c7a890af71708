import { existsSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { join } from "node:path";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import type { KeyPairStore, StoredKeyPair } from "../../../src/stores/key-pair-store.js";
import { MemoryKeyPairStore } from "../../../src/stores/memory.js";
import { StoreError } from "../../../src/stores/store-error.js";

/** Milliseconds between looking and writing: longer than a busy machine takes to pass a call on to the other process. */
const between = 150;

const locks = new Map<string, Promise<unknown>>();
/** One at a time, in this process. */
function locked<T>(name: string, task: () => Promise<T>): Promise<T> {
  const turn = (locks.get(name) ?? Promise.resolve()).then(task, task);
  locks.set(
    name,
    turn.catch(() => undefined),
  );
  return turn;
}

/** Stores whose mistake shows in a second process. Both handles of one process share what is theirs. */
export const processMistakes: Readonly<Record<string, (directory: string) => KeyPairStore>> = {
  "keeps everything in the memory of a process": () => new MemoryKeyPairStore(),
  "swaps under a lock of its own process": (directory) =>
    new (class extends FileKeyPairStore {
      override swapHead(...[id, expected, document, options]: Parameters<KeyPairStore["swapHead"]>) {
        const copy = new Uint8Array(document);
        return locked(`${directory} ${id}`, async () => {
          if ((await super.readHead(id))?.revision !== expected) return undefined;
          await pause(between);
          for (;;) {
            const current = (await super.readHead(id))?.revision;
            const head = await super.swapHead(id, current, copy, options);
            if (head) return head;
          }
        });
      }
    })({ directory }),
  "creates under a lock of its own process": (directory) =>
    new (class extends FileKeyPairStore {
      override createKeyPair(pair: StoredKeyPair) {
        const copy = { ...pair, document: new Uint8Array(pair.document) };
        return locked(`${directory} ${pair.keyPairId}`, async () => {
          if (await super.readKeyPair(pair.organizationId, pair.keyPairId)) return "exists" as const;
          await pause(between);
          await super.createKeyPair(copy);
          return "created" as const;
        });
      }
    })({ directory }),
  "knows the history as it was when it was opened": (directory) =>
    new (class extends FileKeyPairStore {
      #first: readonly StoredKeyPair[] | undefined;
      readonly #own: StoredKeyPair[] = [];
      override async createKeyPair(pair: StoredKeyPair) {
        const answer = await super.createKeyPair(pair);
        if (answer === "created") this.#own.unshift(pair);
        return answer;
      }
      override async listKeyPairs(...args: Parameters<KeyPairStore["listKeyPairs"]>) {
        this.#first ??= await super.listKeyPairs(...args);
        return [...this.#own, ...this.#first].slice(0, args[1].limit);
      }
    })({ directory }),
  "writes pairs some time after it has acknowledged them": (directory) =>
    new (class extends FileKeyPairStore {
      readonly #pending = new Map<string, StoredKeyPair>();
      override async createKeyPair(pair: StoredKeyPair) {
        const copy = { ...pair, document: new Uint8Array(pair.document) };
        if (this.#pending.has(pair.keyPairId) || (await super.readKeyPair(pair.organizationId, pair.keyPairId)))
          return "exists" as const;
        this.#pending.set(pair.keyPairId, copy);
        setTimeout(() => void super.createKeyPair(copy).catch(() => undefined), 2_000).unref();
        return "created" as const;
      }
    })({ directory }),
  "leaves its lock behind in a crash": (directory) =>
    new (class extends FileKeyPairStore {
      override async createKeyPair(pair: StoredKeyPair) {
        const lock = join(directory, "lock");
        for (let turn = 0; existsSync(lock); turn += 1) {
          if (turn > 100) throw new StoreError("timeout", { operation: "createKeyPair", message: "the lock is held" });
          await pause(5);
        }
        writeFileSync(lock, "");
        try {
          await pause(5);
          return await super.createKeyPair(pair);
        } finally {
          rmSync(lock, { force: true });
        }
      }
    })({ directory }),
  "keeps status items in the memory of a process": (directory) =>
    new (class extends FileKeyPairStore {
      readonly #statuses = new Map<string, Uint8Array>();
      override async writeStatus(...[id, document]: Parameters<KeyPairStore["writeStatus"]>) {
        this.#statuses.set(id, new Uint8Array(document));
      }
      override async readStatus(id: string) {
        return this.#statuses.get(id);
      }
    })({ directory }),
};
