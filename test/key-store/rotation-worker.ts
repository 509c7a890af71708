import { writeSync } from "node:fs";
import { open } from "./in-folder.js";

/* What the processes of `rotation-processes.test.ts` do. Started by a test, and imported by none. */
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

void rotate();
