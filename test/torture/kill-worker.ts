import { writeSync } from "node:fs";
import { kmsKeyAliasArn, kmsWith } from "../support/kms-known-to-all.js";
import type { Deed, Said } from "./said.js";
import { storeAt, type Place } from "../stores/store-at.js";
import { keyStoreOver } from "./key-store-over.js";

/* What the processes do that `kills.ts` kills: they change settings and key and rewrap, in any order, until they are killed. */
const [place = "", organizationId = "", keyNumber = ""] = process.argv.slice(2);
const { store } = storeAt(JSON.parse(place) as Place);
const keyStore = keyStoreOver(store, organizationId, kmsWith(Number(keyNumber)));

// Synchronous: a line that the parent has read was acknowledged before the kill.
const say = (said: Said): void => void writeSync(1, `${JSON.stringify(said)}\n`);

const deeds: Readonly<Record<Deed, () => Promise<void>>> = {
  configure: async () => {
    const { keyPair } = await keyStore.configure({ kmsKeyAliasArn, periodicKeyChange: "monthly" });
    say({ pair: keyPair.keyPairId });
  },
  rotate: async () => say({ pair: (await keyStore.rotate()).keyPairId }),
  rewrap: async () => {
    const { complete } = await keyStore.rewrapKeyPairs();
    if (complete) say({ rewrapped: true });
  },
};

async function live(): Promise<void> {
  const names = Object.keys(deeds) as Deed[];
  // The first makes a pair under the KMS key to which the alias points now.
  for (let deed: Deed = "configure"; ; deed = names[Math.floor(Math.random() * names.length)] ?? deed) {
    const begun = performance.now();
    say({ begin: deed });
    await deeds[deed]();
    say({ end: deed, ms: performance.now() - begun });
    const { body, keyPairId } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId: "r" });
    say({ recording: Buffer.from(body).toString("base64"), under: keyPairId });
  }
}

void live();
