import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";
import { RecordingKeyStoreError } from "../../errors.js";
import type { KeyPairStore } from "../../stores/key-pair-store.js";
import type { Check } from "./check.js";
import { assertFilled, bytes, callsOf, fill, organizationId, readsOf } from "./fixtures.js";
import type { KeyPairStoreUnderTest, StoreOutage } from "./subject.js";

/** How long the caller of a hanging call waits before it leaves, in ms. */
const patience = 20;
/** Pause between attempts to read behind an outage, in ms. */
const attemptPause = 100;

/** @param recovery - time within which the store has to work again after an outage, in ms */
export function checkOutages(check: Check, recovery: number): void {
  const worksAgain = async (store: KeyPairStore, name: string) => recovered(store, name, recovery / attemptPause);

  check(
    "is unavailable while it is away, each call by itself, and works again",
    {
      means:
        "While its store is away a key store goes on recording under the pair that it holds, if it is told so: " +
        "ERR_STORE_UNAVAILABLE. An answer that there is nothing would read as a lost history; an error of a driver's own class " +
        "would reach callers with its texts; a call that hangs holds its connection and its caller.",
      look:
        "Every call of the driver or SDK: one place that gives it a deadline and turns what it throws into a StoreError " +
        "(recording-keystore/stores).",
    },
    async (store, _other, opened) => {
      await fill(store, organizationId);
      for (const [name, outage] of outagesOf(opened)) {
        const stale = await staleRevision(store);
        await during(outage, async () => {
          const calls = everyCallOf(store, stale);
          const answers = await Promise.allSettled(calls.map((call) => call()));
          for (const [index, answer] of answers.entries()) assertUnavailable(answer, `call ${index} while ${name}`);
        });
        await worksAgain(store, name);
        await assertFilled(store, organizationId);
        await fill(store, `org after ${name}`);
      }
    },
  );

  check(
    "lets a caller leave while it is away",
    {
      means:
        "A request that was cancelled, and a process that is to end, would wait for a server that does not answer.",
      look: "The signal of each call: handed to the driver, and raced against it where the driver may ignore it.",
    },
    async (store, _other, opened) => {
      await fill(store, organizationId);
      for (const [name, outage] of outagesOf(opened)) {
        const stale = await staleRevision(store);
        await during(outage, async () => {
          const reason = new Error("the caller has gone");
          const controller = new AbortController();
          let left = false;
          const calls = everyCallOf(store, stale, controller.signal).map(async (call, index) => {
            const [answer] = await Promise.allSettled([call()]);
            const early = !left;
            if (answer.status === "rejected" && answer.reason === reason) return;
            assert.ok(early, `call ${index} while ${name} rejects with the signal's reason once it has aborted`);
            assertUnavailable(answer, `call ${index} while ${name}`);
          });
          const ended = Promise.all(calls);
          ended.catch(() => undefined); // looked at below
          await pause(patience);
          left = true;
          controller.abort(reason);
          await ended;
        });
        await worksAgain(store, name);
        await assertFilled(store, organizationId);
      }
    },
  );
}

function outagesOf(opened: KeyPairStoreUnderTest): [string, StoreOutage][] {
  const outages = Object.entries(opened.outages ?? {});
  if (outages.length === 0) throw new Error("`outages` is set, and what `open` gives names none");
  return outages;
}

async function during(outage: StoreOutage, task: () => Promise<void>): Promise<void> {
  await outage.begin();
  try {
    await task();
  } finally {
    await outage.end();
  }
}

/** A revision that the head had. Of one that it never can have a store may know without asking that nothing is to be swapped. */
async function staleRevision(store: KeyPairStore): Promise<string> {
  const head = await store.readHead(organizationId);
  const between = await store.swapHead(organizationId, head?.revision, bytes("between"));
  await store.swapHead(organizationId, between?.revision, head?.document ?? bytes("head"));
  return between?.revision ?? "";
}

/** Each method once; the writes are ones that change nothing, should they happen after all. */
function everyCallOf(store: KeyPairStore, stale: string, signal?: AbortSignal): (() => Promise<unknown>)[] {
  const id = organizationId;
  const removal = () => store.removeKeyPair?.(id, "no-such-pair", { signal }) ?? Promise.resolve();
  return [
    ...callsOf(store, id, signal).slice(0, -2),
    () => store.swapHead(id, stale, bytes("late"), { signal }),
    () => store.writeStatus(id, bytes(id), { signal }),
    ...(typeof store.removeKeyPair === "function" ? [removal] : []),
  ];
}

function assertUnavailable(answer: PromiseSettledResult<unknown>, what: string): void {
  if (answer.status === "fulfilled") {
    assert.fail(`${what} answers ${inspect(answer.value, { depth: 0 })}, as if the store were there`);
  }
  const error: unknown = answer.reason;
  const code = error instanceof RecordingKeyStoreError ? error.code : `an error of another class: ${String(error)}`;
  assert.equal(code, "ERR_STORE_UNAVAILABLE", `code of ${what}`);
}

async function recovered(store: KeyPairStore, name: string, attempts: number): Promise<void> {
  let failure: unknown;
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    try {
      await Promise.all(readsOf(store, organizationId).map((read) => read()));
      return;
    } catch (error) {
      failure = error;
    }
    await pause(attemptPause);
  }
  assert.fail(`the store has not found its way back after ${name}: ${String(failure)}`);
}
