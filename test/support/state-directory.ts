import { temporaryFolder } from "./temporary-folder.js";

/** Gives a run of tests, and the processes that it starts, a state directory of its own instead of the developer's. */
export async function setup(): Promise<() => Promise<void>> {
  const { folder, remove } = await temporaryFolder("state-");
  process.env["XDG_STATE_HOME"] = folder;
  delete process.env["STATE_DIRECTORY"];
  return remove;
}
