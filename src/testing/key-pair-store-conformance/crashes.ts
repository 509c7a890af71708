import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { KeyPairStore } from "../../stores/key-pair-store.js";
import type { KeyPairStoreUnderTest } from "./subject.js";
import { startedProcess, type Check } from "./check.js";
import { assertFilled, assertSame, atOnce, bytes, fill, keyPair, organizationId, swapped } from "./fixtures.js";

const rounds = 5;
const writers = 8;

export function checkCrashes(check: Check): void {
  const means =
    "A pair under which recordings are made already would be gone after a crash: recordings that nobody can ever open.";
  check(
    "keeps what it was told of when a process is killed",
    {
      means,
      look: "A write resolves when the database has committed it, or the file and its folder are synced; nothing is buffered.",
    },
    async (store, _other, opened) => {
      const { store: killed, kill } = await startedProcess(opened);
      try {
        await fill(killed, organizationId);
      } finally {
        await kill();
      }
      await assertFilled(store, organizationId);
    },
  );

  check(
    "is whole and at work after a kill in the middle of writes",
    {
      means: `${means} What a crash leaves behind, such as a lock, would stop every worker.`,
      look: "Locks that outlive their owner, files that are written in place, records in several parts.",
    },
    async (store, _other, opened) => {
      let head = await swapped(store, undefined, "first");
      for (let round = 0; round < rounds; round += 1) {
        const acknowledged = await killedInTheMiddle(opened, round);
        for (const id of acknowledged) {
          const pair = await store.readKeyPair(organizationId, id);
          assertSame(pair?.document, bytes(id), "a pair acknowledged before the kill");
        }
        const stored = await store.listKeyPairs(organizationId, { limit: 10_000 });
        for (const pair of stored) assertSame(pair.document, bytes(pair.keyPairId), "a pair whose writer was killed");
        const current = await store.readHead(organizationId);
        assert.ok(current, "the head is there after the kill");
        head = await swapped(store, current.revision, `round ${round}`);
        await fill(store, `org after round ${round}`);
      }
      assertSame(await store.readHead(organizationId), head);
    },
  );
}

/** @returns ids of the pairs that the process was told are stored */
async function killedInTheMiddle(opened: KeyPairStoreUnderTest, round: number): Promise<readonly string[]> {
  const { store, kill } = await startedProcess(opened);
  const acknowledged: string[] = [];
  const write = async (writer: number): Promise<void> => {
    for (let count = 0; ; count += 1) {
      const id = `pair-${round}-${writer}-${count}`;
      await store.createKeyPair(keyPair(id, count + 1, id));
      acknowledged.push(id);
      await swapOnce(store, id);
    }
  };
  const writing = atOnce(writers, write).catch(() => undefined); // ends with the kill
  for (let look = 0; acknowledged.length < writers && look < 1_000; look += 1) await pause(5);
  const told = [...acknowledged];
  await kill();
  await writing;
  assert.ok(told.length > 0, "the process has stored something before it was killed");
  return told;
}

async function swapOnce(store: KeyPairStore, text: string): Promise<void> {
  const head = await store.readHead(organizationId);
  await store.swapHead(organizationId, head?.revision, bytes(text));
}
