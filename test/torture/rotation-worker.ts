import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { kms } from "../support/kms-known-to-all.js";
import { storeAt, type Place } from "../stores/store-at.js";
import { keyStoreOver } from "./key-store-over.js";

/* What the processes of `rotation-processes.test.ts` do: at each time that they are told, they change the key if that is due. */
let now = Date.UTC(2026, 0, 1);
const clock = { now: () => now, monotonic: () => performance.now() };
const [place = ""] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

async function race(): Promise<void> {
  const keyStore = keyStoreOver(storeAt(JSON.parse(place) as Place).store, "org-1", kms, { clock });
  say("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    now = Number(line);
    const { keyPair } = await keyStore.rotateIfDue();
    say(keyPair.keyPairId);
  }
}

void race();
