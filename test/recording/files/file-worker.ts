import { writeSync } from "node:fs";
import { open } from "../../key-store/in-folder.js";

/*
 * What the processes of `processes.test.ts` do: one file after another, until they are killed or fail. Started by a test,
 * and imported by none.
 */
const [role, directory = "", input = "", output = "", threads = "1"] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const options = { recordingId: "r", threads: Number(threads), overwrite: true };

async function work(): Promise<void> {
  const keyStore = open(directory);
  say("ready");
  for (;;) {
    if (role === "encrypt-files") await keyStore.encryptFile(input, output, options);
    else await keyStore.decryptFile(input, output, options);
    say("done");
  }
}

if (role === "encrypt-files" || role === "decrypt-files") {
  work().catch((error: unknown) => {
    const { code, retryable, cause } = error as { code?: string; retryable?: boolean; cause?: { code?: string } };
    say(JSON.stringify({ code, retryable, cause: cause?.code }));
    process.exit(1);
  });
}
