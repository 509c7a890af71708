import { createInterface } from "node:readline";
import pg from "pg";
import { RecordingKeyStore } from "../../../src/key-store/recording-key-store.js";
import { PostgresKeyPairStore } from "../../../src/stores/postgres.js";
import { accountId, kms } from "../../support/kms-known-to-all.js";

/* What the processes of `rotation-processes.test.ts` do. */
let now = Date.UTC(2026, 0, 1);
const clock = { now: () => now, monotonic: () => performance.now() };

/** @param connection - options of a `Pool` */
export function open(connection: pg.PoolConfig): RecordingKeyStore {
  const pool = new pg.Pool({ max: 2, ...connection });
  pool.on("error", () => undefined);
  return new RecordingKeyStore({
    organizationId: "org-1",
    homeRegion: "eu-west-1",
    kms,
    store: new PostgresKeyPairStore({ pool, timeout: 60_000 }),
    storeTimeout: 60_000,
    trustedKmsKeys: [accountId],
    clock,
    background: false,
    headTtl: 0,
  });
}

/** At each time that it is told, changes the key if that is due, and says which pair it then has. */
async function race(connection: pg.PoolConfig): Promise<void> {
  const keyStore = open(connection);
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    now = Number(line);
    const { keyPair } = await keyStore.rotateIfDue();
    console.log(keyPair.keyPairId);
  }
}

const [role, connection = ""] = process.argv.slice(2);
if (role === "race") void race(JSON.parse(connection) as pg.PoolConfig);
