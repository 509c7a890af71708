import assert from "node:assert/strict";
import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";
import type { HeadChanges, KeyPairStore } from "../../stores/key-pair-store.js";
import { startedProcess, type Check, type Explanation } from "./check.js";
import { hostileOrganizationIds } from "./every-call.js";
import { atOnce, bytes } from "./fixtures.js";
import type { KeyPairStoreUnderTest } from "./subject.js";

type Telling = KeyPairStore & Required<Pick<KeyPairStore, "headChanges">>;

const missed: Explanation = {
  means:
    "Workers that rely on headChanges would go on for up to an hour with the key pair before a change, as if `headTtl` were an hour.",
  look:
    "headChanges: a consistent read, from the primary, of everything behind the cursor; the new cursor lies behind what is given, " +
    "and before what is counted or written and not to be seen yet.",
  betweenProcesses: true,
};
const announcedLate: Explanation = {
  means:
    "A worker that looks between the change and its announcement takes the old head for the present one. Where the one who makes the " +
    "change then dies, nobody ever announces it.",
  look: "swapHead: what headChanges reads is written first, and waited for, or in the same transaction as the head.",
  betweenProcesses: true,
};
const cursors: Explanation = {
  means:
    "Heads would be read that have not changed, or, behind a cursor that means something else, changes be missed for an hour.",
  look: "headChanges: the cursor, also one of before a restore of the database. What is not known gives no list, and no error.",
};

