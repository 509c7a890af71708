import { writeSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { createInterface } from "node:readline";
import { FileKeyPairStore } from "../../../src/stores/file.js";
import { contentOf, labelOf } from "../content.js";

/**
 * What the processes of `file-key-pair-store-processes.test.ts` do. Acknowledgements go out by a synchronous write: once a line has been
 * read by the parent, its record was acknowledged before the kill, and never the other way round.
 */
const [role, directory = "", organizationId = "", name = ""] = process.argv.slice(2);
const store = new FileKeyPairStore({ directory });
const say = (...words: (string | number)[]): void => void writeSync(1, `${words.join(" ")}\n`);

/** Swaps from the revision that each line of standard input names, and says who won. */
async function race(): Promise<void> {
  say("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const expected = line === "none" ? undefined : line;
    const head = await store.swapHead(organizationId, expected, contentOf(`head ${name} from ${line}`));
    say(head ? `won ${head.revision}` : "lost");
  }
}

/** Writes for ever, until it is killed. */
async function write(): Promise<void> {
  const lastConfirmed = store.hostLastConfirmed();
  for (let round = 1; ; round += 1) {
    const keyPairId = `${name}-${round}`;
    await store.createKeyPair({ organizationId, keyPairId, sequence: round, document: contentOf(`pair ${keyPairId}`) });
    say("pair", keyPairId);
    await store.createWrapping(organizationId, keyPairId, {
      wrappingId: "w",
      document: contentOf(`wrapping ${keyPairId}`),
    });
    say("wrapping", keyPairId);
    const current = await store.readHead(organizationId);
    const head = await store.swapHead(organizationId, current?.revision, contentOf(`head ${keyPairId}`));
    if (head) say("head", head.revision, keyPairId);
    await store.writeStatus(organizationId, contentOf(`status ${keyPairId}`));
    say("status", keyPairId);
    await lastConfirmed.save(name, contentOf(`last-confirmed ${round}`));
    say("last-confirmed", round);
  }
}

/** Tells the last confirmed key, then saves another, on a host of this name: as after a restart in a container. */
async function remember(): Promise<void> {
  os.hostname = () => name;
  syncBuiltinESMExports();
  const lastConfirmed = store.hostLastConfirmed();
  const known = await lastConfirmed.load(organizationId);
  say("remembered", known ? labelOf(known) : "nothing");
  await lastConfirmed.save(organizationId, contentOf(`key of ${name}`));
  say("saved");
}

void { race, write, remember }[role as "race" | "write" | "remember"]();
