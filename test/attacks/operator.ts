import { expect } from "vitest";
import { heal } from "./hosts.js";
import { met, type OpenStore, type Row } from "./row.js";
import { audio, everyPair, historyOf, opens, second, type Host, type World } from "./world.js";

/** Plays a row of the table: once KMS is back the operator changes key and settings, and nothing genuine is missing. */
export async function operate(row: Row, openStore?: OpenStore): Promise<void> {
  const { parts, host } = await met(row, openStore);
  const kept = await stillStored(parts);
  expect([...kept.keys()]).toEqual(expect.arrayContaining([...parts.keyPairIds, parts.unmarkedOrphan]));
  await host.encryptRecording(audio, { recordingId: "r" }).catch(() => undefined);
  await parts.calm();
  heal(parts);
  parts.clock.advance(30 * second);
  const rotated = await rotatedSomehow(host, parts.kmsKeyAliasArn);
  const settings = { kmsKeyAliasArn: parts.kmsKeyAliasArn, periodicKeyChange: "weekly" } as const;
  const configured = await host.configure(settings);
  expect(configured).toMatchObject({ changed: true, keyPair: { sequence: rotated.sequence + 1 } });
  const remembered = remembersThePresent(row) ? [...parts.keyPairIds] : [parts.keyPairIds[0]];
  expect(await historyOf(host)).toEqual(expect.arrayContaining(remembered));
  await janitorSpares(parts, host, kept);
  for (const [index, { body }] of parts.past.entries()) {
    expect(await opens(host, body, audio, `past-${index}`)).toBe(true);
  }
}

/** Whether the host is told of the newest pair by somebody other than the store, where that shows an older one. */
function remembersThePresent({ attack, kind }: Row): boolean {
  return !attack.rollback || kind.warm === true || (kind.isTold(attack) && attack.word !== "old");
}

const isSame = (one: Uint8Array | undefined, other: Uint8Array) => one !== undefined && Buffer.from(one).equals(other);

/** The genuine pairs that the store has as they were. */
async function stillStored({ store, genuine }: World): Promise<ReadonlyMap<string, Uint8Array>> {
  const now = await everyPair(store);
  return new Map([...genuine].filter(([keyPairId, document]) => isSame(now.get(keyPairId), document)));
}

/** The janitor takes at most the pair whose maker had KMS seal that it lost its race. */
async function janitorSpares({ store, markedOrphan }: World, host: Host, kept: ReadonlyMap<string, Uint8Array>) {
  const { removed } = await host.removeOrphanedKeyPairs();
  expect([[], [markedOrphan]]).toContainEqual(removed.map(({ keyPairId }) => keyPairId));
  const now = await everyPair(store);
  const gone = [...kept].filter(([keyPairId, document]) => !isSame(now.get(keyPairId), document));
  expect(gone.map(([keyPairId]) => keyPairId).filter((keyPairId) => keyPairId !== markedOrphan)).toEqual([]);
}

/** Changes the key, after one of the operator's ways out where it takes one. */
export async function rotatedSomehow(host: Host, kmsKeyAliasArn: string) {
  const ways = [
    async () => undefined,
    async () => host.replaceUntrustedHead(),
    async () => host.acceptRestoredStore(),
    async () => host.configure({ kmsKeyAliasArn }, { newHistory: true }),
  ];
  const errors: unknown[] = [];
  for (const way of ways) {
    try {
      await way();
      return await host.rotate();
    } catch (error) {
      errors.push(error);
    }
  }
  throw new AggregateError(errors, "the operator has no way to change the key");
}
