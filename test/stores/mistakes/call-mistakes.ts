import { MemoryKeyPairStore } from "../../../src/stores/memory.js";
import { storeMethods } from "../../support/store-methods.js";
import { aMoment, changed, mistaken, mistakenTogether, type Changes, type Mistake } from "./mistaken.js";

type Method = (typeof storeMethods)[number];
type Call = (...given: unknown[]) => Promise<unknown>;

/** Each method in the hands of one function. */
export function everyCall(real: MemoryKeyPairStore, change: (name: Method, call: Call) => Call): Changes {
  return Object.fromEntries(
    storeMethods.map((name) => [
      name,
      change(name, async (...given) => Reflect.apply(real[name], real, given as never) as unknown),
    ]),
  );
}

/** A place for each organization that is not its own alone. */
function placed(placeOf: (id: string) => string): Mistake {
  return mistaken((real) =>
    everyCall(real, (name, call) => async (first, ...rest) => {
      if (name !== "createKeyPair") return call(placed(first), ...rest);
      const pair = first as { organizationId: string };
      return call({ ...pair, organizationId: placed(pair.organizationId) }, ...rest);
      function placed(id: unknown): unknown {
        return typeof id === "string" && id !== "" ? placeOf(id) : id;
      }
    }),
  );
}

export const organizationMistakes: Readonly<Record<string, Mistake>> = {
  "folds the case of organizations": placed((id) => id.toLowerCase()),
  "trims organizations": placed((id) => id.trim() || id),
  "normalizes organizations": placed((id) => id.normalize("NFC")),
  "cuts organizations at 255 characters": placed((id) => id.slice(0, 255)),
  "cuts organizations at U+0000": placed((id) => id.split("\0")[0] || id),
  "takes organizations for paths": placed((id) => new URL(encodeURI(id.replace(/%/g, "%")), "file:///").pathname),
  "takes organizations for percent-encoded text": placed((id) => {
    try {
      return decodeURIComponent(id);
    } catch {
      return id;
    }
  }),
  "stores organizations as Latin-1": placed((id) => Buffer.from(id, "latin1").toString("latin1")),
};

/** A signal that is looked at, or not. */
const signalOf = (given: readonly unknown[]): AbortSignal | undefined =>
  (
    given.find((each) => typeof each === "object" && each !== null && "signal" in each) as
      { signal?: AbortSignal } | undefined
  )?.signal;
const unsignalled = (given: readonly unknown[]): unknown[] =>
  given.map((each) => (typeof each === "object" && each !== null && "signal" in each ? {} : each));

export const inputMistakes: Readonly<Record<string, Mistake>> = {
  "takes an empty organization": mistaken((real) => ({
    readHead: async (id, options) => real.readHead(id || "none", options),
  })),
  "takes an organization that is no text": mistaken((real) => ({
    readStatus: async (id, options) => real.readStatus(typeof id === "string" ? id : "no text", options),
  })),
  "refuses 64 KiB": mistaken((real) => ({
    createKeyPair: async (pair, options) =>
      real.createKeyPair(pair.document.length < 65_536 ? pair : { ...pair, document: new Uint8Array(65_537) }, options),
  })),
  "takes more than 64 KiB": mistaken((real) => ({
    createKeyPair: async (pair, options) =>
      pair.document.length > 65_536 ? "created" : real.createKeyPair(pair, options),
  })),
  "takes a limit of 0": mistaken((real) => ({
    listKeyPairs: async (id, query, options) => (query.limit === 0 ? [] : real.listKeyPairs(id, query, options)),
  })),
  "throws a TypeError for bad input": mistaken((real) =>
    everyCall(
      real,
      (_name, call) =>
        async (...given) =>
          call(...given).catch((error: unknown) => {
            throw (error as { code?: string }).code === "ERR_INVALID_INPUT" ? new TypeError("bad input") : error;
          }),
    ),
  ),
  "throws for bad input, and rejects not": mistaken((real) => ({
    readHead: (id, options) => {
      if (id === "") throw new TypeError("no id");
      return real.readHead(id, options);
    },
  })),
  "keeps the array that it was given": mistakenTogether((real) => {
    const kept = new Map<string, Uint8Array>();
    return {
      createKeyPair: async (pair, options) => {
        const answer = await real.createKeyPair(pair, options);
        if (answer === "created") kept.set(`${pair.organizationId} ${pair.keyPairId}`, pair.document);
        return answer;
      },
      readKeyPair: async (id, keyPairId, options) => {
        const pair = await real.readKeyPair(id, keyPairId, options);
        return pair && { ...pair, document: new Uint8Array(kept.get(`${id} ${keyPairId}`) ?? pair.document) };
      },
    };
  }),
  "copies what it is given after a pause": mistaken((real) => ({
    createWrapping: async (...args) => {
      await aMoment();
      return real.createWrapping(...args);
    },
  })),
  "hands out what it holds": mistakenTogether((real) => {
    const held = new Map<string, Uint8Array>();
    return {
      readStatus: async (id, options) => {
        await real.readStatus(id, options);
        return held.get(id);
      },
      writeStatus: async (id, document, options) => {
        await real.writeStatus(id, document, options);
        held.set(id, new Uint8Array(document));
      },
    };
  }),
};

