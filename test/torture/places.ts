import { migrate } from "../../src/stores/postgres.js";
import { clientOf, createTable, startDynalite } from "../stores/dynamodb/store-kind.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { PostgresServer } from "../support/postgres-server.js";
import type { Place } from "./store-at.js";

/** An empty place for stores, whose server, if it has one, is up. */
interface StartedPlace {
  readonly place: Place;
  readonly stop: () => Promise<void>;
}

/** Every kind of store that outlives a process. */
export const placeKinds = ["file", "postgres", "dynamodb"] as const satisfies readonly Place["kind"][];

const starters: { readonly [K in Place["kind"]]: () => Promise<StartedPlace> } = {
  async file() {
    const { folder: directory, remove: stop } = await temporaryFolder();
    return { place: { kind: "file", directory }, stop };
  },
  async postgres() {
    const server = await PostgresServer.start();
    await migrate(server.pool());
    const { host, port, password } = server;
    const connection = { host, port, password, user: "postgres", database: "postgres" };
    return { place: { kind: "postgres", connection }, stop: () => server.close() };
  },
  async dynamodb() {
    const { endpoint, stop } = await startDynalite();
    const client = clientOf(endpoint);
    const tableName = await createTable(client);
    client.destroy();
    return { place: { kind: "dynamodb", endpoint, tableName }, stop };
  },
};

export const startPlace = (kind: Place["kind"]): Promise<StartedPlace> => starters[kind]();
