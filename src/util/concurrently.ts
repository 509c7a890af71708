/**
 * Runs a task for each item, several at a time, in the order in which the items come.
 * @throws what the items or a task throw first, once the tasks under way have ended; no further one is begun then
 */
export async function concurrently<T>(
  items: AsyncGenerator<T>,
  atATime: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const run = async () => {
    while (failures.length === 0) {
      const next = await items.next();
      if (next.done) return;
      await task(next.value);
    }
  };
  await Promise.all(Array.from({ length: atATime }, () => run().catch((error: unknown) => void failures.push(error))));
  if (failures.length === 0) return;
  await items.return(undefined);
  throw failures[0];
}
