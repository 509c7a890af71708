import { writeSync } from "node:fs";
import { RecordingKeyStore } from "../../src/key-store/recording-key-store.js";
import { FileKeyPairStore } from "../../src/stores/file.js";
import { accountId, kms } from "../support/kms-known-to-all.js";

/* What the processes of `rotation-processes.test.ts` do. */
export function open(directory: string): RecordingKeyStore {
  return new RecordingKeyStore({
    organizationId: "org-1",
    homeRegion: "eu-west-1",
    kms,
    store: new FileKeyPairStore({ directory }),
    trustedKmsKeys: [accountId],
    background: false,
    headTtl: 0,
  });
}

const [directory = ""] = process.argv.slice(2);
// Synchronous: a line that the parent has read was acknowledged before the kill.
const say = (line: string): void => void writeSync(1, `${line}\n`);

/** Changes the key for ever, and says each new pair together with a recording made with it. */
async function rotate(): Promise<void> {
  const keyStore = open(directory);
  for (;;) {
    const { keyPairId } = await keyStore.rotate();
    const { body, keyPairId: used } = await keyStore.encryptRecording(Buffer.from("audio"), { recordingId: "r" });
    say(`${keyPairId} ${used} ${Buffer.from(body).toString("base64")}`);
  }
}

if (directory !== "") void rotate();