/** A call that takes a while, in which its signal is looked at. */
const slow = (onAbort: (reject: (error: unknown) => void, signal: AbortSignal) => void): Mistake =>
  mistaken((real) =>
    everyCall(real, (_name, call) => async (...given) => {
      const signal = signalOf(given);
      signal?.throwIfAborted();
      const document = given.map((each) => (each instanceof Uint8Array ? new Uint8Array(each) : each));
      const answer = call(...unsignalled(document));
      answer.catch(() => undefined); // given below
      await new Promise<void>((resolve, reject) => {
        signal?.addEventListener("abort", () => onAbort(reject, signal), { once: true });
        void aMoment().then(aMoment).then(aMoment).then(resolve);
      });
      return answer;
    }),
  );

export const signalMistakes: Readonly<Record<string, Mistake>> = {
  "ignores a signal that is aborted": mistaken((real) => ({
    writeStatus: async (id, document) => real.writeStatus(id, document),
  })),
  "writes, and then looks at the signal": mistaken((real) => ({
    createKeyPair: async (pair, options) => {
      const answer = await real.createKeyPair(pair);
      options?.signal?.throwIfAborted();
      return answer;
    },
  })),
  "rejects with an AbortError of its own": mistaken((real) => ({
    readHead: async (id, options) => {
      if (options?.signal?.aborted) throw new DOMException("aborted", "AbortError");
      return real.readHead(id, options);
    },
  })),
  "rejects with an AbortError of its own in the middle": slow((reject) =>
    reject(new DOMException("This operation was aborted", "AbortError")),
  ),
  "rejects with the whole signal in the middle": slow((reject, signal) => reject(signal)),
  "leaves half a pair when it is aborted in the middle": mistakenTogether((real) => {
    const begun = new Set<string>();
    return {
      createKeyPair: async (pair, options) => {
        const name = `${pair.organizationId} ${pair.keyPairId}`;
        const copy = { ...pair, document: new Uint8Array(pair.document) };
        options?.signal?.throwIfAborted();
        if (begun.has(name)) return "exists";
        begun.add(name);
        await aMoment();
        options?.signal?.throwIfAborted();
        return real.createKeyPair(copy);
      },
    };
  }),
  "ends every call with the signal of one": mistakenTogether((real) => {
    const running = new Set<(error: unknown) => void>();
    return everyCall(real, (_name, call) => async (...given) => {
      const signal = signalOf(given);
      signal?.throwIfAborted();
      const answer = call(...unsignalled(given));
      answer.catch(() => undefined); // given below
      let settle: (error: unknown) => void = () => undefined;
      const broken = new Promise<never>((_resolve, reject) => running.add((settle = reject)));
      broken.catch(() => undefined);
      signal?.addEventListener("abort", () => running.forEach((reject) => reject(signal.reason)), { once: true });
      try {
        return await Promise.race([
          aMoment()
            .then(aMoment)
            .then(aMoment)
            .then(() => answer),
          broken,
        ]);
      } finally {
        running.delete(settle);
      }
    });
  }),
};

/** Calls that never end. */
export const endlessMistakes: Readonly<Record<string, Mistake>> = Object.fromEntries(
  storeMethods.map((name) => [
    `never ends ${name}`,
    mistaken((): Changes => ({ [name]: () => new Promise(() => undefined) })),
  ]),
);

/** What is right, though it may look strange. */
export const correctStores: Readonly<Record<string, Mistake>> = {
  "is the memory store": () => {
    const store = new MemoryKeyPairStore();
    return { store: changed(store, {}) };
  },
  "gives Buffers": mistaken((real) => ({
    readHead: async (...args) => {
      const head = await real.readHead(...args);
      return head && { ...head, document: Buffer.from(head.document) };
    },
    readStatus: async (...args) => {
      const status = await real.readStatus(...args);
      return status && Buffer.from(status);
    },
  })),
  "reads the status from a replica that follows later": mistaken((real) => {
    const seen = new Map<string, Uint8Array | undefined>();
    return {
      readStatus: async (id, options) => {
        const old = seen.get(id);
        seen.set(id, await real.readStatus(id, options));
        return old && new Uint8Array(old);
      },
    };
  }),
  "waits a turn in every call": () => {
    const real = new MemoryKeyPairStore();
    const late = everyCall(real, (_name, call) => async (...given) => {
      const answer = call(...given);
      answer.catch(() => undefined); // given below
      await aMoment();
      return answer;
    });
    return { store: changed(real, late) };
  },
};
