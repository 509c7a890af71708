import { PostgresKeyPairStore } from "../../../src/stores/postgres.js";
import { PostgresServer } from "../../support/postgres-server.js";
import type { StoreKind } from "../store-kinds.js";
import { freshSchema, queryOnly } from "./schemas.js";

/** One store over a pool of `pg`, the other over nothing but `query`, as serverless drivers have it. */
export const postgres: StoreKind = {
  start: async () => {
    const server = await PostgresServer.start();
    const open = async () => {
      const [pool, second] = [server.pool(), server.pool()];
      const schema = await freshSchema(pool);
      const close = async (): Promise<void> => {
        await Promise.all([pool.end(), second.end()]);
      };
      return {
        store: new PostgresKeyPairStore({ pool, schema }),
        other: new PostgresKeyPairStore({ pool: queryOnly(second), schema }),
        close,
      };
    };
    return { open, stop: () => server.close() };
  },
};
