/**
 * Lets what was started in the background come to its end. Counts turns of the event loop and not milliseconds: on a busy machine
 * a time passes without this process having had a turn.
 */
export async function backgroundWork(turns = 40): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    await new Promise((resolve) => setTimeout(() => setImmediate(resolve), 1));
  }
}
