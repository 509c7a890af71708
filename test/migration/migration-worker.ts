import { writeSync } from "node:fs";
import { migrateRecordings } from "../../src/migration/index.js";
import { open } from "../key-store/in-folder.js";

/* What the processes of `killed-processes.test.ts` do: one migration, until they are killed. Started by a test, and imported by none. */
const [pairs = "", directory = "", outputDirectory = "", reportPath = ""] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

async function work(): Promise<void> {
  const keyStore = open(pairs);
  say("ready");
  const onFile = ({ state }: { state: string }) => say(state);
  const options = { directory, outputDirectory, deletePlain: true, concurrency: 2, onFile };
  const { complete } = await migrateRecordings(keyStore, reportPath === "" ? options : { ...options, reportPath });
  say(complete ? "complete" : "incomplete");
  setInterval(() => undefined, 60_000); // waits for its kill
}

work().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
