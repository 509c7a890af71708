import assert from "node:assert/strict";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import type { KeyPairStore } from "../../stores/key-pair-store.js";
import type { Check } from "./check.js";
import { assertFilled, bytes, readsOf, writesOf } from "./fixtures.js";

/** When the caller leaves, after the call has returned its promise. */
const moments: Readonly<Record<string, () => Promise<unknown>>> = {
  "at once": async () => undefined,
  "a turn of the event loop later": () => turn(),
  "1 ms later": () => pause(1),
  "5 ms later": () => pause(5),
};
/** Twice the longest pause, in which a write whose caller has left may still happen. */
const calm = 10;

export function checkInterruptions(check: Check): void {
  check(
    "end with the reason of a signal that aborts in the middle, whole or without a trace",
    {
      means:
        "A caller that leaves must be told so, and not of an outage. A half-made record would be in the way of the next attempt: " +
        "a change of key that can neither end nor begin again.",
      look:
        "Where a driver's own AbortError is thrown on: `signal.reason` instead. Writes of several steps (a marker, then a record): " +
        "one conditional write.",
    },
    async (store, other) => {
      let organizations = 0;
      for (const [name, moment] of Object.entries(moments)) {
        for (const [index, call] of interruptibleCalls.entries()) {
          const id = `org-${(organizations += 1)}`;
          await interrupt(call.bind(undefined, store, id), moment, `call ${index}, aborted ${name}`);
          await pause(calm);
          await completed(other, id);
        }
      }
    },
  );

  check(
    "that are aborted leave others alone",
    {
      means: "A viewer who closes a page would end a change of key, or a recording's first look for its key.",
      look: "What calls share: a connection, a transaction or a request must not be closed by the signal of one of them.",
    },
    async (store) => {
      for (const [index, moment] of Object.values(moments).entries()) {
        const id = `org-${index}`;
        const leaving = new AbortController();
        const left = [...readsOf(store, id), ...writesOf(store, "left", bytes("content"), leaving.signal)];
        const settled = Promise.allSettled(left.map((call) => call()));
        const staying = Promise.all(writesOf(store, id, bytes("content")).map((call) => call()));
        staying.catch(() => undefined); // looked at below
        await moment();
        leaving.abort(new Error("gone"));
        await settled;
        await staying;
        await assertFilled(store, id, bytes("content"));
      }
    },
  );
}

type Call = (store: KeyPairStore, id: string, signal: AbortSignal) => Promise<unknown>;

const interruptibleCalls: readonly Call[] = [
  (store, id, signal) => store.readHead(id, { signal }),
  (store, id, signal) => store.listKeyPairs(id, { limit: 1 }, { signal }),
  ...[0, 1, 2, 3].map((index): Call => (store, id, signal) => {
    const write = writesOf(store, id, bytes("content"), signal)[index];
    return write ? write() : Promise.resolve();
  }),
];

async function interrupt(
  call: (signal: AbortSignal) => Promise<unknown>,
  moment: () => Promise<unknown>,
  what: string,
): Promise<void> {
  const controller = new AbortController();
  const reason = new Error("the caller has gone");
  const ended = call(controller.signal).then(
    () => undefined,
    (error: unknown) => assert.ok(error === reason, `${what} rejects with ${String(error)} and not with the reason`),
  );
  ended.catch(() => undefined); // looked at below
  await moment();
  controller.abort(reason);
  await ended;
}

/** Makes what may be missing, and asserts that all is whole. */
async function completed(store: KeyPairStore, id: string): Promise<void> {
  await Promise.all(writesOf(store, id, bytes("content")).map((write) => write()));
  await assertFilled(store, id, bytes("content"));
}
