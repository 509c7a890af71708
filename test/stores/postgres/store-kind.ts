import { PostgresKeyPairStore } from "../../../src/stores/postgres.js";
import { PostgresServer } from "../../support/postgres-server.js";
import { startServingProcess } from "../serving-process.js";
import type { StoreKind } from "../store-kinds.js";
import { freshSchema, queryOnly } from "./schemas.js";

/** One store over a pool of `pg`, the other over nothing but `query`, as serverless drivers have it. */
export const postgres: StoreKind = {
  checked: { processes: true, outages: true, headChanges: true },
  start: async () => {
    const server = await PostgresServer.start();
    const { host, port, password } = server;
    const connection = { host, port, password, user: "postgres", database: "postgres" };
    const outages = {
      "its server is stopped": { begin: () => server.stop("immediate"), end: () => server.resume() },
    };
    const open = async () => {
      const [pool, second] = [server.pool(), server.pool()];
      const schema = await freshSchema(pool);
      const close = async (): Promise<void> => {
        await Promise.all([pool.end(), second.end()]);
      };
      return {
        store: new PostgresKeyPairStore({ pool, schema }),
        other: new PostgresKeyPairStore({ pool: queryOnly(second), schema }),
        startProcess: () => startServingProcess({ kind: "postgres", connection, schema }),
        outages,
        close,
      };
    };
    return { open, stop: () => server.close() };
  },
};
