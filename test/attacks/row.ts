import { expect } from "vitest";
import type { KeyPairStore } from "../../src/index.js";
import { decodeHeader, headerLengthOf } from "../../src/format/header.js";
import { heal, type HostKind, type KmsState } from "./hosts.js";
import type { Attack } from "./toolbox.js";
import { audio, historyOf, minute, opens, second, world, type Host, type World } from "./world.js";

/** Opens an empty store for a row. */
export type OpenStore = () => Promise<KeyPairStore>;

export interface Row {
  readonly attack: Attack;
  readonly kind: HostKind;
  readonly state: KmsState;
}

/** What became of one attempt to record. */
interface Attempt {
  readonly body?: Uint8Array;
  readonly confirmation: "confirmed" | "unconfirmed" | "refused";
  readonly error?: unknown;
}

/** When the host records while it lasts: at once, when the head is read again, and when KMS is asked again. */
const pauses = [0, minute, 16 * minute];

/** What may come of each attempt while KMS is in its state. */
function expectedOf({ attack, kind, state }: Row): readonly Attempt["confirmation"][] {
  if (kind.isTold(attack) || state.says === "yes") return ["confirmed"];
  return isException({ kind, state }) ? ["refused", "unconfirmed"] : ["refused"];
}

/** Once KMS is back nothing is unconfirmed; a host that had no pair may first have to look at the store anew. */
function afterwards(expected: readonly Attempt["confirmation"][]): unknown[] {
  const confirmed = { confirmation: "confirmed" };
  const soon = expected.includes("refused") ? { confirmation: expect.not.stringMatching("unconfirmed") } : confirmed;
  return [soon, confirmed];
}

/** A fresh host that nobody has told anything, while KMS gives no verdict at all. */
const isException = ({ kind, state }: Pick<Row, "kind" | "state">) => kind.tolerates && state.says === "nothing";

/** A world in which the host of a row meets its attack, with KMS in its state. */
export async function met({ attack, kind, state }: Row, openStore?: OpenStore) {
  const parts = await world(openStore);
  const host = parts.host(await kind.options(parts));
  const before = kind.warm ? [await attempt(parts, host)] : [];
  if (kind.warm) parts.clock.advance(2 * minute);
  await attack.act(parts);
  state.begin(parts);
  return { parts, host, before };
}

/** Plays a row of the table: the host records during the attack and after it, and every recording is tried. */
export async function record(row: Row, openStore?: OpenStore): Promise<void> {
  const { parts, host, before } = await met(row, openStore);
  const during: Attempt[] = [];
  for (const pause of pauses) {
    parts.clock.advance(pause);
    during.push(await attempt(parts, host));
  }
  await showsNoForgery(parts, host, row);
  heal(parts);
  const after: Attempt[] = [];
  for (const pause of [30 * second, 30 * second]) {
    parts.clock.advance(pause);
    after.push(await attempt(parts, host));
  }
  const expected = expectedOf(row);
  const unexpected = during.filter(({ confirmation }) => !expected.includes(confirmation));
  expect({ unexpected, after }).toMatchObject({ unexpected: [], after: afterwards(expected) });
  await showsNoForgery(parts, host, row);
  await openForTheOwnerAlone(parts, [...before, ...during, ...after]);
}

async function attempt({ calm }: World, host: Host): Promise<Attempt> {
  const made = await host.encryptRecording(audio, { recordingId: "r" }).catch((error: unknown) => ({ error }));
  await calm();
  if ("error" in made) return { confirmation: "refused", error: made.error };
  const bytes = Buffer.from(made.body);
  expect(decodeHeader(bytes.subarray(0, headerLengthOf(bytes))).confirmation).toBe(made.confirmation);
  return { body: made.body, confirmation: made.confirmation };
}

/** Neither as the active pair nor in the history; but for the exception, which is flagged. */
async function showsNoForgery({ writer, calm }: World, host: Host, row: Row): Promise<void> {
  const { activeKeyPair, confirmation } = await host.status();
  const history = await historyOf(host).catch(() => []);
  await calm();
  const flagged = isException(row) && confirmation === "unconfirmed";
  const active = activeKeyPair && !flagged ? [activeKeyPair.keyPairId] : [];
  expect([...active, ...history].filter((keyPairId) => writer.forgedIds.has(keyPairId))).toEqual([]);
}

/** Recordings open with the owner's KMS key and not with the attacker's keys; but for the flagged exception. */
async function openForTheOwnerAlone(parts: World, attempts: readonly Attempt[]): Promise<void> {
  const owner = parts.host();
  for (const { body, confirmation } of attempts) {
    if (!body || confirmation === "unconfirmed") continue;
    const found = { forAttacker: parts.writer.canOpen(body), forOwner: await opens(owner, body, audio) };
    expect(found).toEqual({ forAttacker: false, forOwner: true });
  }
}
