import { randomUUID } from "node:crypto";
import type { KeyPairBackend } from "../checked-key-pair-store.js";
import type { KeyPairListQuery, StoredHead, StoredKeyPair, StoredWrapping } from "../key-pair-store.js";
import { HeadLog, headLogText, type HeadLogEntry } from "../head-log.js";
import type { StoreFailure } from "../store-call.js";
import { isRevision, storedRows, written, type Row } from "./answers.js";
import { postgresFailure } from "./failures.js";
import { runStatement, type PostgresPool } from "./pool.js";
import { statementsFor, type Statements } from "./statements.js";

/** The calls of the store's contract as statements. */
export class PostgresBackend implements KeyPairBackend {
  readonly headLog = new HeadLog({
    last: async (signal) => (await this.#headLogEntries("lastHeadChange", [], signal))[0],
    from: async (number, limit, signal) =>
      this.#headLogEntries("headChangesFrom", [String(number), String(limit)], signal),
    append: async (entry, signal) => {
      const values = [String(entry.number), entry.mark, hexOfText(headLogText(entry))];
      return written(await this.#run("addHeadChange", values, signal));
    },
  });
  readonly #pool: PostgresPool;
  readonly #statements: Statements;

  /** @throws InvalidInputError for a name that PostgreSQL would not keep as it is */
  constructor(pool: PostgresPool, schema: string) {
    this.#pool = pool;
    this.#statements = statementsFor(schema);
  }

  async readHead(organizationId: string, signal: AbortSignal): Promise<StoredHead | undefined> {
    const values = [hexOfText(organizationId)];
    const [row] = storedRows(await this.#run("readHead", values, signal), "heads", "readHead");
    return row && { revision: row.revision(), document: row.document("the head") };
  }

  async swapHead(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    signal: AbortSignal,
  ): Promise<StoredHead | undefined> {
    if (expectedRevision !== undefined && !isRevision(expectedRevision)) return undefined;
    const revision = randomUUID();
    const values = [hexOfText(organizationId), revision, hexOf(document)];
    const answer = await (expectedRevision === undefined
      ? this.#run("createHead", values, signal)
      : this.#run("swapHead", [...values, expectedRevision], signal));
    // A proxy that lost the answer may have sent the statement again: then the revision is this call's own already.
    const won = written(answer) || (await this.readHead(organizationId, signal))?.revision === revision;
    return won ? { revision, document } : undefined;
  }

  async createKeyPair(pair: StoredKeyPair, signal: AbortSignal): Promise<"created" | "exists"> {
    const { organizationId, keyPairId, sequence, document } = pair;
    const values = [hexOfText(organizationId), keyPairId, String(sequence), hexOf(document)];
    return written(await this.#run("createKeyPair", values, signal)) ? "created" : "exists";
  }

  async readKeyPair(
    organizationId: string,
    keyPairId: string,
    signal: AbortSignal,
  ): Promise<StoredKeyPair | undefined> {
    const answer = await this.#run("readKeyPair", [hexOfText(organizationId), keyPairId], signal);
    const [row] = storedRows(answer, "key_pairs", "readKeyPair");
    return row && keyPairOf(row, organizationId);
  }

  async listKeyPairs(
    organizationId: string,
    { limit, after }: KeyPairListQuery,
    signal: AbortSignal,
  ): Promise<readonly StoredKeyPair[]> {
    const values = [hexOfText(organizationId), String(limit)];
    const answer = await (after === undefined
      ? this.#run("listFirstKeyPairs", values, signal)
      : this.#run("listKeyPairsBehind", [...values, String(after.sequence), after.keyPairId], signal));
    return storedRows(answer, "key_pairs", "listKeyPairs").map((row) => keyPairOf(row, organizationId));
  }

  async createWrapping(
    organizationId: string,
    keyPairId: string,
    { wrappingId, document }: StoredWrapping,
    signal: AbortSignal,
  ): Promise<"created" | "exists"> {
    const values = [hexOfText(organizationId), keyPairId, wrappingId, hexOf(document)];
    return written(await this.#run("createWrapping", values, signal)) ? "created" : "exists";
  }

  async listWrappings(
    organizationId: string,
    keyPairId: string,
    signal: AbortSignal,
  ): Promise<readonly StoredWrapping[]> {
    const answer = await this.#run("listWrappings", [hexOfText(organizationId), keyPairId], signal);
    return storedRows(answer, "wrappings", "listWrappings").map((row) => {
      const wrappingId = row.id();
      return { wrappingId, document: row.document(`wrapping ${wrappingId} of key pair ${keyPairId}`) };
    });
  }

  async removeKeyPair(organizationId: string, keyPairId: string, signal: AbortSignal): Promise<boolean> {
    return written(await this.#run("removeKeyPair", [hexOfText(organizationId), keyPairId], signal));
  }

  async readStatus(organizationId: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const answer = await this.#run("readStatus", [hexOfText(organizationId)], signal);
    const [row] = storedRows(answer, "statuses", "readStatus");
    return row?.document("the status item");
  }

  async writeStatus(organizationId: string, document: Uint8Array, signal: AbortSignal): Promise<void> {
    if (!written(await this.#run("writeStatus", [hexOfText(organizationId), hexOf(document)], signal)))
      throw new Error("nothing was written");
  }

  failureOf(error: unknown): StoreFailure {
    return postgresFailure(error);
  }

  async #headLogEntries(
    statement: "lastHeadChange" | "headChangesFrom",
    values: string[],
    signal: AbortSignal,
  ): Promise<HeadLogEntry[]> {
    const rows = storedRows(await this.#run(statement, values, signal), "head_changes", "headChanges");
    return rows.map((row) => row.headLogEntry());
  }

  #run(statement: keyof Statements, values: string[], signal: AbortSignal): Promise<unknown> {
    return runStatement(this.#pool, this.#statements[statement], values, signal);
  }
}

function keyPairOf(row: Row, organizationId: string): StoredKeyPair {
  const keyPairId = row.id();
  const what = `key pair ${keyPairId}`;
  return { organizationId, keyPairId, sequence: row.sequence(what), document: row.document(what) };
}

/** Bytes, as a text column takes no U+0000 and a database may have another encoding than UTF-8. */
function hexOfText(text: string): string {
  return Buffer.from(text).toString("hex");
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
