import type { KeyPairStore } from "../../stores/key-pair-store.js";

/** A store of which a call that does not end fails, instead of the whole run's waiting for it. */
export function watched(store: KeyPairStore, timeout: number): KeyPairStore {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        const answer: unknown = Reflect.apply(member, target, given); // not awaited: what it throws is a mistake of its own
        return isThenable(answer) ? ended(answer, String(name), timeout) : answer;
      };
    },
  });
}

/** Not `instanceof Promise`: test runners have several. */
function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  return typeof (answer as PromiseLike<unknown> | undefined)?.then === "function";
}

async function ended(answer: PromiseLike<unknown>, call: string, timeout: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const text =
      `${call} has not ended within ${timeout} ms. The key store waits for storeTimeout (5 s by default) and goes on ` +
      "without the store; the call and what it holds stay.";
    timer = setTimeout(() => reject(new Error(text)), timeout);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
