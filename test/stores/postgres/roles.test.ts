import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RecordingKeyStore } from "../../../src/index.js";
import { InvalidInputError } from "../../../src/errors.js";
import type { KeyPairStore } from "../../../src/stores/key-pair-store.js";
import { postgresGrants, PostgresKeyPairStore, type PostgresRole } from "../../../src/stores/postgres.js";
import { PostgresServer } from "../../support/postgres-server.js";
import { kmsKeyAliasArn, organizationId, overridden, setup } from "../../support/setup.js";
import { failing, readsOf, writesOf } from "./failing.js";
import { freshSchema } from "./schemas.js";

const audio = randomBytes(1_000);
const fleetSecret = randomBytes(32);
const day = 86_400_000;
const roles: readonly PostgresRole[] = ["worker", "encrypt-only", "orphan-job"];

let server: PostgresServer;
let schema: string;
let count = 0;
beforeAll(async () => (server = await PostgresServer.start()));
afterAll(() => server.close());
beforeEach(async () => (schema = await freshSchema(server.pool())));

/** A store that connects as a database role with the rights of one of the three. */
async function storeAs(role: PostgresRole): Promise<KeyPairStore> {
  count += 1;
  const user = `Role of "${role}" ${count}`;
  await server.sql(`CREATE ROLE "${user.replaceAll('"', '""')}" LOGIN PASSWORD 'password'`);
  await server.sql(postgresGrants({ role, grantee: user, schema }));
  return new PostgresKeyPairStore({ pool: server.pool({ user, password: "password" }), schema });
}

/** Key stores of one organization, over the stores of the three roles. */
async function keyStores() {
  const parts = setup({ fleetSecret, background: false });
  const stores = { worker: await storeAs("worker"), encrypting: await storeAs("encrypt-only") };
  const worker = parts.keyStoreWith({ store: stores.worker });
  await worker.configure({ kmsKeyAliasArn, periodicKeyChange: "monthly" });
  return { ...parts, stores, worker, encrypting: () => parts.keyStoreWith({ store: stores.encrypting }) };
}

async function roundTrip(encrypting: RecordingKeyStore, decrypting: RecordingKeyStore): Promise<void> {
  const { body } = await encrypting.encryptRecording(audio, { recordingId: "r" });
  const opened = await decrypting.decryptRecording(body, { recordingId: "r" });
  expect(Buffer.from(opened.body).equals(audio)).toBe(true);
}

describe("the role of a worker", () => {
  it("lets a whole key store work, and removes nothing", async () => {
    const { worker, keyStoreWith, stores, clock } = await keyStores();
    await worker.rotate();
    clock.advance(40 * day);
    expect(await worker.rotateIfDue()).toMatchObject({ rotated: true });
    await worker.confirm();
    await worker.rewrapKeyPairs();
    await roundTrip(worker, keyStoreWith({ store: stores.worker }));
    expect((await worker.keyPairs()).items).toHaveLength(3);
    expect(await worker.status()).toMatchObject({ fleet: { authentic: true } });
    const removal = stores.worker.removeKeyPair!(organizationId, (await worker.keyPairs()).items[2]!.keyPairId);
    expect(await failing(server, removal)).toMatchObject({ kind: "access-denied", serviceErrorName: "42501" });
    expect((await worker.keyPairs()).items).toHaveLength(3);
  });
});

describe("the role of a worker that only encrypts", () => {
  it("lets it start, encrypt, confirm, tell the fleet and show the history", async () => {
    const { worker, encrypting, clock } = await keyStores();
    const keyStore = encrypting();
    await roundTrip(keyStore, worker);
    clock.advance(16 * 60_000);
    await keyStore.confirm();
    expect(await keyStore.status()).toMatchObject({ vouchedBy: "kms", fleet: { authentic: true } });
    expect((await keyStore.keyPairs()).items).toHaveLength(1);
    await worker.rotate();
    clock.advance(61_000);
    await keyStore.encryptRecording(audio, { recordingId: "r" });
    expect((await keyStore.keyPairs()).items).toHaveLength(2);
  });

  it("makes no key pair, and goes on with the one there is where a change is due", async () => {
    const { worker, encrypting, clock } = await keyStores();
    clock.advance(40 * day);
    const keyStore = encrypting();
    await expect(keyStore.rotateIfDue()).rejects.toMatchObject({
      code: "ERR_STORE_UNAVAILABLE",
      kind: "access-denied",
    });
    await expect(keyStore.configure({ kmsKeyAliasArn })).rejects.toMatchObject({ kind: "access-denied" });
    await roundTrip(keyStore, worker);
    expect((await worker.keyPairs()).items).toHaveLength(1);
  });
});

