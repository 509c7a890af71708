import { describe, expect, it } from "vitest";
import { MemoryKeyPairStore } from "../../src/stores/memory.js";
import type { KeyPairStore } from "../../src/stores/key-pair-store.js";
import { keyPairStoreConformance } from "../../src/testing/key-pair-store-conformance.js";

/** Runs the suite outside any runner and gives the names of the checks that failed. */
async function failuresOf(makeStore: () => KeyPairStore): Promise<string[]> {
  const checks: [string, () => Promise<void>][] = [];
  keyPairStoreConformance(
    { describe: (_name, body) => body(), it: (name, body) => checks.push([name, body]) },
    async () => ({ store: makeStore() }),
  );
  const failures: string[] = [];
  for (const [name, body] of checks) await body().catch(() => failures.push(name));
  return failures;
}

/** Stores with one mistake each, as real ones make them. */
const mistakes: Record<string, () => KeyPairStore> = {
  "swaps without comparing": () =>
    new (class extends MemoryKeyPairStore {
      override async swapHead(...[id, , document, options]: Parameters<KeyPairStore["swapHead"]>) {
        return super.swapHead(id, (await this.readHead(id))?.revision, document, options);
      }
    })(),
  "compares, then writes, with a pause between": () =>
    new (class extends MemoryKeyPairStore {
      override async swapHead(...[id, expected, document, options]: Parameters<KeyPairStore["swapHead"]>) {
        if ((await this.readHead(id))?.revision !== expected) return undefined;
        await new Promise(setImmediate);
        return super.swapHead(id, (await this.readHead(id))?.revision, document, options);
      }
    })(),
  "reports a lost swap as won": () =>
    new (class extends MemoryKeyPairStore {
      override async swapHead(...args: Parameters<KeyPairStore["swapHead"]>) {
        return (await super.swapHead(...args)) ?? { revision: "9", document: args[2] };
      }
    })(),
  "folds the case of organizations": () =>
    new (class extends MemoryKeyPairStore {
      override async readHead(...[id, options]: Parameters<KeyPairStore["readHead"]>) {
        return super.readHead(id.toLowerCase(), options);
      }
      override async swapHead(...[id, ...rest]: Parameters<KeyPairStore["swapHead"]>) {
        return super.swapHead(id.toLowerCase(), ...rest);
      }
    })(),
  "hands out what it holds": () =>
    new (class extends MemoryKeyPairStore {
      #status = new Map<string, Uint8Array>();
      override async readStatus(...[id, options]: Parameters<KeyPairStore["readStatus"]>) {
        await super.readStatus(id, options);
        return this.#status.get(id);
      }
      override async writeStatus(...[id, document, options]: Parameters<KeyPairStore["writeStatus"]>) {
        await super.writeStatus(id, document, options);
        this.#status.set(id, document);
      }
    })(),
  "lists the oldest first": () =>
    new (class extends MemoryKeyPairStore {
      override async listKeyPairs(...args: Parameters<KeyPairStore["listKeyPairs"]>) {
        return [...(await super.listKeyPairs(...args))].reverse();
      }
    })(),
  "pages by sequence only": () =>
    new (class extends MemoryKeyPairStore {
      override async listKeyPairs(...[id, { after, limit }, options]: Parameters<KeyPairStore["listKeyPairs"]>) {
        return super.listKeyPairs(id, { limit, after: after && { ...after, keyPairId: "z".repeat(64) } }, options);
      }
    })(),
  "ignores the signal": () =>
    new (class extends MemoryKeyPairStore {
      override async writeStatus(...[id, document]: Parameters<KeyPairStore["writeStatus"]>) {
        return super.writeStatus(id, document);
      }
    })(),
  "shares wrappings between pairs": () =>
    new (class extends MemoryKeyPairStore {
      override async createWrapping(...[id, keyPairId, ...rest]: Parameters<KeyPairStore["createWrapping"]>) {
        return super.createWrapping(id, keyPairId.toLowerCase(), ...rest);
      }
    })(),
  "removes a pair and leaves its wrappings": () =>
    new (class extends MemoryKeyPairStore {
      override async removeKeyPair(...[id, keyPairId, options]: Parameters<MemoryKeyPairStore["removeKeyPair"]>) {
        const wrappings = await super.listWrappings(id, keyPairId);
        const there = await super.removeKeyPair(id, keyPairId, options);
        for (const wrapping of wrappings) await super.createWrapping(id, keyPairId, wrapping);
        return there;
      }
    })(),
  "says that it removed what was not there": () =>
    new (class extends MemoryKeyPairStore {
      override async removeKeyPair(...args: Parameters<MemoryKeyPairStore["removeKeyPair"]>) {
        await super.removeKeyPair(...args);
        return true;
      }
    })(),
};

describe("the conformance suite", () => {
  it("passes a correct store under any runner", async () => {
    expect(await failuresOf(() => new MemoryKeyPairStore())).toEqual([]);
  });

  it("passes a store that removes nothing", async () => {
    expect(await failuresOf(() => Object.assign(new MemoryKeyPairStore(), { removeKeyPair: undefined }))).toEqual([]);
  });

  it.each(Object.keys(mistakes))("catches a store that %s", async (mistake) => {
    expect(await failuresOf(mistakes[mistake] as () => KeyPairStore)).not.toEqual([]);
  });
});
