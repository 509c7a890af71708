import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Gives a run of tests, and the processes that it starts, a state directory of its own instead of the developer's. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "recording-keystore-state-"));
  process.env["XDG_STATE_HOME"] = folder;
  delete process.env["STATE_DIRECTORY"];
  return () => rm(folder, { recursive: true, force: true });
}
