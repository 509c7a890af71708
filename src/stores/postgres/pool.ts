import { InvalidInputError } from "../../errors.js";
import { whenAborted } from "../../util/abort.js";
import { isUndone } from "./failures.js";

/**
 * What a store needs of a client of PostgreSQL: `Pool` and `Client` of `pg` have it, and so have serverless drivers. All
 * values are strings, and so is everything that the statements give back, so that no driver's own types matter.
 */
export interface PostgresPool {
  query(text: string, values?: string[]): Promise<{ rows: unknown[] }>;
}

/** A `Pool` of `pg`, whose connections can be given up one by one. */
interface ConnectionPool {
  connect(): Promise<Connection>;
}

interface Connection extends PostgresPool {
  /** @param destroy - whether to close it instead of keeping it for the next one */
  release(destroy?: boolean): void;
  on(event: "error", listener: () => void): unknown;
  removeListener(event: "error", listener: () => void): unknown;
}

/** How often a statement is sent that the server undoes because of others that run beside it. */
const maxAttempts = 5;

/** Runs one statement. With the pool of `pg` it takes its connection down with it where the signal aborts. */
export async function runStatement(
  pool: PostgresPool,
  text: string,
  values: string[] | undefined,
  signal: AbortSignal,
): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await runOnce(pool, text, values, signal);
    } catch (error) {
      if (signal.aborted || attempt === maxAttempts || !isUndone(error)) throw error;
    }
  }
}

async function runOnce(
  pool: PostgresPool,
  text: string,
  values: string[] | undefined,
  signal: AbortSignal,
): Promise<unknown> {
  if (!handsOutConnections(pool)) return pool.query(text, values);
  const connection = await pool.connect();
  let kept = true;
  const release = (destroy: boolean): void => {
    if (!kept) return;
    kept = false;
    try {
      if (!destroy) connection.removeListener("error", ignore);
      connection.release(destroy);
    } catch {
      // the pool's own trouble: this call has its answer
    }
  };
  // The abort came while the pool had no connection free: this one has done nothing yet.
  if (signal.aborted) release(false);
  signal.throwIfAborted();
  // Otherwise a server that does not answer would keep the connection, until the pool has none left.
  const leave = whenAborted(signal, () => release(true));
  try {
    // The pool listens to idle connections only: without a listener one that breaks now would end the process.
    connection.on("error", ignore);
    const answer = await connection.query(text, values);
    release(false);
    return answer;
  } catch (error) {
    release(true);
    throw error;
  } finally {
    leave();
  }
}

const ignore = (): void => undefined;

/** Not by `connect` alone, which a `Client` has too, with another meaning. */
function handsOutConnections(pool: PostgresPool): pool is PostgresPool & ConnectionPool {
  const { connect, totalCount } = pool as { connect?: unknown; totalCount?: unknown };
  return typeof connect === "function" && typeof totalCount === "number";
}

/** @throws InvalidInputError unless it has `query` */
export function checkedPool(pool: PostgresPool): PostgresPool {
  // Not shown: a pool holds a password.
  if (typeof pool?.query !== "function") throw new InvalidInputError("pool", "must have a method query(text, values)");
  return pool;
}

/** @throws InvalidInputError unless it is 10 ms to 10 minutes */
export function checkedTimeout(timeout: number): number {
  if (typeof timeout !== "number" || !(timeout >= 10 && timeout <= 600_000))
    throw new InvalidInputError("timeout", "must be a number from 10 to 600000", timeout);
  return timeout;
}
