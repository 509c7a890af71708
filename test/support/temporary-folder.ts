import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** For `rm`: tried again for up to 4.5 s, since a store or a process of the test may still be writing there. */
export const withContents = { recursive: true, force: true, maxRetries: 9 } as const;

/** @param label - What the folder's name says beside the package's. */
export async function temporaryFolder(label = ""): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), `recording-keystore-${label}`));
  return { folder, remove: () => rm(folder, withContents) };
}
