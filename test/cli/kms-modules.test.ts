import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { firstLines, spawnKms } from "../support/kms-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const root = pathToFileURL(fileURLToPath(new URL("../..", import.meta.url))).href;

interface Coverage {
  readonly result: readonly { readonly url: string }[];
}

/** Files of the repository that a `recording-keystore kms` has loaded from its start to its end, as V8 lists them. */
async function modulesLoaded(args: readonly string[]): Promise<string[]> {
  const { folder, remove } = await temporaryFolder("modules-");
  try {
    const child = spawnKms(args, { NODE_V8_COVERAGE: folder });
    const exited = once(child, "exit");
    const [url] = await firstLines(child, 1);
    await fetch(`${url}/_kms/health`);
    child.kill("SIGTERM");
    await exited;
    const reports = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), "utf8")));
    const urls = reports.flatMap((report) => (JSON.parse(report) as Coverage).result.map(({ url }) => url));
    const own = urls.filter((url) => url.startsWith(root)).map((url) => url.slice(root.length).replace(/\?.*$/, ""));
    return [...new Set(own)].sort();
  } finally {
    await remove();
  }
}

it("recording-keystore kms loads nothing of the key store and of other commands", async () => {
  const loaded = await modulesLoaded(["--key", "arn:aws:kms:eu-west-1:111122223333:alias/recordings"]);
  const named = (pattern: RegExp) => [...new Set(loaded.flatMap((file) => pattern.exec(file)?.[1] ?? []))];
  expect(named(/^src\/cli\/commands\/(.*)/)).toEqual(["kms.ts"]);
  const rooms = ["cli", "clock.ts", "errors.ts", "in-memory-kms", "key-policy", "kms", "stores", "util"];
  expect(named(/^src\/([^/]+)/)).toEqual(rooms);
  expect(named(/^src\/key-policy\/([^/]+)/)).toEqual(["language"]);
  // What any command's errors are told apart by.
  expect(named(/^src\/stores\/(.*)/)).toEqual(["store-diagnosis.ts", "store-error.ts"]);
  expect(named(/^node_modules\/(?!tsx\/)((?:@[^/]+\/)?[^/]+)/)).toEqual(["commander"]);
});
