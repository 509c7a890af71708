import { link, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { linkOnce } from "../../src/util/file-system.js";
import { temporaryFolder } from "../support/temporary-folder.js";

let folder: string;
let remove: () => Promise<void>;
beforeAll(async () => ({ folder, remove } = await temporaryFolder("link-")));
afterAll(() => remove());

it("a name is given once, and a repeated request for it is known by the file, not by its links", async () => {
  const [temporary, path, elsewhere, other] = ["temporary", "path", "elsewhere", "other"].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  await writeFile(temporary, "new");
  expect(await linkOnce(temporary, path)).toBe(true);
  // As NFS repeats it after a lost answer.
  expect(await linkOnce(temporary, path)).toBe(true);
  await writeFile(other, "another writer's");
  await link(other, elsewhere);
  expect(await linkOnce(other, path)).toBe(false);
});
