import { knownOptions } from "../../util/check-input.js";
import { CheckedKeyPairStore } from "../checked-key-pair-store.js";
import { defaultSchema } from "./names.js";
import { checkedPool, checkedTimeout, type PostgresPool } from "./pool.js";
import { PostgresBackend } from "./postgres-backend.js";

/** Options of {@link PostgresKeyPairStore}. */
export interface PostgresKeyPairStoreOptions {
  /**
   * Where to send statements: a `Pool` of `pg`, or anything with its `query`. It must reach the primary. It stays yours: the
   * store closes nothing, and a pool's `error` event needs a listener of yours, or an idle connection that breaks ends the process.
   *
   * With a `Pool` of `pg` a call that is aborted or late closes its connection. With anything else the statement goes on until
   * the server or the driver gives up. Give either a time limit for connecting (`connectionTimeoutMillis`) and for statements
   * (`statement_timeout`): the pool itself waits without end.
   */
  readonly pool: PostgresPool;
  /** Schema that `migrate` has made. Default `recording_keystore`. */
  readonly schema?: string | undefined;
  /** Longest time of one call, in ms, waiting for a connection included. From 10 to 600,000, default 5,000. */
  readonly timeout?: number | undefined;
}

/**
 * Key pairs in PostgreSQL 11 or later, from the primary only: what a replica answers is refused (`ERR_STORE_UNAVAILABLE`, kind
 * `read-only`). Each call is one statement, so that it works behind any pooler; only a swap that finds another head reads it
 * too. Call `migrate` once before, when you deploy.
 */
export class PostgresKeyPairStore extends CheckedKeyPairStore {
  /**
   * Sends nothing; the first call does.
   * @throws InvalidInputError for another option, a pool without `query`, or a bad schema or timeout
   */
  constructor(options: PostgresKeyPairStoreOptions) {
    const {
      pool,
      schema = defaultSchema,
      timeout = 5_000,
    } = knownOptions(options, { pool: true, schema: true, timeout: true });
    super(new PostgresBackend(checkedPool(pool), schema), checkedTimeout(timeout));
  }
}
