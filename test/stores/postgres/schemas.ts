import type pg from "pg";
import { migrate, type PostgresPool } from "../../../src/stores/postgres.js";

let made = 0;

/** A schema of its own for a test. */
export async function freshSchema(pool: PostgresPool): Promise<string> {
  made += 1;
  const schema = `test_${made}`;
  await migrate(pool, { schema });
  return schema;
}

/** What a serverless driver has. */
export function queryOnly(pool: pg.Pool): PostgresPool {
  return { query: (text, values) => pool.query<object>(text, values) };
}