/** @param many - number of swaps between two looks */
export function checkHeadChanges(check: Check, many: number, processes: boolean): void {
  const checkTelling = checkTellingOf(check);

  checkTelling("tell of every head made and swapped since a look, whatever the ids", missed, async (store, other) => {
    let { cursor } = await other.headChanges({});
    const revisions = new Map<string, string | undefined>(hostileOrganizationIds.map((id) => [id, undefined]));
    for (const generation of ["one", "two"]) {
      for (const [id, revision] of revisions) {
        const head = await store.swapHead(id, revision, bytes(generation));
        revisions.set(id, head?.revision);
      }
      const changes = await other.headChanges({ after: cursor });
      for (const id of hostileOrganizationIds) assertTold(changes, id, { listed: true });
      ({ cursor } = changes);
    }
    assertNone(await other.headChanges({ after: cursor }));
  });

  checkTelling("are there before a head shows them", announcedLate, async (store, other) => {
    for (let round = 0; round < 20; round += 1) {
      const id = `org-${round}`;
      let revision: string | undefined;
      for (const generation of ["one", "two"]) {
        const { cursor } = await other.headChanges({});
        const swap = store.swapHead(id, revision, bytes(generation));
        swap.catch(() => undefined); // looked at below
        let ended = false;
        void swap.finally(() => (ended = true)).catch(() => undefined);
        for (;;) {
          const isLast = ended;
          const head = await other.readHead(id);
          if (head && head.revision !== revision) assertTold(await other.headChanges({ after: cursor }), id);
          if (isLast) break;
          await turn();
        }
        revision = (await swap)?.revision;
      }
    }
  });

  checkTelling("are none too few while many heads change at once", missed, async (store, other) => {
    const ids = Array.from({ length: 48 }, (_, index) => `org-${index}`);
    const told: HeadChanges[] = [];
    let { cursor } = await other.headChanges({});
    const look = async () => {
      const changes = await other.headChanges({ after: cursor });
      told.push(changes);
      ({ cursor } = changes);
    };
    let writing = true;
    const swaps = atOnce(8, async (writer) => {
      for (let index = writer; index < ids.length; index += 8)
        await (index % 2 ? store : other).swapHead(ids[index] as string, undefined, bytes("head"));
    }).finally(() => (writing = false));
    swaps.catch(() => undefined); // looked at below
    for (; writing; await turn()) await look();
    await swaps;
    await look();
    for (const id of ids)
      assert.ok(
        told.some((changes) => tells(changes, id)),
        `no look has told of ${id}`,
      );
  });

  checkTelling("are told of where the caller has gone in the middle", announcedLate, async (store, other) => {
    const { cursor } = await other.headChanges({});
    const ids = Array.from({ length: 12 }, (_, index) => `org-${index}`);
    for (const [turns, id] of ids.entries()) {
      const controller = new AbortController();
      const swap = store.swapHead(id, undefined, bytes("head"), { signal: controller.signal });
      const ended = swap.catch(() => undefined);
      for (let count = 0; count < turns; count += 1) await turn();
      controller.abort(new Error("the caller has gone"));
      await ended;
    }
    const heads = await Promise.all(ids.map((id) => other.readHead(id)));
    const changes = await other.headChanges({ after: cursor });
    for (const [index, head] of heads.entries()) if (head) assertTold(changes, ids[index] as string);
  });

  checkTelling("go on from any cursor, and tell nothing twice", cursors, async (store, other) => {
    const marks: string[] = [];
    for (const id of ["org-1", "org-2", "org-3"]) {
      marks.push((await store.headChanges({})).cursor);
      await store.swapHead(id, undefined, bytes("head"));
    }
    for (const [index, after] of marks.entries()) {
      const changes = await other.headChanges({ after });
      assert.deepEqual([...new Set(changes.organizationIds)].sort(), ["org-1", "org-2", "org-3"].slice(index));
      assertNone(await store.headChanges({ after: changes.cursor }));
    }
  });

  checkTelling("are no list without a cursor, and behind one that is not known", cursors, async (store, other) => {
    await store.swapHead("org-1", undefined, bytes("head"));
    for (const after of [undefined, "", "no such cursor", "\0", "x".repeat(256)]) {
      const { cursor, organizationIds } = await store.headChanges({ after });
      assert.equal(organizationIds, undefined, `what is told behind ${JSON.stringify(after)}`);
      assertNone(await other.headChanges({ after: cursor }));
    }
  });

  checkTelling(`are complete, or no list, after ${many} of them`, missed, async (store, other) => {
    const { cursor } = await other.headChanges({});
    await atOnce(8, async (writer) => {
      for (let index = writer; index < many; index += 8) await store.swapHead(`org-${index}`, undefined, bytes("head"));
    });
    const changes = await other.headChanges({ after: cursor });
    for (let index = 0; index < many; index += 1) assertTold(changes, `org-${index}`);
    assertNone(await other.headChanges({ after: changes.cursor }));
  });

  checkTelling("reject with the reason of an aborted signal", cursors, async (store) => {
    const reason = new Error("the caller has gone");
    await assert.rejects(store.headChanges({}, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  });

  if (!processes) return;
  checkTelling("are told of where a process is killed in the middle", announcedLate, async (store, _other, opened) => {
    const { cursor } = await store.headChanges({});
    const { store: killed, kill } = await startedProcess(opened);
    let swaps = 0;
    let isOver = false;
    const writing = atOnce(8, async (writer) => {
      for (let count = 0; ; count += 1) {
        await killed.swapHead(`org-${writer}-${count}`, undefined, bytes("head"));
        swaps += 1;
      }
    })
      .catch(() => undefined) // ends with the kill
      .finally(() => (isOver = true));
    while (swaps < 16 && !isOver) await pause(1);
    const most = swaps + 8;
    await kill();
    await writing;
    const ids = Array.from({ length: 8 * (most + 1) }, (_, index) => `org-${index % 8}-${Math.floor(index / 8)}`);
    const there: string[] = [];
    for (const id of ids) if (await store.readHead(id)) there.push(id);
    assert.ok(there.length > 0, "the process has swapped something before it was killed");
    const changes = await store.headChanges({ after: cursor });
    for (const id of there) assertTold(changes, id);
  });
}

function checkTellingOf(check: Check) {
  return (
    name: string,
    explanation: Explanation,
    body: (store: Telling, other: Telling, opened: KeyPairStoreUnderTest) => Promise<void>,
  ): void =>
    check(name, explanation, async (store, other, opened) => {
      assert.ok(isTelling(store) && isTelling(other), "`headChanges` is set, and the store has no headChanges");
      await body(store, other, opened);
    });
}

function isTelling(store: KeyPairStore): store is Telling {
  return typeof store.headChanges === "function";
}

function tells({ organizationIds }: HeadChanges, id: string): boolean {
  return organizationIds === undefined || organizationIds.includes(id);
}

/** @param listed - whether there must be a list: where there is never one, nothing is saved */
function assertTold(changes: HeadChanges, id: string, { listed = false } = {}): void {
  assert.equal(typeof changes.cursor, "string");
  if (listed)
    assert.ok(changes.organizationIds, "a list of the few that have changed since the cursor of the look before");
  assert.ok(tells(changes, id), `the head of ${JSON.stringify(id)} has changed, and headChanges does not say so`);
}

function assertNone({ organizationIds }: HeadChanges): void {
  assert.deepEqual(organizationIds, [], "what is told where nothing has changed");
}