describe("the role of the orphan job", () => {
  it("removes pairs that never were active, which no worker may", async () => {
    const { worker, keyStoreWith, stores } = await keyStores();
    let waiting = 0;
    let start!: () => void;
    const all = new Promise<void>((resolve) => (start = resolve));
    const swapHead: KeyPairStore["swapHead"] = async (...args) => {
      waiting += 1;
      if (waiting === 3) start();
      await all;
      return stores.worker.swapHead(...args);
    };
    const racing = overridden(stores.worker, { swapHead });
    await Promise.all(Array.from({ length: 3 }, () => keyStoreWith({ store: racing }).rotate()));
    const stored = async () =>
      (await stores.worker.listKeyPairs(organizationId, { limit: 9 })).map(({ sequence }) => sequence);
    expect(await stored()).toEqual([2, 2, 2, 1]);
    await expect(worker.removeOrphanedKeyPairs()).rejects.toMatchObject({ kind: "access-denied" });
    expect(await stored()).toEqual([2, 2, 2, 1]);
    const job = keyStoreWith({ store: await storeAs("orphan-job") });
    expect((await job.removeOrphanedKeyPairs()).removed).toHaveLength(2);
    expect(await stored()).toEqual([2, 1]);
    await roundTrip(worker, keyStoreWith({ store: stores.worker }));
  });
});

describe("postgresGrants", () => {
  const denied: Readonly<Record<PostgresRole, { reads: readonly number[]; writes: readonly number[] }>> = {
    worker: { reads: [], writes: [5] },
    "encrypt-only": { reads: [4], writes: [0, 1, 2, 3, 5] },
    "orphan-job": { reads: [], writes: [0, 1, 2] },
  };

  it.each(roles)("gives the role %s the calls that it needs, and no other", async (role) => {
    const store = await storeAs(role);
    for (const [calls, refused] of [
      [readsOf(store), denied[role].reads],
      [writesOf(store), denied[role].writes],
    ] as const) {
      for (const [index, call] of calls.entries()) {
        if (!refused.includes(index)) await call();
        else expect(await failing(server, call())).toMatchObject({ kind: "access-denied", serviceErrorName: "42501" });
      }
    }
  });

  it("lets nobody change a key pair or a wrapping, nor what a head or a status item belongs to", async () => {
    const rights: unknown[] = [];
    for (const role of roles) {
      // One after another: PostgreSQL refuses what two at once change of one table's rights ("tuple concurrently updated").
      await server.sql(`CREATE ROLE "${schema} ${role}"`);
      await server.sql(postgresGrants({ role, grantee: `${schema} ${role}`, schema }));
      rights.push(
        await server.sql(
          `SELECT table_name, column_name FROM information_schema.column_privileges
           WHERE grantee = '${schema} ${role}' AND privilege_type = 'UPDATE' ORDER BY 1, 2`,
        ),
      );
    }
    const status = { table_name: "statuses", column_name: "document" };
    const heads = ["document", "revision"].map((column_name) => ({ table_name: "heads", column_name }));
    expect(rights).toEqual([[...heads, status], [status], [status]]);
  });

  it("takes away what the role had before", async () => {
    const grantee = `${schema} changed`;
    await server.sql(`CREATE ROLE "${grantee}" LOGIN PASSWORD 'password'`);
    const store = new PostgresKeyPairStore({ pool: server.pool({ user: grantee, password: "password" }), schema });
    await server.sql(postgresGrants({ role: "worker", grantee, schema }));
    await writesOf(store)[2]!();
    await server.sql(postgresGrants({ role: "encrypt-only", grantee, schema }));
    expect(await failing(server, writesOf(store)[2]!())).toMatchObject({ kind: "access-denied" });
  });

  it("refuses a role of another name, and a name that PostgreSQL would not keep", () => {
    const options = { role: "worker", grantee: "recorder" } as const;
    expect(postgresGrants(options)).toMatch(/^REVOKE .* FROM "recorder";\n/);
    for (const wrong of [
      { role: "owner" as never },
      { role: "toString" as never },
      { grantee: "" },
      { grantee: "public" }, // everybody, quoted or not
      { grantee: "none" },
      { grantee: "x".repeat(64) },
      { schema: "a\\b" },
      { grante: "typo" },
    ])
      expect(() => postgresGrants({ ...options, ...wrong })).toThrow(InvalidInputError);
  });
});
